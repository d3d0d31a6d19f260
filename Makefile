# sluice: one Makefile, not recursive. `make help` lists what it can do; V=1 shows the commands.
O       ?= .output
VARIANT ?= release
B       := $(O)/$(VARIANT)
Q       := $(if $(V),,@)
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PREFIX  ?= /usr/local
VERSION := 0.1.0

PG_VERSION_NUM := $(shell sed -n 's/^.define PG_VERSION_NUM \([0-9]*\).*/\1/p' /usr/include/pg_query.h 2>/dev/null)
PG_INC  := $(firstword $(wildcard /usr/include/pg_query/postgres) $(wildcard /usr/include/postgresql/15/server))

WARN    := -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wundef -Wvla -Wmissing-prototypes -Wstrict-prototypes -Werror
CFLAGS  ?= -O2 -g
BASE    := -std=gnu11 -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' $(WARN) -Iuserspace -I. -I$(B)/gen \
           -I/usr/include/postgresql -fstack-protector-strong -MMD -MP -pthread
HARDEN  := $(if $(filter release,$(VARIANT)),-D_FORTIFY_SOURCE=2 -fPIE)
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SAN_tsan := -fsanitize=thread -fno-omit-frame-pointer
# clang calls NULL + 0 an overflow; C2y does not.
SAN_fuzz := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize=pointer-overflow -fno-sanitize-recover=undefined
SAN     := $(SAN_$(VARIANT))
LDLIBS  := -Wl,-Bstatic -lpg_query -lbpf -llmdb -ljansson -Wl,-Bdynamic \
           -lelf -lz -lssl -lcrypto -ljwt -lpq -lcurl -lidn -lseccomp -lpcre2-8 -lunistring -lzstd -lpthread -lm
LDFLAGS := -pthread -Wl,--exclude-libs,ALL -Wl,-z,relro,-z,now $(if $(filter release,$(VARIANT)),-pie)

# What is a library, what a program, what a test: by place.
CLI_C   := $(wildcard userspace/cli/*.c)
WEB     := $(sort $(wildcard userspace/console/web/*))
LIB_C   := $(filter-out $(CLI_C) userspace/main.c,$(wildcard policy/*.c policy/*/*.c userspace/*.c userspace/*/*.c userspace/*/*/*.c))
BPF_C   := $(wildcard bpf/*.bpf.c)
TEST_C  := $(shell find tests/unit tests/e2e -name '*_test.c' 2>/dev/null)
FUZZ_C  := $(wildcard tests/fuzz/*_fuzz.c)
TOOL_C  := $(wildcard tests/tools/*.c)
SUITE_C := $(wildcard tests/containment/*.c)
obj      = $(patsubst %.c,$(B)/%.o,$(1))
SKELS   := $(patsubst bpf/%.bpf.c,$(B)/gen/%.skel.h,$(BPF_C))
TESTS   := $(patsubst %.c,$(B)/%,$(TEST_C))
FUZZERS := $(patsubst %.c,$(B)/%,$(FUZZ_C))
TOOLS   := $(patsubst %.c,$(B)/%,$(TOOL_C))
SUITE   := $(B)/tests/containment/suite

all: $(B)/sluice $(B)/sluiced ## build the daemon and the command line

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 16

$(B)/libsluice.a: $(call obj,$(LIB_C)) $(B)/gen/console_files.o
	@rm -f $@
	$(Q)ar rcs $@ $^
$(B)/sluice: $(call obj,$(CLI_C)) $(B)/libsluice.a
	@echo "  LD    $@"
	$(Q)$(CC) $(SAN) -o $@ $(call obj,$(CLI_C)) $(B)/libsluice.a $(LDFLAGS) $(LDLIBS)
$(B)/sluiced: $(call obj,userspace/main.c) $(B)/libsluice.a
	@echo "  LD    $@"
	$(Q)$(CC) $(SAN) -o $@ $< $(B)/libsluice.a $(LDFLAGS) $(LDLIBS)
$(TESTS) $(TOOLS): $(B)/%: $(B)/%.o $(B)/libsluice.a
	$(Q)$(CC) $(SAN) -o $@ $< $(B)/libsluice.a $(LDFLAGS) $(LDLIBS)
$(SUITE): $(call obj,$(SUITE_C)) $(B)/libsluice.a
	@echo "  LD    $@"
	$(Q)$(CC) $(SAN) -o $@ $(call obj,$(SUITE_C)) $(B)/libsluice.a $(LDFLAGS) $(LDLIBS)
# A fuzz target is one LLVMFuzzerTestOneInput; without libFuzzer a small main replays the corpus.
# glibc's own DNS parser, as the judge of ours.
$(B)/tests/unit/userspace/proto/dns/msg_test: LDLIBS += -lresolv
$(FUZZERS): $(B)/%: $(B)/%.o $(B)/tests/fuzz/replay.o $(B)/libsluice.a
	$(Q)$(CC) $(SAN) -o $@ $< $(B)/tests/fuzz/replay.o $(B)/libsluice.a $(LDFLAGS) $(LDLIBS)

$(B)/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(BASE) $(CFLAGS) $(HARDEN) $(SAN) $(EXTRA_$(basename $(notdir $<))) -c -o $@ $<
# Files that walk PostgreSQL's own nodes see its headers, and only they do.
$(B)/userspace/sql/pg_%.o: userspace/sql/pg_%.c | $(SKELS)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(BASE) $(CFLAGS) $(HARDEN) $(SAN) -Wno-unused-parameter -Wno-sign-compare -Wno-shadow -Wno-undef \
	  -isystem $(PG_INC) -c -o $@ $<
# The console's pages as they lie there, in an array.
$(B)/gen/console_files.c: userspace/console/embed $(WEB)
	@mkdir -p $(@D)
	$(Q)userspace/console/embed $(WEB) >$@.tmp && mv $@.tmp $@
$(B)/gen/console_files.o: $(B)/gen/console_files.c
	$(Q)$(CC) $(BASE) $(CFLAGS) $(HARDEN) $(SAN) -c -o $@ $<
$(B)/gen/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h)
	@mkdir -p $(@D)
	@echo "  BPF   $<"
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v2 -D__TARGET_ARCH_x86 -Wall -Werror -Ibpf -I/usr/include/$(shell uname -m)-linux-gnu -c -o $@ $<
$(B)/gen/%.skel.h: $(B)/gen/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@.tmp && mv $@.tmp $@

# T=word picks the tests whose path contains it.
pick     = $(if $(T),$(foreach t,$(1),$(if $(findstring $(T),$(t)),$(t))),$(1))
E2E     := $(wildcard tests/e2e/*_test) $(wildcard tests/e2e/*_test.py)

# What is there to build with is known only after deps: a make of its own comes behind it.
JOBS    := $(if $(findstring j,$(filter-out --%,$(MAKEFLAGS))),,-j$(shell nproc))
AGAIN    = +$(Q)$(MAKE) --no-print-directory $(JOBS)

test: deps ## everything, dependencies included (T=word: the tests whose path contains it)
	$(AGAIN) test-run
test-run: all tools $(TESTS) $(SUITE) $(FUZZERS)
	$(Q)tests/run $(call pick,$(TESTS) $(SUITE) $(FUZZERS) $(E2E))
lint: ## layers, sizes, words that do not belong
	$(Q)tests/lint
asan: deps ## unit and fuzz tests under the address and undefined-behaviour sanitizers
	$(AGAIN) VARIANT=asan asan-run
asan-run: $(TESTS) $(FUZZERS)
	$(Q)ASAN_OPTIONS=detect_leaks=1 tests/run $(call pick,$(TESTS) $(FUZZERS))
# What has threads. Under a fixed layout: TSan of gcc 12 does not know what newer kernels may randomize. The libraries
# that are not built with it are left out by tests/tsan.supp.
TSAN_T  := flow recorder writer ring loop upstream server console live sinks cache catalog
tsan: deps ## the tests of what has threads under the thread sanitizer (T=word)
	$(AGAIN) VARIANT=tsan tsan-run
tsan-run: $(TESTS)
	$(Q)TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp halt_on_error=0 exitcode=66" setarch -R tests/run \
	  $(if $(T),$(call pick,$(TESTS)),$(sort $(foreach w,$(TSAN_T),$(foreach t,$(TESTS),$(if $(findstring $(w),$(t)),$(t))))))
bench: deps ## ratios to a direct connection, beside pgbouncer and a bare relay: .output/bench.tsv
	$(AGAIN) all tools
	$(Q)tests/bench/run
drivers: deps ## masked values through psycopg, asyncpg, pg8000, node-postgres, pgjdbc, pgx and tokio-postgres, from the registries
	$(AGAIN) all
	$(Q)tests/drivers/run
cases: deps ## 1,440 statements, each on a session of its own: refused or not, leaked or not (tests/cases/*_breadth.tsv)
	$(AGAIN) all
	$(Q)tests/cases/run --setup tests/cases/setup.sql tests/cases/write_breadth.tsv tests/cases/must_work_breadth.tsv
	$(Q)tests/cases/run --setup tests/cases/setup.sql tests/cases/mask_breadth.tsv
peers: deps ## psql, pg_dump and the drivers that people use, direct and through the gateway, compared (PEERS="psql,pgjdbc")
	$(AGAIN) all
	$(Q)tests/peers/run
pg-regress: deps ## PostgreSQL's own regression suite, direct and through the gateway (REGRESS="select boolean")
	$(AGAIN) all
	$(Q)source=$$(tests/peers/pg_source) && tests/peers/pg_suite $$source regress
pg-isolation: deps ## PostgreSQL's isolation tests, several sessions at once, in the same way (REGRESS="deadlock-hard")
	$(AGAIN) all
	$(Q)source=$$(tests/peers/pg_source) && tests/peers/pg_suite $$source isolation
pg-pipeline: deps ## libpq's own test of its pipeline mode, in the same way, message by message (REGRESS="nosync")
	$(AGAIN) all
	$(Q)source=$$(tests/peers/pg_source) && tests/peers/pg_suite $$source pipeline
bench-mask: deps ## a 100 MB result and COPY, masked, as a ratio to a bare relay: .output/bench-mask.tsv
	$(AGAIN) all tools
	$(Q)tests/bench/mask
bench-more: deps ## logins, COMMIT, idle flows, a decision, the recorder: .output/bench-more.tsv
	$(AGAIN) all tools
	$(Q)tests/bench/more
soak: deps ## 9,000 sessions at once for ten minutes, with flat memory (FLOWS=9000 SECONDS=600 RATE=250): .output/soak.tsv
	$(AGAIN) all tools
	$(Q)tests/bench/soak
hold-many: deps ## 1,000 sessions held at once by an ask rule: memory, answers, the record (HOLDS=1000)
	$(AGAIN) all
	$(Q)HOLDS=$(or $(HOLDS),1000) TIMEOUT=900 tests/run tests/e2e/hold_many_test.py
faults: deps ## a bad network to the database, long; each process killed or hung, the database too; nothing left (ROUNDS=200 SEED=1)
	$(AGAIN) all
	$(Q)ROUNDS=$(or $(ROUNDS),200) SEED=$(or $(SEED),1) TIMEOUT=3600 tests/run tests/e2e/network_test.py \
	  tests/e2e/faults_test.py tests/e2e/scarce_test.py
faults-random: deps ## seeded kills of each process, of all, of a backend and of the database under load, and what must hold after each (SEEDS=200 SEED=1)
	$(AGAIN) all
	$(Q)SEEDS=$(or $(SEEDS),200) SEED=$(or $(SEED),1) TIMEOUT=7200 SHOW=acknowledged tests/run tests/e2e/faults_random_test.py
bench-audit: deps ## search, export and verify over a store of more than 1 GB
	$(AGAIN) all tools
	$(Q)tests/bench/audit
bench-record: deps ## the recorder: events a second, bytes, plain, packed and sealed; COMMIT's wait; then as bench-audit
	$(AGAIN) all tools
	$(Q)tests/bench/record
	$(Q)PARTS=commits tests/bench/more
	$(Q)tests/bench/audit
# libFuzzer, SECS seconds for each target, from the corpus in the tree; what it finds lies in .output/fuzz/.
SECS    ?= 60
fuzz: deps ## run the fuzz targets under libFuzzer (SECS=60 each, T=word)
	$(AGAIN) VARIANT=fuzz CC=$(CLANG) fuzz-run
fuzz-run: $(patsubst %.c,$(B)/%.libfuzzer,$(FUZZ_C))
	$(Q)for f in $(call pick,$^); do n=$$(basename $$f _fuzz.libfuzzer); mkdir -p tests/fuzz/corpus/$$n $(O)/fuzz/$$n; \
	  $$f -max_total_time=$(SECS) -rss_limit_mb=4096 -artifact_prefix=$(O)/fuzz/$$n- $(O)/fuzz/$$n tests/fuzz/corpus/$$n || exit 1; done
$(B)/%.libfuzzer: $(B)/%.o $(B)/libsluice.a
	$(Q)$(CC) $(SAN) -fsanitize=fuzzer -o $@ $^ $(LDFLAGS) $(LDLIBS)
# N kills, power cuts, failed writes and turned clocks, at points that SEED chooses.
N       ?= 1000
SEED    ?= 1
record-faults: deps ## what the record survives, N=1000 times each (SEED=1, KINDS="kill power errors clock readonly")
	$(AGAIN) tools
	$(Q)$(B)/tests/tools/record_faults -n $(N) -s $(SEED) $(KINDS)
# What install puts where: mode, file, place beneath $(DESTDIR). The unit and the sample configurations name $(PREFIX).
SHARE   := $(PREFIX)/share
DOC     := $(SHARE)/doc/sluice
SAMPLES := $(filter-out policy/examples/cases-%,$(wildcard policy/examples/*.json policy/examples/*.tsv))
UNIT    := /lib/systemd/system/sluiced.service
PLACES  := 755:$(B)/sluice:$(PREFIX)/bin/sluice 755:$(B)/sluiced:$(PREFIX)/sbin/sluiced \
           644:deploy/man/sluice.1:$(SHARE)/man/man1/sluice.1 644:deploy/man/sluiced.8:$(SHARE)/man/man8/sluiced.8 \
           644:deploy/man/sluice-masks.5:$(SHARE)/man/man5/sluice-masks.5 \
           644:deploy/sluiced.service:$(UNIT) 644:deploy/sluice.sysusers:/usr/lib/sysusers.d/sluice.conf \
           755:deploy/verify-export.py:$(SHARE)/sluice/verify-export.py \
           644:deploy/verify_claims.py:$(SHARE)/sluice/verify_claims.py \
           644:userspace/record/events.schema.json:$(DOC)/events.schema.json \
           644:userspace/console/web/openapi.json:$(DOC)/openapi.json 644:policy/schema.json:$(DOC)/policy.schema.json \
           $(foreach f,deploy/sluice.json deploy/sluice-console.json README.md THREATS.md LICENSE,644:$(f):$(DOC)/$(notdir $(f))) \
           $(foreach f,policy/examples/README.md $(SAMPLES),644:$(f):$(DOC)/policies/$(notdir $(f))) \
           $(foreach f,$(wildcard examples/crewai/*),$(if $(shell test -x $(f) && echo x),755,644):$(f):$(DOC)/examples/crewai/$(notdir $(f)))
install: all ## into $(DESTDIR)$(PREFIX): programs, manual pages, unit, samples
	$(Q)for p in $(PLACES); do mode=$${p%%:*} rest=$${p#*:}; install -D -m $$mode $${rest%%:*} $(DESTDIR)$${rest#*:} || exit 1; done
	$(Q)sed -i 's|/usr/local|$(PREFIX)|' $(DESTDIR)$(UNIT)
	@echo "installed beneath $(DESTDIR)$(PREFIX); the configuration is yours: sluice init --dsn URL writes a first one"
uninstall: ## what install put there; /etc/sluice, the record and the keys stay
	$(Q)rm -f $(foreach p,$(PLACES),$(DESTDIR)$(word 3,$(subst :, ,$(p))))
	$(Q)rm -rf $(DESTDIR)$(SHARE)/sluice/__pycache__
	$(Q)for d in $(DOC)/examples/crewai $(DOC)/examples $(DOC)/policies $(DOC) $(SHARE)/sluice; do \
	  rmdir $(DESTDIR)$$d 2>/dev/null || true; done
unit: $(TESTS) ## unit tests only
	$(Q)tests/run $(call pick,$(TESTS))
containment: deps ## every known way around the gateway, tried: a table vector, outcome, how, bytes at the sink
	$(AGAIN) $(SUITE)
	$(Q)$(SUITE) $(T)
containment-soak: deps ## enforcement over a crash at each step of a start, full tables and 1,000 workloads
	$(AGAIN) $(B)/tests/e2e/kernel_life_test $(B)/tests/e2e/kernel_start_test
	$(Q)SOAK=1000 tests/run $(B)/tests/e2e/kernel_life_test $(B)/tests/e2e/kernel_start_test
containment-cost: deps ## what a connect and a packet of a managed process cost, and that those outside pay nothing
	$(AGAIN) $(B)/tests/bench/kernel_cost
	$(Q)$(B)/tests/bench/kernel_cost
$(B)/tests/bench/kernel_cost: $(B)/tests/bench/kernel_cost.o $(B)/libsluice.a
	$(Q)$(CC) $(SAN) -o $@ $< $(B)/libsluice.a $(LDFLAGS) $(LDLIBS)
tests: $(TESTS) $(SUITE)
fuzzers: $(FUZZERS)
tools: $(TOOLS)

deps: ## install what building, running and testing need
	@deploy/deps
# What must hold on every kernel; vmtest/README.md.
VM_TESTS = $(SUITE) $(filter $(B)/tests/unit/bpf/% $(B)/tests/unit/userspace/kernel/% $(B)/tests/e2e/kernel_%,$(TESTS))
vmtest: ## the kernel side on the oldest and the newest kernel, under qemu (K="6.1 6.12": on these)
	@deploy/deps vm
	$(AGAIN) vmtest-run
vmtest-all: ## the same and the whole gateway on every kernel of vmtest/kernels.list
	@deploy/deps vm
	$(AGAIN) vmtest-run K="$(or $(K),--all)" WHOLE="tests/e2e/containment_test.py tests/e2e/container_test.py tests/e2e/vectors_test.py"
vmtest-run: $(VM_TESTS) $(if $(WHOLE),all)
	$(Q)TESTS="$(VM_TESTS) $(WHOLE)" vmtest/run $(K)
quickstart: ## the main job, shown and checked (KEEP=1 leaves it running)
	@deploy/deps run
	$(AGAIN) all
	@examples/quickstart/run

clean: ## remove what was built
	rm -rf $(O)
.PHONY: containment containment-soak containment-cost all help test test-run unit lint asan asan-run drivers bench bench-mask bench-more fuzz fuzz-run install uninstall deps quickstart tests fuzzers tools clean
.PHONY: vmtest vmtest-all vmtest-run
.PHONY: bench-audit bench-record cases peers pg-regress pg-isolation pg-pipeline
.PHONY: tsan tsan-run soak faults faults-random hold-many
.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
