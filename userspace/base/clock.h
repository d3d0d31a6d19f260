/* Time, in nanoseconds. Real time is for records and token expiry, monotonic for deadlines. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS  1000000ull

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

static inline uint64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* "2026-11-24T08:51:31.123456Z" into out (at least 28 bytes). Returns out. */
char *clock_rfc3339(uint64_t real_ns, char *out, size_t size);
