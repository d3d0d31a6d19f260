/* Unix sockets with a name. /run, where services have theirs and where new ones come, is replaced
 * by a copy: folders are made anew, files are bound one by one, a folder without a socket in it as
 * a whole. Elsewhere each socket that the kernel lists is covered by /dev/null, which nobody can
 * connect to. */
#include "guard/guard_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"

#define DEPTH_MAX   12
#define ENTRIES_MAX 8192

struct copy {
	const char *keep; /* the socket that stays */
	int n_entries, depth;
};

static bool has_socket(int dir_fd, int depth);

static bool is_socket_or_holds_one(int dir_fd, const struct dirent *e, int depth)
{
	struct stat st;
	if (e->d_name[0] == '.' && (!e->d_name[1] || !strcmp(e->d_name, "..")))
		return false;
	if (fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!S_ISDIR(st.st_mode))
		return S_ISSOCK(st.st_mode);
	int sub = openat(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return sub < 0 ? errno == EACCES : has_socket(sub, depth + 1);
}

/* Takes the descriptor. What is too deep, or not to be read, may hold one. */
static bool has_socket(int dir_fd, int depth)
{
	bool has = depth > DEPTH_MAX;
	DIR *d = has ? NULL : fdopendir(dir_fd);
	if (!d) {
		close(dir_fd);
		return true;
	}
	for (struct dirent *e; !has && (e = readdir(d));)
		has = is_socket_or_holds_one(dirfd(d), e, depth);
	closedir(d);
	return has;
}

static int bind_fd(int fd, const char *to)
{
	char from[64];
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	return mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

static int bind_file(int old_dir, const char *name, const char *to)
{
	_cleanup_(closep) int from = openat(old_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(closep) int made = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (from < 0 || made < 0)
		return errno == ENOENT ? 0 : -errno;
	return bind_fd(from, to);
}

static int copy_link(int old_dir, const char *name, const char *to)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(old_dir, name, target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	target[n] = '\0';
	return symlink(target, to) < 0 ? -errno : 0;
}

static int copy_dir(struct copy *c, int old_dir, const char *to);

/* The owner can be kept by root only; for others a folder that was not theirs was closed to them
 * anyway. */
static int copy_subdir(struct copy *c, int old_dir, const char *name, const struct stat *st,
		       const char *to)
{
	int sub = openat(old_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (mkdir(to, 0700) < 0 || (geteuid() == 0 && chown(to, st->st_uid, st->st_gid) < 0) ||
	    chmod(to, st->st_mode & 07777) < 0) {
		closep(&sub);
		return -errno;
	}
	if (sub < 0)
		return errno == EACCES || errno == ENOENT ? 0 : -errno;
	int probe = dup(sub);
	if (probe < 0 || c->depth >= DEPTH_MAX || !has_socket(probe, c->depth)) {
		_cleanup_(closep) int whole = sub;
		return probe < 0 ? -errno : c->depth >= DEPTH_MAX ? 0 : bind_fd(whole, to);
	}
	c->depth++;
	int r = copy_dir(c, sub, to);
	c->depth--;
	return r;
}

static int copy_entry(struct copy *c, int old_dir, const char *name, const char *to)
{
	struct stat st;
	if (fstatat(old_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return copy_subdir(c, old_dir, name, &st, to);
	if (S_ISREG(st.st_mode))
		return bind_file(old_dir, name, to);
	if (S_ISLNK(st.st_mode))
		return copy_link(old_dir, name, to);
	return S_ISSOCK(st.st_mode) && c->keep && !strcmp(to, c->keep)
		   ? bind_file(old_dir, name, to)
		   : 0;
}

/* Takes the descriptor. */
static int copy_dir(struct copy *c, int old_dir, const char *to)
{
	char path[PATH_MAX];
	int r = 0;
	DIR *d = fdopendir(old_dir);
	if (!d) {
		close(old_dir);
		return -errno;
	}
	rewinddir(d); /* the look for sockets shares its place in the folder */
	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (++c->n_entries > ENTRIES_MAX ||
		    snprintf(path, sizeof(path), "%s/%s", to, e->d_name) >= (int)sizeof(path))
			r = ERR_LIMIT;
		else
			r = copy_entry(c, dirfd(d), e->d_name, path);
	}
	closedir(d);
	return r;
}

int hide_sockets_below(const char *path, const char *keep)
{
	struct copy c = {.keep = keep};
	int old = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old < 0)
		return errno == ENOENT ? 0 : -errno;
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m") < 0) {
		close(old);
		return -errno;
	}
	return copy_dir(&c, old, path);
}

/* "Num RefCount Protocol Flags Type St Inode Path". The path may be relative to a folder that
 * nobody knows: then it is not to be found here either. */
static const char *path_in(char *line)
{
	char *at = line;
	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; at && i < 7; i++) {
		at += strspn(at, " ");
		at = strchr(at, ' ');
	}
	if (!at)
		return NULL;
	at += strspn(at, " ");
	return *at == '/' ? at : NULL;
}

static int cover(const char *path, const char *keep)
{
	struct stat st;
	char real[PATH_MAX];
	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode) || !realpath(path, real) ||
	    (keep && !strcmp(real, keep)))
		return 0;
	return mount("/dev/null", real, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

int hide_named_sockets(const char *keep)
{
	char line[512], kept[PATH_MAX];
	int r = 0, n = 0;
	if (keep && !realpath(keep, kept))
		keep = NULL;
	FILE *f = fopen("/proc/net/unix", "re");
	if (!f)
		return -errno;
	while (r == 0 && fgets(line, sizeof(line), f)) {
		const char *path = path_in(line);
		if (!path || !strncmp(path, "/run/", 5) || !strncmp(path, "/var/run/", 9))
			continue;
		r = ++n > ENTRIES_MAX ? ERR_LIMIT : cover(path, keep ? kept : NULL);
	}
	fclose(f);
	return r;
}
