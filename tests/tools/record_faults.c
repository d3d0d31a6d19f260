/* What a record survives: record_faults [-n TIMES] [-s SEED] [kill|power|errors|clock|readonly]...
 * Each is tried TIMES times (1000) at points that the seed (1) chooses, under load; without a name,
 * all of them. kill      kill -9 of the recorder power     the store as a power cut leaves it: what
 * was not synced is there in part, page by page errors    EIO, ENOSPC, EDQUOT from a call that
 * writes, once or for a while clock     the clock set back and forth, by seconds and by years
 *   readonly  a store that turned read-only
 * After each: nothing that was accepted is lost, nothing is there twice or was never put, verify
 * says OK. Prints a line a kind and what went wrong; exit 1 if anything did. */
#include <stdarg.h>
#include <sys/mount.h>

#include "../unit/userspace/record/fault_calls.h"
#include "../unit/userspace/record/rig_talk.h"
#include "../unit/userspace/record/seal_keys.h"
#include "record/opener.h"
#include "record/scan.h"

#define SEGMENT (1 << 20)

static unsigned seed = 1;
static int n_bad, n_records, n_sealed;

static unsigned pick(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

__attribute__((format(printf, 1, 2))) static void bad(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("BAD ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	n_bad++;
}

/* --- load: two producers, each counts its own ----------------------------------------------------
 */

struct load {
	struct rig *g;
	uint64_t n_put[2];
	struct buf b;
	char text[700];
};

static void load_init(struct load *l, struct rig *g)
{
	*l = (struct load){.g = g};
	buf_init(&l->b, 2 * RING_EVENT_MAX);
	memset(l->text, 'x', sizeof(l->text) - 1);
}

/* Some events, not waited for; what the ring takes is accepted. */
static void load_some(struct load *l, int n)
{
	uint64_t ticket;
	for (int i = 0; i < n; i++) {
		int p = i & 1;
		rig_op(&l->b, &rig_who, l->n_put[p] * 2 + (uint64_t)p, l->text + pick(600),
		       EFFECT_ALLOW);
		if (ring_put(l->g->producers[1 + p], buf_span(&l->b), &ticket) == 0)
			l->n_put[p]++;
	}
}

static uint64_t id_of(struct span stored)
{
	struct scan s;
	return scan_event(stored, true, &s) == 0 && span_is(scan_plain(&s, "type"), "op")
		   ? scan_u64(&s, "id")
		   : UINT64_MAX;
}

struct seen {
	uint64_t next[2]; /* of each producer */
	bool is_wrong;
	bool is_sealed; /* it should be */
	bool is_told;	/* a text stands in the clear all the same */
};

static int see(void *ctx, struct span line)
{
	struct seen *s = ctx;
	uint64_t id = line.len > 1 ? id_of(span_of(line.p, line.len - 1)) : UINT64_MAX;
	if (id == UINT64_MAX)
		return 0;
	s->is_told = s->is_told || (s->is_sealed && !sealed_with(line).len);
	s->is_wrong = s->is_wrong || id / 2 != s->next[id & 1];
	s->next[id & 1] = id / 2 + 1;
	return 0;
}

/* Every event that was accepted, once and in its producer's order. */
static void check_all(const struct load *l, const char *what, int round)
{
	struct query *q;
	struct seen s = {.is_sealed = l->g->cfg.n_encrypt_to};
	int err = 0;
	struct query_source source = {.path = l->g->store};
	struct query_sink sink = {.line = see, .ctx = &s};
	json_t *j = json_pack("{s:s}", "kind", "events");
	if (query_read(j, &q) < 0 || query_answer(q, &source, &sink) < 0)
		bad("%s %d: the record cannot be read", what, round);
	query_free(q);
	json_decref(j);
	if (s.is_told)
		bad("%s %d: an event is not sealed", what, round);
	for (int p = 0; p < 2; p++)
		if (s.is_wrong || s.next[p] != l->n_put[p])
			bad("%s %d: producer %d put %" PRIu64 ", %" PRIu64 " are there%s", what,
			    round, p, l->n_put[p], s.next[p], s.is_wrong ? ", out of order" : "");
	struct verify_result v = rig_verify(l->g->store, &err);
	if (err || v.is_bad)
		bad("%s %d: verify: err %d, event %" PRIu64 ": %s", what, round, err, v.bad_seq,
		    v.why);
}

static void load_done(struct load *l)
{
	buf_done(&l->b);
}

/* A small record is looked at whole, and the next begins: time grows with it. */
struct run {
	struct rig g;
	struct load l;
};

static struct seal_keys auditor;

/* Every other record's payloads are packed and sealed. */
static void run_begin(struct run *r)
{
	rig_init(&r->g, NULL, SEGMENT);
	r->g.cfg.checkpoint_events = 500;
	if (pick(2)) {
		rig_kill(&r->g); /* it takes its configuration at its start */
		r->g.cfg.compress = 3;
		r->g.cfg.encrypt_to[0] = auditor.public;
		r->g.cfg.n_encrypt_to = 1;
		rig_start(&r->g);
		n_sealed++;
	}
	n_records++;
	load_init(&r->l, &r->g);
	if (!rig_says(&r->g, 0))
		bad("the recorder does not start");
}

static void run_end(struct run *r, const char *what, int round)
{
	if (!rig_says(&r->g, 0))
		bad("%s %d: it does not record again", what, round);
	if (rig_stop(&r->g) != 0)
		bad("%s %d: it does not end well", what, round);
	check_all(&r->l, what, round);
	load_done(&r->l);
	rig_done(&r->g);
}

#define ROUNDS 25 /* of one record */

/* --- kinds
 * ---------------------------------------------------------------------------------------- */

static void kill_often(int times)
{
	struct run *r = calloc(1, sizeof(*r));
	for (int i = 0; i < times; i++) {
		if (i % ROUNDS == 0)
			run_begin(r);
		for (unsigned burst = 1 + pick(6); burst; burst--) {
			load_some(&r->l, (int)pick(120));
			usleep(pick(4000));
		}
		rig_kill(&r->g);
		load_some(&r->l, (int)pick(50)); /* while it is dead */
		rig_start(&r->g);
		if (i % ROUNDS == ROUNDS - 1 || i == times - 1)
			run_end(r, "kill", i);
	}
	free(r);
}

static void fail_often(int times)
{
	static const int errs[] = {EIO, ENOSPC, EDQUOT};
	struct run *r = calloc(1, sizeof(*r));
	for (int i = 0; i < times; i++) {
		if (i % ROUNDS == 0)
			run_begin(r);
		fault->err = errs[pick(ARRAY_LEN(errs))];
		fault->repeats = pick(3) ? 0 : (int)pick(20);
		fault->after = (long)pick(30);
		for (int k = 0; k < 50 && fault->after >= 0; k++) {
			load_some(&r->l, 20 + (int)pick(60));
			usleep(2000);
		}
		fault->after = -1;
		if (i % ROUNDS == ROUNDS - 1 || i == times - 1)
			run_end(r, "errors", i);
	}
	free(r);
}

static void turn_the_clock(int times)
{
	struct run *r = calloc(1, sizeof(*r));
	for (int i = 0; i < times; i++) {
		if (i % ROUNDS == 0) {
			run_begin(r);
			rig_kill(&r->g);
			r->g.cfg.segment_seconds = 3600;
			r->g.cfg.keep_seconds =
			    100 * 24 * 3600; /* nothing may go: it is of today */
			rig_start(&r->g);
		}
		long long by = (long long)(pick(2) ? pick(100) : pick(3u * 365 * 24 * 3600));
		fault->clock_s = pick(2) ? by : -by;
		load_some(&r->l, (int)pick(200));
		usleep(2000 + pick(3000));
		if (i % ROUNDS == ROUNDS - 1 || i == times - 1) {
			fault->clock_s = 0;
			run_end(r, "clock", i);
		}
	}
	free(r);
}

/* Within ten seconds: what the ring says is the last recorder's word until the new one runs. */
static bool refuses(const struct rig *g)
{
	for (int i = 0; i < 1000; i++, usleep(10000))
		if (ring_check(g->producers[0]) != 0)
			return true;
	return false;
}

/* By a mount that turns; what is written to already goes on, so the recorder is killed in between.
 */
static void turn_read_only(int times)
{
	struct run *r = calloc(1, sizeof(*r));
	times = MIN(times, 20);
	run_begin(r);
	for (int i = 0; i < times; i++) {
		load_some(&r->l, (int)pick(200));
		rig_kill(&r->g);
		if (mount(r->g.dir, r->g.dir, NULL, MS_BIND, NULL) < 0 ||
		    mount(NULL, r->g.dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
			bad("readonly: mount: %s", strerror(errno));
		rig_start(&r->g);
		if (!refuses(&r->g))
			bad("readonly %d: it says that it records", i);
		umount2(r->g.dir, MNT_DETACH);
		if (!rig_says(&r->g, 0))
			bad("readonly %d: it does not record again", i);
	}
	run_end(r, "readonly", times);
	free(r);
}

/* --- power cuts
 * ------------------------------------------------------------------------------------ */

struct pending {
	const struct fault_entry *e;
	const uint8_t *data;
};

struct cut {
	char dir[PATH_MAX], store[PATH_MAX + 16];
	struct pending *pending;
	size_t n_pending;
	uint64_t durable, written; /* events in the journal: by a sync, at all */
};

static int open_file(const struct cut *c, const char *name)
{
	char path[PATH_MAX + 128];
	const char *slash = strchr(name, '/');
	snprintf(path, sizeof(path), "%.4000s/%.*s", c->store, slash ? (int)(slash - name) : 0,
		 name);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%.4000s/%s", c->store,
		 !strcmp(name, "journal.new") ? "journal" : name);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void put_bytes(const struct cut *c, const char *file, const void *p, size_t n, uint64_t off)
{
	int fd = open_file(c, file);
	if (fd < 0 || pwrite(fd, p, n, (off_t)off) != (ssize_t)n)
		abort();
	close(fd);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return n > 0 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* The last event of a group that a write to the journal holds. */
static uint64_t last_of(const struct pending *w)
{
	uint64_t last = 0;
	if (!strcmp(w->e->file, "journal") && w->e->len > 32 && !memcmp(w->data, "sluicej1", 8))
		memcpy(&last, w->data + 24, 8);
	return last;
}

static void sync_file(struct cut *c, const char *file)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->n_pending; i++) {
		struct pending *w = &c->pending[i];
		if (strcmp(w->e->file, file) != 0) {
			c->pending[kept++] = *w;
			continue;
		}
		put_bytes(c, file, w->data, w->e->len, w->e->off);
		c->durable = MAX(c->durable, last_of(w));
	}
	c->n_pending = kept;
}

static void one_op(struct cut *c, const struct fault_entry *e, const uint8_t *data)
{
	struct pending w = {e, data};
	int fd;
	switch (e->op) {
	case FAULT_SYNC:
		sync_file(c, e->file);
		break;
	case FAULT_SIZE:
		fd = open_file(c, e->file);
		if (fd < 0 || ftruncate(fd, (off_t)e->off) < 0)
			abort();
		close(fd);
		break;
	default:
		c->written = MAX(c->written, last_of(&w));
		if (e->is_synced)
			put_bytes(c, e->file, data, e->len, e->off);
		else if (!strcmp(e->file, "journal.new") && is_zero(data, e->len)) {
			fd = open_file(c, e->file);
			if (fd < 0 || ftruncate(fd, (off_t)(e->off + e->len)) < 0)
				abort();
			close(fd);
		} else
			c->pending[c->n_pending++] = w;
	}
}

/* What was not synced: each page of it is there or not. */
static void tear(struct cut *c)
{
	for (size_t i = 0; i < c->n_pending; i++)
		for (uint64_t at = 0; at < c->pending[i].e->len; at += 4096)
			if (pick(2))
				put_bytes(c, c->pending[i].e->file, c->pending[i].data + at,
					  MIN(4096, c->pending[i].e->len - at),
					  c->pending[i].e->off + at);
}

static void make_cut(struct cut *c, long ops)
{
	uint64_t at = 0;
	for (long i = 0; i < ops && at < fault->log_len; i++) {
		const struct fault_entry *e = (const void *)(fault->log + at);
		one_op(c, e, (const uint8_t *)(e + 1));
		at += sizeof(*e) + (e->len + 7) / 8 * 8;
	}
	tear(c);
}

static long n_ops(void)
{
	long n = 0;
	for (uint64_t at = 0; at < fault->log_len; n++) {
		const struct fault_entry *e = (const void *)(fault->log + at);
		at += sizeof(*e) + (e->len + 7) / 8 * 8;
	}
	return n;
}

/* Whatever the cut left, verify reads it, and a recorder goes on from it. */
static void look_at(const struct cut *c, int round, long ops)
{
	struct rig *g = calloc(1, sizeof(*g));
	int err = 0;
	struct verify_result v = rig_verify(c->store, &err);
	bool is_new = err == ERR_NOT_FOUND || err == -ENOENT || err == -EINVAL;
	if (c->durable && (err || v.is_bad || v.last < c->durable || v.last > c->written))
		bad("power %d at %ld: err %d, %" PRIu64 "..%" PRIu64 " durable, last %" PRIu64
		    " event %" PRIu64 ": %s",
		    round, ops, err, c->durable, c->written, v.last, v.bad_seq, v.why);
	else if (!c->durable && err && !is_new && err != ERR_VERIFY)
		bad("power %d at %ld: err %d", round, ops, err);
	rig_init(g, c->dir, SEGMENT);
	if (!rig_says(g, 0) || rig_stop(g) != 0)
		bad("power %d at %ld: no recorder goes on from it", round, ops);
	v = rig_verify(c->store, &err);
	if (err || v.is_bad || v.last < c->durable)
		bad("power %d at %ld: afterwards err %d, last %" PRIu64 " event %" PRIu64 ": %s",
		    round, ops, err, v.last, v.bad_seq, v.why);
	rig_done(g);
	free(g);
}

static void cut_often(int times)
{
	struct run *r = calloc(1, sizeof(*r));
	fault->log_len = 0;
	fault->logs = true;
	run_begin(r);
	for (int i = 0; i < 60; i++) {
		load_some(&r->l, (int)pick(160));
		usleep(pick(8000));
	}
	char keys[] = "/tmp/sluice-keys-XXXXXX", command[3 * PATH_MAX];
	if (rig_stop(&r->g) != 0 || !mkdtemp(keys))
		abort();
	snprintf(command, sizeof(command), "cp '%.4000s'/keys/node.key '%.4000s'/keys/node.pub %s",
		 r->g.dir, r->g.dir, keys);
	if (system(command) != 0)
		abort();
	check_all(&r->l, "power", -1);
	load_done(&r->l);
	rig_done(&r->g);
	fault->logs = false;
	long all = n_ops();
	for (int i = 0; i < times; i++) {
		struct cut c = {.dir = "/tmp/sluice-cut-XXXXXX"};
		long ops = (long)pick((unsigned)all + 1);
		if (!mkdtemp(c.dir))
			abort();
		snprintf(c.store, sizeof(c.store), "%.4000s/store", c.dir);
		mkdir(c.store, 0700);
		snprintf(command, sizeof(command), "cp -r %s '%.4000s/keys'", keys, c.dir);
		if (system(command) != 0)
			abort();
		c.pending = calloc((size_t)ops + 1, sizeof(*c.pending));
		make_cut(&c, ops);
		look_at(&c, i, ops);
		free(c.pending);
		rig_remove(c.dir);
	}
	rig_remove(keys);
	printf("# %ld calls that wrote\n", all);
	free(r);
}

static const struct {
	const char *name;
	void (*run)(int times);
} kinds[] = {{"kill", kill_often},
	     {"power", cut_often},
	     {"errors", fail_often},
	     {"clock", turn_the_clock},
	     {"readonly", turn_read_only}};

int main(int argc, char **argv)
{
	int times = 1000, n_run = 0;
	for (int o; (o = getopt(argc, argv, "n:s:")) != -1;) {
		if (o == '?')
			return 2;
		if (o == 'n')
			times = atoi(optarg);
		else
			seed = (unsigned)atoi(optarg);
	}
	seal_keys_make(&auditor, "auditor", SEAL_RSA);
	fault_init();
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		bool is_named = optind == argc;
		for (int k = optind; k < argc; k++)
			is_named = is_named || !strcmp(argv[k], kinds[i].name);
		if (!is_named)
			continue;
		int before = n_bad;
		uint64_t from = clock_mono_ns();
		kinds[i].run(times);
		printf("%s %s: %d times, %.1f s\n", n_bad == before ? "OK" : "BAD", kinds[i].name,
		       times, (double)(clock_mono_ns() - from) / 1e9);
		fflush(stdout);
		n_run++;
	}
	printf("# %d records, %d of them sealed\n", n_records, n_sealed);
	seal_keys_remove(&auditor);
	return n_bad || !n_run;
}
