/* What credential commands have said, for as long as the configuration lets it be kept: in memory files without a
 * name, that are wiped when their time is over. Monitor only. */
#pragma once

#include "base/loop.h"

#define KEPT_MAX  32
#define KEPT_PATH 512

struct kept_secret {
	char path[KEPT_PATH]; /* of the command; "" is free */
	int fd;
	uint64_t until_ns; /* CLOCK_MONOTONIC */
};

struct kept {
	struct loop *loop;
	uint64_t ttl_ns; /* 0: nothing is kept */
	struct timer due;
	struct kept_secret at[KEPT_MAX];
};

void kept_init(struct kept *k, struct loop *l, int ttl_s);
/* Wipes all. */
void kept_done(struct kept *k);
/* Keeps a duplicate of fd, a memory file. The oldest makes room. */
void kept_put(struct kept *k, const char *path, int fd);
/* A descriptor to read it from its start; ERR_NOT_FOUND. */
must_check int kept_open(const struct kept *k, const char *path, int *ret_fd);
