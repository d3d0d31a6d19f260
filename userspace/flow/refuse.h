/* What the gateway itself refuses, on record. An agent that asks for the same thing again and again
 * makes one event with a count, not a flood. */
#pragma once

#include "base/addr.h"
#include "kernel/flowmap.h"
#include "policy/policy.h"

struct flow;
struct lane;
struct session;

/* session may be NULL (no identity). name may be NULL. */
void refuse_connect(struct lane *l, const struct session *s, const char *proto,
		    const struct flow_info *info, const char *name, const char *reason);
/* A connection that was taken, and is closed now: with what it carried. */
struct wire;
void refuse_connection(struct lane *l, const struct session *s, const struct flow_info *info, const char *reason,
		       const struct wire *w);
/* A name of a DNS exchange. */
void refuse_name(struct flow *f, const char *name, const char *reason);
/* Writes out what was folded and is due (all of it if now_ns is UINT64_MAX). */
void refuse_flush(struct lane *l, uint64_t now_ns);
/* A lane's table of LANE_FOLDS; NULL: out of memory. */
struct refusal *refuse_new(void);
void refuse_free(struct lane *l);
/* A declared name with something behind it: what a resolver's search list makes of it. */
bool refuse_is_search(const struct plan *p, const char *name);
