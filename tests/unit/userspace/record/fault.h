/* What the disk and the clock may do to a recorder: calls that write under a folder "store" fail,
 * or are noted in their order, so that a power cut can be tried at each of them. The functions
 * below stand before the C library's in a test's program; include it in one file. State is shared
 * with the processes that it forks. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FAULT_LOG (256ull << 20)

enum fault_op { FAULT_WRITE, FAULT_SYNC, FAULT_SIZE };

/* In the log, followed by len bytes of a FAULT_WRITE, padded to 8. */
struct fault_entry {
	uint32_t op;
	uint32_t is_synced; /* the write itself waits for the disk */
	uint64_t off, len;
	char file[48]; /* below the store */
};

struct fault {
	_Atomic long after; /* fails the call after so many; -1: none */
	_Atomic int err, n_failed, repeats;
	_Atomic long calls;
	_Atomic long long clock_s; /* added to the real time */
	_Atomic bool logs;
	pthread_mutex_t mutex;
	uint64_t log_len;
	uint8_t log[];
};

static struct fault *fault;

static inline void fault_init(void)
{
	pthread_mutexattr_t shared;
	fault = mmap(NULL, sizeof(*fault) + FAULT_LOG, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fault == MAP_FAILED)
		abort();
	fault->after = -1;
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&fault->mutex, &shared);
}

/* The file's name below the store, or false. */
static inline bool fault_file(int fd, char out[48])
{
	char link[64], path[4200];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = fault ? readlink(link, path, sizeof(path) - 1) : -1;
	if (n < 0)
		return false;
	path[n] = 0;
	const char *at = strstr(path, "/store/");
	if (at)
		snprintf(out, 48, "%.47s", at + 7);
	return at != NULL;
}

static inline bool fault_fails(void)
{
	atomic_fetch_add(&fault->calls, 1);
	if (fault->after < 0 || atomic_fetch_sub(&fault->after, 1) > 0)
		return false;
	atomic_fetch_add(&fault->n_failed, 1);
	fault->after = fault->repeats-- > 0 ? 0 : -1;
	errno = fault->err;
	return true;
}

static inline void fault_lock(void)
{
	if (pthread_mutex_lock(&fault->mutex) == EOWNERDEAD)
		pthread_mutex_consistent(&fault->mutex);
}

static inline void fault_note(struct fault_entry e, const struct iovec *iov, int n)
{
	size_t room = sizeof(e) + (e.len + 7) / 8 * 8;
	if (fault->log_len + room > FAULT_LOG)
		abort();
	uint8_t *to = fault->log + fault->log_len;
	memcpy(to, &e, sizeof(e));
	to += sizeof(e);
	for (int i = 0; i < n; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
	fault->log_len += room;
}

static inline ssize_t fault_writev(int fd, const struct iovec *iov, int n, off_t off)
{
	struct fault_entry e = {.op = FAULT_WRITE, .off = (uint64_t)off};
	if (!fault_file(fd, e.file))
		return syscall(SYS_pwritev, fd, iov, n, off, 0);
	if (fault_fails())
		return -1;
	for (int i = 0; i < n; i++)
		e.len += iov[i].iov_len;
	e.is_synced = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
	fault_lock();
	ssize_t r = syscall(SYS_pwritev, fd, iov, n, off, 0);
	if (r == (ssize_t)e.len && fault->logs)
		fault_note(e, iov, n);
	pthread_mutex_unlock(&fault->mutex);
	return r;
}

static inline int fault_do(const struct fault_entry *e, int fd, long call, long arg)
{
	fault_lock();
	int r = (int)syscall(call, fd, arg);
	if (r == 0 && fault->logs)
		fault_note(*e, NULL, 0);
	pthread_mutex_unlock(&fault->mutex);
	return r;
}

static inline int fault_sync(int fd, long call)
{
	struct fault_entry e = {.op = FAULT_SYNC};
	if (!fault_file(fd, e.file))
		return (int)syscall(call, fd);
	if (fault_fails())
		return -1;
	return fault_do(&e, fd, call, 0);
}
