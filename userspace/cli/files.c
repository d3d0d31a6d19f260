#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macro.h"

static int write_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = write(fd, s.p, s.len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			s = span_of(s.p + n, s.len - (size_t)n);
	}
	return 0;
}

static int fill(int fd, struct span text, mode_t mode, uid_t uid, gid_t gid)
{
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid) < 0)
		return -errno;
	int r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, text);
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

/* link() takes a name only if it is free, rename() in any case. */
static int place(const char *tmp, const char *path, bool may_replace)
{
	if (may_replace)
		return rename(tmp, path) < 0 ? -errno : 0;
	int r = link(tmp, path) < 0 ? -errno : 0;
	unlink(tmp);
	return r;
}

static int write_file(const char *path, struct span text, mode_t mode, uid_t uid, gid_t gid, bool may_replace)
{
	_cleanup_(freep) char *tmp = NULL;
	if (asprintf(&tmp, "%s.%d.new", path, (int)getpid()) < 0)
		return -ENOMEM;
	_cleanup_(closep) int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int r = fill(fd, text, mode, uid, gid);
	r = r < 0 ? r : place(tmp, path, may_replace);
	if (r < 0)
		unlink(tmp);
	return r;
}

int file_write(const char *path, struct span text, mode_t mode, bool may_replace)
{
	return write_file(path, text, mode, (uid_t)-1, (gid_t)-1, may_replace);
}

int file_write_for(const char *path, struct span text, mode_t mode, uid_t uid, gid_t gid)
{
	return write_file(path, text, mode, uid, gid, true);
}
