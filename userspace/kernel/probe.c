/* What this kernel can do. Each row really tries: loads a program of that kind, makes a map of that
 * kind, asks that socket option. Versions are never compared: distributions backport. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/macro.h"
#include "kernel/kernel_internal.h"

#define CGROUP_NS_INITIAL 0xEFFFFFFBu /* PROC_CGROUP_INIT_INO */

/* "return 1" of this kind loads. */
static bool can_load(enum bpf_prog_type type, enum bpf_attach_type attach)
{
	struct bpf_insn insns[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	_cleanup_(closep) int fd = bpf_prog_load(type, NULL, "GPL", insns, ARRAY_LEN(insns), &opts);
	return fd >= 0;
}

static bool can_call(enum bpf_prog_type type, enum bpf_func_id helper)
{
	return libbpf_probe_bpf_helper(type, helper, NULL) == 1;
}

static bool has_btf(void)
{
	struct btf *b = btf__load_vmlinux_btf();
	btf__free(b);
	return b != NULL;
}

static bool has_connect(void)
{
	return can_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT) &&
	       can_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP6_SENDMSG);
}

static bool has_peername(void)
{
	return can_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME);
}

static bool has_release(void)
{
	return can_load(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE);
}

static bool has_option(void)
{
	return can_load(BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT);
}

static bool has_sockops(void)
{
	return can_load(BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS) &&
	       can_call(BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_sk_storage_get);
}

static bool has_skb(void)
{
	return can_load(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS);
}

static bool has_storage(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_SK_STORAGE, NULL) == 1;
}

static bool has_ringbuf(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) == 1;
}

static bool has_mmap(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	_cleanup_(closep) int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 8, 1, &opts);
	return fd >= 0;
}

static bool has_netns_cookie(void)
{
	return can_call(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_netns_cookie);
}

static bool has_netns_sockopt(void)
{
	uint64_t cookie;
	return !cookie_by_option(&cookie);
}

bool probe_has_set_retval(void)
{
	return can_call(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval) &&
	       can_call(BPF_PROG_TYPE_CGROUP_SOCK, BPF_FUNC_set_retval);
}

bool probe_has_task_read(void)
{
	return can_call(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_current_task) &&
	       can_call(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_probe_read_kernel) &&
	       can_call(BPF_PROG_TYPE_CGROUP_SOCK, BPF_FUNC_probe_read_kernel);
}

static bool has_cgroup2(void)
{
	_cleanup_(freep) char *path = NULL;
	return !cgroup_find_mount(&path);
}

static bool has_host_cgroups(void)
{
	struct stat s;
	return !stat("/proc/self/ns/cgroup", &s) && (uint32_t)s.st_ino == CGROUP_NS_INITIAL;
}

static bool has_cgroup_kill(void)
{
	_cleanup_(freep) char *mount = NULL, *dir = NULL, *file = NULL;
	if (cgroup_find_mount(&mount) ||
	    asprintf(&dir, "%s/sluice-probe-%d", mount, getpid()) < 0 ||
	    asprintf(&file, "%s/cgroup.kill", dir) < 0 || mkdir(dir, 0755) < 0)
		return false;
	bool has = !access(file, W_OK);
	return !rmdir(dir) && has;
}

static bool has_pidfd_getfd(void)
{
	_cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	_cleanup_(closep) int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, pidfd, 0);
	return fd >= 0;
}

/* Before 5.15 a socket forgets its cgroup once the v1 net_cls or net_prio controllers are used. */
static bool has_lasting_cgroup(void)
{
	struct btf *b = btf__load_vmlinux_btf();
	int id = b ? btf__find_by_name_kind(b, "sock_cgroup_data", BTF_KIND_STRUCT) : -1;
	const struct btf_type *t = id > 0 ? btf__type_by_id(b, (uint32_t)id) : NULL;
	bool has = false;
	for (int i = 0; t && i < btf_vlen(t); i++)
		has |= !strcmp(btf__name_by_offset(b, btf_members(t)[i].name_off), "cgroup");
	btf__free(b);
	return has;
}

static const struct feature {
	const char *name;
	bool (*has)(void);
	bool is_required;
	const char *cost, *remedy;
} features[] = {
    {"cgroup2", has_cgroup2, true, "no workload can be managed",
     "mount -t cgroup2 none /sys/fs/cgroup"},
    {"cgroup_host_view", has_host_cgroups, false,
     "cgroups outside this container cannot be managed",
     "run with the host's cgroup namespace (cgroupns=host)"},
    {"btf", has_btf, true, "the programs cannot be fitted to this kernel",
     "a kernel with CONFIG_DEBUG_INFO_BTF"},
    {"connect_hooks", has_connect, true, "nothing can be redirected",
     "Linux 5.10 or later with CONFIG_CGROUP_BPF, and root"},
    {"getpeername_hooks", has_peername, true, "the agent would see the gateway's address",
     "Linux 5.10 or later"},
    {"sock_release", has_release, true, "closed flows would stay in the maps",
     "Linux 5.10 or later"},
    {"setsockopt_hook", has_option, true, "a socket could join multicast groups, which the network is told",
     "Linux 5.10 or later"},
    {"sockops", has_sockops, true, "no connection can be told from another", "Linux 5.10 or later"},
    {"cgroup_skb", has_skb, true, "no backstop below the sockets", "Linux 5.10 or later"},
    {"sk_storage", has_storage, true, "sockets cannot carry their identity", "Linux 5.10 or later"},
    {"ringbuf", has_ringbuf, true, "refusals cannot be recorded", "Linux 5.10 or later"},
    {"mmap_array", has_mmap, true, "no heartbeat", "Linux 5.10 or later"},
    {"netns_cookie", has_netns_cookie, true, "network namespaces cannot be told apart",
     "Linux 5.10 or later"},
    {"netns_cookie_sockopt", has_netns_sockopt, false,
     "a listener's namespace is found by a detour", "Linux 5.14 or later"},
    {"set_retval", probe_has_set_retval, false,
     "refused connects see EPERM instead of ECONNREFUSED", "Linux 5.18 or later"},
    {"task_read", probe_has_task_read, false, "records do not name the binary that connected",
     "run with CAP_PERFMON; Linux 5.10 or later"},
    {"cgroup_kill", has_cgroup_kill, false, "workloads are ended process by process",
     "Linux 5.14 or later"},
    {"pidfd_getfd", has_pidfd_getfd, false,
     "attach cannot examine open sockets, so it refuses them",
     "Linux 5.6 or later with CAP_SYS_PTRACE"},
    {"socket_keeps_cgroup", has_lasting_cgroup, false,
     "with the v1 net_cls or net_prio controllers in use, sockets escape their cgroup's programs",
     "Linux 5.15 or later, or do not use net_cls and net_prio"},
    {"other_families", lsm_is_active, false,
     "packet, vsock and other sockets that are not IP are not refused",
     "boot with bpf among lsm=; `sluice run` closes it by seccomp, an attached cgroup needs its own filter"},
    {"foreign_sockets", lsm_is_active, false,
     "a socket made outside and handed in (SCM_RIGHTS, pidfd_getfd) is not refused",
     "boot with bpf among lsm=; `sluice run` hides such partners"},
    {"unix_sockets", lsm_is_active, false,
     "a local service behind a Unix socket (docker, D-Bus, resolved) can act outside for an agent",
     "boot with bpf among lsm=; `sluice run` hides those that are there when it starts"},
    {"leaving_cgroup", lsm_is_active, false,
     "a process that may write the cgroup tree can leave its workload",
     "boot with bpf among lsm=; `sluice run` shows the cgroup tree read-only"},
    {"sock_destroy", strays_can_end, false,
     "attach refuses a cgroup whose processes hold sockets, instead of ending those", "Linux 6.5 or later"},
};

void probe_add(json_t *rows, const char *feature, bool have, const char *need, const char *cost, const char *remedy)
{
	json_array_append_new(rows, json_pack("{s:s,s:b,s:s,s:s,s:s}", "feature", feature, "have", have, "need", need,
					      "cost", cost, "remedy", remedy));
}

json_t *kernel_probe(void)
{
	json_t *rows = json_array();
	for (size_t i = 0; rows && i < ARRAY_LEN(features); i++) {
		const struct feature *f = &features[i];
		probe_add(rows, f->name, f->has(), f->is_required ? "required" : "optional", f->cost, f->remedy);
	}
	return rows;
}

/* The LSM programs may be there and not load, or load and not act: what they close is a gap then. */
json_t *kernel_gaps(const struct kernel *k)
{
	json_t *gaps = json_array();
	for (size_t i = 0; gaps && i < ARRAY_LEN(features); i++) {
		const struct feature *f = &features[i];
		bool has = f->has == lsm_is_active && k ? kernel_has_lsm(k) : f->has();
		if (!has)
			json_array_append_new(gaps, json_string(f->name));
	}
	return gaps;
}
