/* The calls of fault.h: they stand before the C library's in a test's program. Include it in one
 * file. */
#pragma once

#include "fault.h"

#define FAULT_PWRITE(name)                                                                         \
	ssize_t name(int fd, const void *p, size_t n, off_t off);                                  \
	ssize_t name(int fd, const void *p, size_t n, off_t off)                                   \
	{                                                                                          \
		struct iovec iov = {(void *)p, n};                                                 \
		return fault_writev(fd, &iov, 1, off);                                             \
	}
#define FAULT_PWRITEV(name)                                                                        \
	ssize_t name(int fd, const struct iovec *iov, int n, off_t off);                           \
	ssize_t name(int fd, const struct iovec *iov, int n, off_t off)                            \
	{                                                                                          \
		return fault_writev(fd, iov, n, off);                                              \
	}
FAULT_PWRITE(pwrite)
FAULT_PWRITE(pwrite64)
FAULT_PWRITEV(pwritev)
FAULT_PWRITEV(pwritev64)

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	char file[48];
	off_t off = lseek(fd, 0, SEEK_CUR);
	if (off < 0 || !fault_file(fd, file))
		return syscall(SYS_writev, fd, iov, n);
	ssize_t r = fault_writev(fd, iov, n, off);
	if (r > 0)
		lseek(fd, off + r, SEEK_SET);
	return r;
}

int fdatasync(int fd)
{
	return fault_sync(fd, SYS_fdatasync);
}

int fsync(int fd)
{
	return fault_sync(fd, SYS_fsync);
}

static inline int fault_truncate(int fd, off_t len)
{
	struct fault_entry e = {.op = FAULT_SIZE, .off = (uint64_t)len};
	if (!fault_file(fd, e.file))
		return (int)syscall(SYS_ftruncate, fd, len);
	if (fault_fails())
		return -1;
	return fault_do(&e, fd, SYS_ftruncate, len);
}

#define FAULT_FTRUNCATE(name)                                                                      \
	int name(int fd, off_t len);                                                               \
	int name(int fd, off_t len)                                                                \
	{                                                                                          \
		return fault_truncate(fd, len);                                                    \
	}
FAULT_FTRUNCATE(ftruncate)
FAULT_FTRUNCATE(ftruncate64)

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);
	if (r == 0 && id == CLOCK_REALTIME && fault)
		ts->tv_sec += fault->clock_s;
	return r;
}
