#include "priv/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/macro.h"

static int open_in(const char *dir, const char *relative, int *ret_fd)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	struct stat st;
	_cleanup_(closep) int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	_cleanup_(closep) int fd = (int)syscall(SYS_openat2, dir_fd, relative, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return ERR_DENIED;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int open_beneath(const char *const *dirs, int n_dirs, const char *path, int *ret_fd)
{
	for (int i = 0; i < n_dirs; i++) {
		size_t len = strlen(dirs[i]);
		while (len > 1 && dirs[i][len - 1] == '/')
			len--;
		if (!strncmp(path, dirs[i], len) && path[len] == '/' && path[len + 1])
			return open_in(dirs[i], path + len + 1, ret_fd);
	}
	return ERR_DENIED;
}
