/* The destinations declared to the kernel: a set that is computed anew and brought over by its
 * differences, additions first. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct dest {
	uint8_t net[16];
	int32_t prefix_len;
	uint32_t port;
};

struct dests {
	int map_fd; /* -1: none */
	struct dest *now, *next;
	size_t n_now, n_next, cap_next;
};

void dests_done(struct dests *d);
/* Between begin and commit: what is wanted, in any order, repeats allowed. -ENOMEM. */
void dests_begin(struct dests *d);
must_check int dests_want(struct dests *d, const uint8_t net[16], int prefix_len, uint16_t port);
/* 0, or the first error of the map: then the set is tried whole again with the next commit. */
must_check int dests_commit(struct dests *d);
