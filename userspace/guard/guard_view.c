/* The file system as a workload sees it. What stands for a service outside (a socket), for the
 * kernel's switches and for its own cage is out of sight or read-only; files stay as they are. */
#include "guard/guard_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"

#define MOUNTS_MAX 4096

static int write_once(const char *path, const char *text)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Who is not root gets a user namespace in which they are who they were, and nobody else. */
static int own_namespaces(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];
	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		return -errno;
	if (!uid)
		return 0;
	int r = write_once("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (r == 0)
		r = write_once("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return r == 0 ? write_once("/proc/self/gid_map", map) : r;
}

/* The flags that a mount has must be repeated: they may be locked. */
static int make_read_only(const char *path)
{
	struct statvfs s;
	if (statvfs(path, &s) < 0)
		return -errno;
	unsigned long flags =
	    MS_REMOUNT | MS_BIND | MS_RDONLY | (s.f_flag & ST_NOSUID ? MS_NOSUID : 0) |
	    (s.f_flag & ST_NODEV ? MS_NODEV : 0) | (s.f_flag & ST_NOEXEC ? MS_NOEXEC : 0) |
	    (s.f_flag & ST_NOATIME ? MS_NOATIME : 0) | (s.f_flag & ST_RELATIME ? MS_RELATIME : 0);
	return mount(NULL, path, NULL, flags, NULL) < 0 ? -errno : 0;
}

static int cover_dir(const char *path)
{
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=4k") <
	    0)
		return -errno;
	return make_read_only(path);
}

/* Files of a /proc that ask for no capability, only for root: a core pattern is a program that runs
 * outside. */
static int lock_proc(const char *point)
{
	static const char *const names[] = {"sys", "sysrq-trigger", "irq", "bus", "acpi", "scsi"};
	char path[PATH_MAX];
	for (size_t i = 0; geteuid() == 0 && i < ARRAY_LEN(names); i++) {
		if (snprintf(path, sizeof(path), "%s/%s", point, names[i]) >= (int)sizeof(path))
			return ERR_LIMIT;
		if (access(path, F_OK) < 0)
			continue;
		if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
			return -errno;
		int r = make_read_only(path);
		if (r < 0)
			return r;
	}
	return 0;
}

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

static int (*treatment(const char *type))(const char *path)
{
	static const struct {
		const char *type;
		int (*treat)(const char *path);
	} types[] = {{"cgroup2", make_read_only}, {"cgroup", make_read_only},
		     {"bpf", cover_dir},	  {"debugfs", cover_dir},
		     {"tracefs", cover_dir},	  {"securityfs", make_read_only},
		     {"sysfs", make_read_only},	  {"configfs", cover_dir},
		     {"binfmt_misc", cover_dir},  {"nfsd", cover_dir},
		     {"rpc_pipefs", cover_dir},	  {"efivarfs", make_read_only},
		     {"proc", lock_proc}};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(type, types[i].type))
			return types[i].treat;
	return NULL;
}

/* "31 23 0:28 / <mount point> <options> [tags] - <type> <source> ...". One that another covers
 * cannot be reached and needs no treatment. */
static int treat_mount(char *line)
{
	char point[2048], type[64];
	const char *tail = strstr(line, " - ");
	if (!tail || sscanf(line, "%*s %*s %*s %*s %2047s", point) != 1 ||
	    sscanf(tail, " - %63s", type) != 1)
		return 0;
	int (*treat)(const char *path) = treatment(type);
	if (!treat)
		return 0;
	unescape(point);
	int r = treat(point);
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static int treat_mounts(void)
{
	static char lines[256 * 1024];
	size_t n = 0;
	_cleanup_(closep) int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 0;
	while (fd >= 0 && n < sizeof(lines) - 1 &&
	       (got = read(fd, lines + n, sizeof(lines) - 1 - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		return -errno;
	if (n == sizeof(lines) - 1)
		return ERR_LIMIT;
	lines[n] = '\0';
	int r = 0;
	for (char *line = strtok(lines, "\n"); r == 0 && line; line = strtok(NULL, "\n"))
		r = treat_mount(line);
	return r;
}

/* Where distributions keep the bundle that TLS libraries read. */
static int cover_bundles(const char *trust)
{
	static const char *const bundles[] = {
	    "/etc/ssl/certs/ca-certificates.crt",
	    "/etc/pki/tls/certs/ca-bundle.crt",
	    "/etc/ssl/cert.pem",
	};
	for (size_t i = 0; trust && i < ARRAY_LEN(bundles); i++)
		if (access(bundles[i], F_OK) == 0 &&
		    mount(trust, bundles[i], NULL, MS_BIND, NULL) < 0)
			return -errno;
	return 0;
}

int guard_view(const struct guard *g)
{
	int r = own_namespaces();
	if (r == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		r = -errno;
	if (r == 0)
		r = cover_bundles(g->trust);
	if (r == 0)
		r = hide_named_sockets(g->keep_socket);
	if (r == 0)
		r = hide_sockets_below("/run", g->keep_socket);
	if (r == 0)
		r = treat_mounts();
	return r;
}
