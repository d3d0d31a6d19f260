/* <bpffs>/<instance>/v<ABI>/ holds the maps, links/<cgroup id>_<program> the links: they keep
 * enforcing when no daemon runs. A pinned link can be dead (its cgroup was removed): the kernel
 * says so, and so do we, instead of taking its existence for protection. */
#include "kernel/kernel_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/macro.h"
#include "bpf/shared.h"
#include "sluice.skel.h"

/* The order of attaching: what holds when all else fails first, what lets anything through last. */
static const struct {
	const char *prog;
	enum bpf_attach_type type;
} hooks[] = {
    {"gate_egress", BPF_CGROUP_INET_EGRESS},
    {"gate_ingress", BPF_CGROUP_INET_INGRESS},
    {"gate_device", BPF_CGROUP_DEVICE},
    {"gate_setsockopt", BPF_CGROUP_SETSOCKOPT},
    {"gate_sock_create", BPF_CGROUP_INET_SOCK_CREATE},
    {"gate_sock_release", BPF_CGROUP_INET_SOCK_RELEASE},
    {"gate_bind4", BPF_CGROUP_INET4_BIND},
    {"gate_bind6", BPF_CGROUP_INET6_BIND},
    {"gate_recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
    {"gate_recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
    {"gate_peername4", BPF_CGROUP_INET4_GETPEERNAME},
    {"gate_peername6", BPF_CGROUP_INET6_GETPEERNAME},
    {"gate_sockops", BPF_CGROUP_SOCK_OPS},
    {"gate_sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
    {"gate_sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
    {"gate_connect4", BPF_CGROUP_INET4_CONNECT},
    {"gate_connect6", BPF_CGROUP_INET6_CONNECT},
};

#define PIN_PATH    512
#define LOCK_TRIES  30
#define LOCK_NAP_US 100000

static int map_dir(const struct kernel *k, char *out)
{
	return snprintf(out, PIN_PATH, "%s/v%d", k->pins, SHARED_ABI) < PIN_PATH ? 0 : ERR_LIMIT;
}

static int link_path(const struct kernel *k, uint64_t cgroup_id, const char *prog, char *out)
{
	int n = snprintf(out, PIN_PATH, "%s/links/%" PRIu64 "_%s", k->pins, cgroup_id, prog);
	return n < PIN_PATH ? 0 : ERR_LIMIT;
}

static int mount_bpffs(const char *path, struct why *why)
{
	struct statfs s;
	int err;
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		err = -errno;
		return why_say(why, err, "cannot create %s (%s)", path, strerror(-err));
	}
	if (!statfs(path, &s) && (uint32_t)s.f_type == BPF_FS_MAGIC)
		return 0;
	if (!mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return 0;
	err = -errno;
	return why_say(why, err, "%s is no bpffs and cannot be mounted (%s): mount -t bpf bpf %s",
		       path, strerror(-err), path);
}

static int make_dirs(const struct kernel *k)
{
	char path[PIN_PATH];
	if (mkdir(k->pins, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (map_dir(k, path))
		return ERR_LIMIT;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/links", k->pins);
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* A daemon that was killed holds the lock until its children, which inherited it, are gone too. */
static int lock_pins(int fd)
{
	for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
			return -errno;
		usleep(LOCK_NAP_US);
	}
	return 0;
}

int pins_open(struct kernel *k, const char *bpffs, struct why *why)
{
	if (!bpffs)
		bpffs = "/sys/fs/bpf";
	int err = mount_bpffs(bpffs, why);
	if (err)
		return err;
	if (asprintf(&k->pins, "%s/%s", bpffs, k->instance) < 0)
		return -ENOMEM;
	err = make_dirs(k);
	if (err)
		return why_say(why, err, "cannot create the pin folder %s (%s)", k->pins,
			       err_text(err));
	k->lock_fd = open(k->pins, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->lock_fd < 0)
		return why_say(why, -errno, "cannot open %s", k->pins);
	if (lock_pins(k->lock_fd))
		return why_say(why, ERR_EXISTS,
			       "another daemon runs the instance \"%s\": stop it, or "
			       "choose another instance name",
			       k->instance);
	return 0;
}

int pins_set_maps(const struct kernel *k, struct bpf_object *obj)
{
	char dir[PIN_PATH], path[PIN_PATH];
	struct bpf_map *m;
	int err = map_dir(k, dir);
	bpf_object__for_each_map(m, obj)
	{
		if (err)
			return err;
		if (bpf_map__is_internal(m))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, bpf_map__name(m)) >= PIN_PATH)
			return ERR_LIMIT;
		err = bpf_map__set_pin_path(m, path);
	}
	return err;
}

static void unlink_pin(const char *path)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return; /* on our own bpffs only a missing privilege: the next start tries again */
}

/* 0: the pinned link runs our program on this cgroup now. */
static int take_over(const char *path, uint64_t cgroup_id, int prog_fd)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);
	_cleanup_(closep) int fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err)
		return err;
	if (info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.cgroup_id != cgroup_id)
		return -ENOLINK;
	return bpf_link_update(fd, prog_fd, NULL);
}

static int attach_new(const char *path, int cgroup_fd, int prog_fd, enum bpf_attach_type type)
{
	_cleanup_(closep) int fd = bpf_link_create(prog_fd, cgroup_fd, type, NULL);
	if (fd < 0)
		return -errno;
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

/* A link of the node's, not of a cgroup, cannot be given another program: the new one stands beside the old one before
 * that goes. */
int pins_attach_node(const struct kernel *k, struct bpf_program *p)
{
	char path[PIN_PATH], fresh[PIN_PATH + 8];
	if (snprintf(path, sizeof(path), "%s/links/node_%s", k->pins, bpf_program__name(p)) >= PIN_PATH)
		return ERR_LIMIT;
	snprintf(fresh, sizeof(fresh), "%s_new", path);
	struct bpf_link *l = bpf_program__attach(p);
	if (!l)
		return -errno;
	unlink_pin(fresh);
	int err = bpf_obj_pin(bpf_link__fd(l), fresh) < 0 || (unlink(path) < 0 && errno != ENOENT) ||
			  rename(fresh, path) < 0
		      ? -errno
		      : 0;
	bpf_link__destroy(l);
	return err;
}

static int attach_hook(struct kernel *k, int i, int cgroup_fd, uint64_t cgroup_id)
{
	struct bpf_program *p = bpf_object__find_program_by_name(k->skel->obj, hooks[i].prog);
	char path[PIN_PATH];
	if (!p)
		return -ENOENT;
	int err = link_path(k, cgroup_id, hooks[i].prog, path);
	if (err)
		return err;
	err = take_over(path, cgroup_id, bpf_program__fd(p));
	if (!err)
		return 0;
	if (err != -ENOENT && unlink(path) < 0)
		return -errno;
	return attach_new(path, cgroup_fd, bpf_program__fd(p), hooks[i].type);
}

int pins_attach(struct kernel *k, uint64_t cgroup_id, struct why *why)
{
	_cleanup_(closep) int fd = cgroup_open(k, cgroup_id);
	if (fd < 0)
		return why_say(why, fd, "cannot open the cgroup with the id %" PRIu64 " (%s)",
			       cgroup_id, err_text(fd));
	for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
		int err = attach_hook(k, (int)i, fd, cgroup_id);
		if (err)
			return why_say(
			    why, err, "cannot attach %s to the cgroup with the id %" PRIu64 " (%s)",
			    hooks[i].prog, cgroup_id, err_text(err));
	}
	return 0;
}

/* Detaching takes effect at once; dropping the pin alone would, some time later. */
static void unlink_link(const char *path)
{
	_cleanup_(closep) int fd = bpf_obj_get(path);
	if (fd >= 0 && bpf_link_detach(fd) < 0 && errno == EPERM)
		return; /* still attached: keep the name by which it can be found */
	unlink_pin(path);
}

void pins_detach(struct kernel *k, uint64_t cgroup_id)
{
	char path[PIN_PATH];
	/* Backwards: the backstops go last. */
	for (size_t i = ARRAY_LEN(hooks); i-- > 0;)
		if (!link_path(k, cgroup_id, hooks[i].prog, path))
			unlink_link(path);
}

static void each_pin(const char *dir, void (*on_pin)(const char *path))
{
	char at[PIN_PATH];
	struct dirent *e;
	DIR *d = opendir(dir);
	if (!d)
		return;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' &&
		    snprintf(at, sizeof(at), "%s/%s", dir, e->d_name) < PIN_PATH)
			on_pin(at);
	closedir(d);
}

static void unlink_node_link(const char *path)
{
	if (!strncmp(strrchr(path, '/') + 1, "node_", 5))
		unlink_link(path);
}

void pins_detach_node(const struct kernel *k)
{
	char path[PIN_PATH];
	snprintf(path, sizeof(path), "%s/links", k->pins);
	each_pin(path, unlink_node_link);
}

/* The first hook's pin stands for its cgroup: attached first, detached last. All hooks of it are
 * brought up to date, those included that a former daemon did not know or get to. A cgroup that is
 * gone takes its links along. */
static int adopt_link(struct kernel *k, const char *name, struct why *why)
{
	char *end;
	uint64_t id = strtoull(name, &end, 10);
	if (*end != '_' || strcmp(end + 1, hooks[0].prog) || id == k->root_id)
		return 0;
	_cleanup_(closep) int fd = cgroup_open(k, id);
	if (fd == ERR_NOT_FOUND) {
		pins_detach(k, id);
		return 0;
	}
	return pins_attach(k, id, why);
}

int pins_adopt(struct kernel *k, struct why *why)
{
	char path[PIN_PATH];
	struct dirent *e;
	int err = 0;
	snprintf(path, sizeof(path), "%s/links", k->pins);
	DIR *d = opendir(path);
	if (!d)
		return why_say(why, -errno, "cannot read %s", path);
	while (!err && (e = readdir(d)))
		if (e->d_name[0] != '.')
			err = adopt_link(k, e->d_name, why);
	closedir(d);
	return err;
}

static void remove_dir(const char *path, void (*remove)(const char *path))
{
	each_pin(path, remove);
	rmdir(path);
}

/* "<pins>/v<number>" of another version. */
static void forget_maps(const char *path)
{
	char *end = NULL;
	const char *name = strrchr(path, '/') + 1;
	long abi = name[0] == 'v' ? strtol(name + 1, &end, 10) : SHARED_ABI;
	if (end && !*end && abi != SHARED_ABI)
		remove_dir(path, unlink_pin);
}

void pins_forget_old(const struct kernel *k)
{
	each_pin(k->pins, forget_maps);
}

void pins_remove_all(struct kernel *k)
{
	char path[PIN_PATH];
	if (!k->pins)
		return;
	pins_detach(k, k->root_id);
	snprintf(path, sizeof(path), "%s/links", k->pins);
	remove_dir(path, unlink_link);
	if (!map_dir(k, path))
		remove_dir(path, unlink_pin);
	pins_forget_old(k);
	rmdir(k->pins);
}
