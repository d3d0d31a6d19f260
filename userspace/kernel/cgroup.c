#include "kernel/kernel_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/macro.h"
#include "bpf/shared.h"
#include "sluice.skel.h"

#define REMOVE_WAIT_MS 5000
#define NEST_MAX       32
#define RELEASE_TRIES  100

/* A mountinfo field has its spaces as \040. */
static void unescape(char *s)
{
	char *out = s;
	for (; *s; s++) {
		unsigned int c;
		if (*s == '\\' && sscanf(s + 1, "%3o", &c) == 1) {
			*out++ = (char)c;
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Where everybody looks for it comes before what a chroot or a container's runtime has mounted elsewhere. */
static int place_of(const char *point)
{
	static const char *const usual[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	for (int i = 0; i < (int)ARRAY_LEN(usual); i++)
		if (!strcmp(point, usual[i]))
			return i;
	return ARRAY_LEN(usual);
}

/* "31 23 0:28 <root> <mount point> <options> [tags] - <type> <source> <super options>". Only a
 * mount of the tree's top will do: a private cgroup namespace shows another. */
int cgroup_find_mount(char **ret_path)
{
	_cleanup_(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_(freep) char *best = NULL;
	char line[4096], root[2048], point[2048];
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*s %*s %*s %2047s %2047s", root, point) != 2 ||
		    strcmp(root, "/"))
			continue;
		unescape(point);
		if (best && place_of(best) <= place_of(point))
			continue;
		free(best);
		best = strdup(point);
		if (!best)
			return -ENOMEM;
	}
	if (!best)
		return ERR_NOT_FOUND;
	*ret_path = TAKE(best);
	return 0;
}

int kernel_cgroup_id(const char *path, uint64_t *ret_id)
{
	struct {
		struct file_handle h;
		uint64_t id;
	} handle = {.h.handle_bytes = sizeof(uint64_t)};
	int mount_id;
	if (name_to_handle_at(AT_FDCWD, path, &handle.h, &mount_id, 0) < 0)
		return -errno;
	if (handle.h.handle_bytes != sizeof(uint64_t))
		return ERR_UNSUPPORTED;
	memcpy(ret_id, handle.h.f_handle, sizeof(uint64_t));
	return 0;
}

/* A cgroup's file handle is its id (FILEID_KERNFS). */
int cgroup_open(const struct kernel *k, uint64_t id)
{
	struct {
		struct file_handle h;
		uint64_t id;
	} handle = {{.handle_bytes = sizeof(uint64_t), .handle_type = 0xfe}, 0};
	_cleanup_(closep) int mount = open(k->cgroup_mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return -errno;
	memcpy(handle.h.f_handle, &id, sizeof(id));
	int fd = open_by_handle_at(mount, &handle.h, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ESTALE || errno == ENOENT ? ERR_NOT_FOUND : -errno;
	return fd;
}

int kernel_cgroup_path(struct kernel *k, uint64_t id, char **ret_path)
{
	char link[64], path[PATH_MAX];
	_cleanup_(closep) int fd = cgroup_open(k, id);
	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path));
	if (n < 0 || n == sizeof(path))
		return n < 0 ? -errno : ERR_LIMIT;
	*ret_path = strndup(path, (size_t)n);
	return *ret_path ? 0 : -ENOMEM;
}

int kernel_cgroup_create(struct kernel *k, const char *name, char **ret_path,
			 uint64_t *ret_cgroup_id)
{
	_cleanup_(freep) char *path = NULL;
	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > NAME_MAX)
		return ERR_MALFORMED;
	if (asprintf(&path, "%s/%s", k->root, name) < 0)
		return -ENOMEM;
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? ERR_EXISTS : -errno;
	int err = kernel_cgroup_id(path, ret_cgroup_id);
	if (err) {
		rmdir(path);
		return err;
	}
	*ret_path = TAKE(path);
	return 0;
}

static int write_file(const char *dir, const char *file, const char *text)
{
	_cleanup_(freep) char *path = NULL;
	if (asprintf(&path, "%s/%s", dir, file) < 0)
		return -ENOMEM;
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int kernel_cgroup_move(const char *path, int pid)
{
	char text[16];
	snprintf(text, sizeof(text), "%d", pid);
	return write_file(path, "cgroup.procs", text);
}

static int each_own_pid(const char *path, int (*on_pid)(void *ctx, int pid), void *ctx)
{
	_cleanup_(freep) char *file = NULL;
	int pid, ret = 0;
	if (asprintf(&file, "%s/cgroup.procs", path) < 0)
		return -ENOMEM;
	_cleanup_(fclosep) FILE *f = fopen(file, "re");
	if (!f)
		return -errno;
	while (!ret && fscanf(f, "%d", &pid) == 1)
		ret = on_pid(ctx, pid);
	return ret;
}

/* Calls on_child for every cgroup directly below. A cgroup that vanishes meanwhile has nothing in
 * it. */
static int each_child(const char *path, int (*on_child)(const char *child, void *ctx), void *ctx)
{
	struct dirent *e;
	int ret = 0;
	DIR *d = opendir(path);
	if (!d)
		return -errno;
	while (!ret && (e = readdir(d))) {
		_cleanup_(freep) char *child = NULL;
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if (asprintf(&child, "%s/%s", path, e->d_name) < 0) {
			ret = -ENOMEM;
			break;
		}
		ret = on_child(child, ctx);
		if (ret == -ENOENT || ret == -ENODEV)
			ret = 0;
	}
	closedir(d);
	return ret;
}

struct pid_walk {
	int (*on_pid)(void *ctx, int pid);
	void *ctx;
	int depth;
};

static int walk_pids(const char *path, void *ctx)
{
	struct pid_walk *w = ctx;
	if (w->depth >= NEST_MAX)
		return ERR_LIMIT;
	int ret = each_own_pid(path, w->on_pid, w->ctx);
	w->depth++;
	if (!ret)
		ret = each_child(path, walk_pids, w);
	w->depth--;
	return ret;
}

int cgroup_each_pid(const char *path, int (*on_pid)(void *ctx, int pid), void *ctx)
{
	struct pid_walk w = {on_pid, ctx, 0};
	return walk_pids(path, &w);
}

static int count_pid(void *ctx, int pid)
{
	(void)pid;
	++*(int *)ctx;
	return 0;
}

int kernel_cgroup_population(const char *path)
{
	int n = 0;
	return cgroup_each_pid(path, count_pid, &n) < 0 ? -1 : n;
}

static int kill_pid(void *ctx, int pid)
{
	(void)ctx;
	kill(pid, SIGKILL);
	return 0;
}

/* cgroup.kill (5.14) kills all at once; without it a process may fork while we read, so the caller
 * repeats. */
static void kill_all(const char *path)
{
	if (write_file(path, "cgroup.kill", "1") && cgroup_each_pid(path, kill_pid, NULL) < 0)
		return; /* gone already, which is what was wanted */
}

static int remove_tree(const char *path, void *ctx)
{
	int *depth = ctx;
	if (*depth >= NEST_MAX)
		return ERR_LIMIT;
	++*depth;
	int ret = each_child(path, remove_tree, ctx);
	--*depth;
	if (ret && ret != -EBUSY)
		return ret;
	return rmdir(path) < 0 ? -errno : 0;
}

int kernel_cgroup_freeze(const char *path, bool on)
{
	return write_file(path, "cgroup.freeze", on ? "1" : "0");
}

int kernel_cgroup_kill(const char *path)
{
	kill_all(path);
	return 0;
}

static int move_pid(void *ctx, int pid)
{
	int err = kernel_cgroup_move(ctx, pid);
	return err == -ESRCH ? 0 : err;
}

/* A process may fork while we read: its child is in the old cgroup then, so the caller looks again. */
int kernel_cgroup_release(struct kernel *k, const char *path, const char *name)
{
	_cleanup_(freep) char *top = NULL, *to = NULL;
	if (asprintf(&top, "%s-released", k->root) < 0 || asprintf(&to, "%s/%s", top, name) < 0)
		return -ENOMEM;
	if ((mkdir(top, 0755) < 0 && errno != EEXIST) || (mkdir(to, 0755) < 0 && errno != EEXIST))
		return -errno;
	for (int tries = 0; tries < RELEASE_TRIES; tries++) {
		int err = cgroup_each_pid(path, move_pid, to);
		if (err)
			return err;
		if (kernel_cgroup_population(path) == 0)
			return 0;
	}
	return -EBUSY;
}

int kernel_cgroup_remove(struct kernel *k, const char *path)
{
	uint64_t until = clock_mono_ns() + REMOVE_WAIT_MS * NS_PER_MS;
	struct timespec nap = {.tv_nsec = 1000000};
	size_t len = strlen(k->root);
	if (strncmp(path, k->root, len) || path[len] != '/' || strstr(path, "/.."))
		return ERR_STATE; /* not ours to kill */
	for (;;) {
		int depth = 0;
		kill_all(path);
		int err = remove_tree(path, &depth);
		if (!err || err == -ENOENT)
			return 0;
		if (err != -EBUSY || clock_mono_ns() > until)
			return err;
		nanosleep(&nap, NULL);
		nap.tv_nsec = MIN(nap.tv_nsec * 2, 50000000L);
	}
}

int cgroup_of_pid(const struct kernel *k, int pid, char **ret_path)
{
	char file[64], line[4096];
	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	_cleanup_(fclosep) FILE *f = fopen(file, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::/", 4))
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line + 3, "/..", 3))
			return ERR_NOT_FOUND; /* outside our cgroup namespace */
		return asprintf(ret_path, "%s%s", k->cgroup_mount, line[4] ? line + 3 : "") < 0
			   ? -ENOMEM
			   : 0;
	}
	return ERR_NOT_FOUND;
}

/* Every cgroup on the way down is looked up. One that was removed under its last process cannot be
 * asked for its id; below the managed root it counts as managed, elsewhere the answer is an error.
 */
int kernel_pid_is_managed(struct kernel *k, int pid)
{
	_cleanup_(freep) char *path = NULL;
	int fd = bpf_map__fd(k->skel->maps.workloads);
	size_t root_len = strlen(k->root), at = strlen(k->cgroup_mount);
	int err = cgroup_of_pid(k, pid, &path);
	if (err)
		return err;
	if (!strncmp(path, k->root, root_len) && (!path[root_len] || path[root_len] == '/'))
		return 1;
	while (path[at]) {
		uint64_t id;
		char value[sizeof(struct workload)];
		at += 1 + strcspn(path + at + 1, "/");
		char cut = path[at];
		path[at] = '\0';
		err = kernel_cgroup_id(path, &id);
		if (err)
			return err;
		if (!bpf_map_lookup_elem(fd, &id, value))
			return 1;
		path[at] = cut;
	}
	return 0;
}

int kernel_pid_workload(struct kernel *k, int pid, uint64_t *ret_id)
{
	_cleanup_(freep) char *path = NULL;
	int fd = bpf_map__fd(k->skel->maps.workloads);
	size_t at = strlen(k->cgroup_mount);
	int err = cgroup_of_pid(k, pid, &path);
	while (!err && path[at]) {
		uint64_t id;
		char value[sizeof(struct workload)];
		at += 1 + strcspn(path + at + 1, "/");
		char cut = path[at];
		path[at] = '\0';
		err = kernel_cgroup_id(path, &id);
		if (!err && !bpf_map_lookup_elem(fd, &id, value)) {
			*ret_id = id;
			return 0;
		}
		path[at] = cut;
	}
	return err ? err : ERR_NOT_FOUND;
}
