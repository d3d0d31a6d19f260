/* The smallest test harness that is enough: every check is counted and named, a failing one says
 * where. A test binary prints one line a failure, then "N passed, N failed, N skipped", and exits
 * non-zero if any failed. */
#pragma once

#include <stdio.h>
#include <string.h>

static int tap_passed, tap_failed, tap_skipped;

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (cond) {                                                                        \
			tap_passed++;                                                              \
		} else {                                                                           \
			tap_failed++;                                                              \
			printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #cond);                     \
		}                                                                                  \
	} while (0)
#define CHECK_INT(a, b)                                                                            \
	do {                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
		if (a_ == b_) {                                                                    \
			tap_passed++;                                                              \
		} else {                                                                           \
			tap_failed++;                                                              \
			printf("FAIL %s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #a,  \
			       a_, b_);                                                            \
		}                                                                                  \
	} while (0)
#define CHECK_STR(a, b)                                                                            \
	do {                                                                                       \
		const char *a_ = (a), *b_ = (b);                                                   \
		if (a_ && b_ && !strcmp(a_, b_)) {                                                 \
			tap_passed++;                                                              \
		} else {                                                                           \
			tap_failed++;                                                              \
			printf("FAIL %s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__,  \
			       #a, a_ ? a_ : "(null)", b_ ? b_ : "(null)");                        \
		}                                                                                  \
	} while (0)
#define SKIP(why)                                                                                  \
	do {                                                                                       \
		tap_skipped++;                                                                     \
		printf("SKIP %s:%d: %s\n", __FILE__, __LINE__, why);                               \
	} while (0)

static inline int tap_done(void)
{
	printf("%d passed, %d failed, %d skipped\n", tap_passed, tap_failed, tap_skipped);
	return tap_failed != 0;
}
