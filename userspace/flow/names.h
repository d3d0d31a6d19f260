/* Declared names and what they resolve to, by the node's own resolver: answers for the workloads'
 * DNS, the names of an address at connect, and the destinations that the kernel redirects. Any
 * thread. */
#pragma once

#include "base/addr.h"
#include "policy/policy.h"

#define NAMES_TTL_S 30
#define NAMES_ADDRS 32 /* of one name */
#define NAMES_TEXT  256

struct names;
struct pool;

struct names_answer {
	int err; /* 0, ERR_NOT_FOUND, ERR_UPSTREAM */
	uint32_t ttl_s; /* how long it is good for yet */
	bool is_local;	/* the name stands in the node's hosts file: nobody needs to ask for it */
	int n;
	struct addr addrs[NAMES_ADDRS];
};

/* dest_map_fd -1: no kernel to tell (tests). */
must_check int names_new(int dest_map_fd, struct names **ret_n);
void names_free(struct names *n);

/* A new plan (a reference is taken): declares what it names, withdraws what it no longer does. The
 * map is emptied first if this is the first one: it may hold what another process declared. */
void names_set_plan(struct names *n, struct plan *plan);
/* Resolves every declared name again, in workers. */
void names_refresh(struct names *n, struct pool *pool);

/* True if the answer is known and young enough. */
bool names_lookup(struct names *n, const char *name, struct names_answer *ret);
/* Blocks. Its addresses are declared to the kernel when this returns. */
void names_resolve(struct names *n, const char *name, struct names_answer *ret);
/* The declared names that led to this address of late, of these that keep wants (it is called under a lock). Returns
 * how many. */
int names_of(struct names *n, const struct addr *a, bool (*keep)(void *ctx, const char *name, bool is_local), void *ctx,
	     char (*ret)[NAMES_TEXT], int max);
/* Is this the name of a line in a file as hosts(5)? Its first 1 MiB. */
bool names_stands_in(const char *hosts_file, const char *name);
