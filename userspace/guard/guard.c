#include "guard/guard_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/macro.h"

#define MEM_MAJOR 1 /* null, zero, full, random, urandom */

/* What a root of a container keeps, without those that make raw sockets and device nodes. */
static const unsigned char kept[] = {
    CAP_CHOWN,	 CAP_DAC_OVERRIDE, CAP_FOWNER,		 CAP_FSETID,
    CAP_KILL,	 CAP_SETGID,	   CAP_SETUID,		 CAP_SETPCAP,
    CAP_SETFCAP, CAP_SYS_CHROOT,   CAP_NET_BIND_SERVICE, CAP_AUDIT_WRITE};

static int drop_caps(const struct guard *g)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{0}};
	unsigned int keep[2] = {0};
	(void)g;
	/* In a user namespace of its own the process needs none, and has none that count. */
	for (size_t i = 0; geteuid() == 0 && i < ARRAY_LEN(kept); i++)
		keep[kept[i] / 32] |= 1u << (kept[i] % 32);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (cap >= 64 || !(keep[cap / 32] >> (cap % 32) & 1))
			if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
				return -errno;
	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		d[i].permitted &= keep[i];
		d[i].effective &= keep[i];
		d[i].inheritable = 0;
	}
	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

/* A crash may start a program outside (core(5), "Piping core dumps"), or hand itself to one: a limit of 1, and only
 * that, keeps the kernel from it (fs/coredump.c). Where one of 0 was there, which cannot be raised, it does not do
 * that, and is no harm as long as cores are files. */
static int no_cores(void)
{
	const struct rlimit one = {1, 1};
	char first = 0;
	if (setrlimit(RLIMIT_CORE, &one) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, &first, 1);
	int err = n < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return !err && (first == '|' || first == '@') ? ERR_DENIED : err;
}

static int no_new_privs(const struct guard *g)
{
	(void)g;
	int r = no_cores();
	return r < 0 ? r : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static const struct {
	const char *name;
	int (*enter)(const struct guard *g);
} parts[GUARD_PARTS] = {
    [GUARD_VIEW] = {"view", guard_view},	  [GUARD_CAPS] = {"capabilities", drop_caps},
    [GUARD_PRIVS] = {"privileges", no_new_privs}, [GUARD_SCOPE] = {"scope", guard_scope},
    [GUARD_CALLS] = {"calls", guard_calls},	  [GUARD_UNIX] = {"unix", guard_unix},
};

const char *guard_part_name(enum guard_part p)
{
	return parts[p].name;
}

int guard_leave_out(struct guard *g, struct span list)
{
	while (list.len) {
		const unsigned char *comma = memchr(list.p, ',', list.len);
		struct span word = span_of(
		    list.p, comma ? (size_t)(comma - (const unsigned char *)list.p) : list.len);
		int at = 0;
		while (at < GUARD_PARTS && !span_is(word, parts[at].name))
			at++;
		if (at == GUARD_PARTS)
			return ERR_MALFORMED;
		g->without[at] = true;
		size_t used = MIN(word.len + 1, list.len);
		list = span_of((const unsigned char *)list.p + used, list.len - used);
	}
	return 0;
}

void guard_probe(struct guard *g)
{
	g->landlock = g->without[GUARD_SCOPE] ? 0 : guard_landlock_abi();
	g->has_scope = g->landlock >= 6;
	g->closes_traces = g->landlock < 2;
}

int guard_enter(const struct guard *g, enum guard_part *ret_part)
{
	for (int p = 0; p < GUARD_PARTS; p++) {
		int r = g->without[p] ? 0 : parts[p].enter(g);
		*ret_part = (enum guard_part)p;
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- descriptors
 * ---------------------------------------------------------------------------------- */

const char *guard_fd_refused(int fd)
{
	struct stat st;
	char link[32], target[64];
	if (fstat(fd, &st) < 0)
		return errno == EBADF ? NULL : "unreadable";
	switch (st.st_mode & S_IFMT) {
	case S_IFSOCK:
		return "a socket";
	case S_IFIFO:
		return NULL;
	case S_IFCHR:
		return isatty(fd) || major(st.st_rdev) == MEM_MAJOR
			   ? NULL
			   : "a device that is no terminal";
	case S_IFREG:
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		return strncmp(target, "anon_inode:", 11) ? NULL : "an object of the kernel";
	default:
		return "no file, pipe or terminal";
	}
}

int guard_close_fds(int keep)
{
	int r = keep > 3 ? close_range(3, (unsigned)keep - 1, 0) : 0;
	unsigned from = keep < 3 ? 3 : (unsigned)keep + 1;
	return r < 0 ? -errno : close_range(from, UINT_MAX, 0) < 0 ? -errno : 0;
}
