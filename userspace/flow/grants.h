/* What people have approved for a time, as control last said: roles, texts, patterns. An immutable list that
 * all lanes share by reference; control replaces it whenever something changes. The deadline holds without
 * control, and so does the count of uses. */
#pragma once

#include <jansson.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "policy/op.h"

struct grant_list;
struct granted;
struct proxy;

/* Any thread. */
void grants_replace(struct proxy *p, struct grant_list *list); /* takes the reference */
struct grant_list *grants_get(struct proxy *p);		       /* a reference; NULL: none */
void grants_unref(struct grant_list *l);
/* From control's JSON: -ENOMEM, ERR_MALFORMED. previous: uses that it counted since are taken over. */
must_check int grants_read(const json_t *j, struct grant_list *previous, struct grant_list **ret_l);

/* The hashes of one operation: hash.h. "" where there is none. */
struct bound_hashes {
	char exact[65], text[65], pattern[65];
};

/* A grant of a text or pattern that lets this pass; takes one use. Fills in ret's grant, request, release. */
bool grants_let_text(struct grant_list *l, const struct who *who, const char *resource,
		     const struct bound_hashes *h, int64_t now_s, struct decision *ret);
/* The i-th role that is granted to this session on this resource and covers op (NULL: whatever it is); NULL
 * behind the last. */
const char *grants_role(struct grant_list *l, const struct who *who, const char *resource, const struct op *op,
			int64_t now_s, int *i);
/* The grant of that id, if it still is in force for them, used up or not: what began by it may go on. Borrowed. */
const struct granted *grants_in_force(const struct grant_list *l, const char *id, const struct who *who, int64_t now_s);
/* The role that it lends; "": it is of a text or pattern. Does it cover op? */
const char *granted_role(const struct granted *g);
bool granted_covers(const struct granted *g, const char *resource, const struct op *op);
/* Takes one use of the grant at i - 1 of the call before. False: used up meanwhile. */
bool grants_take(struct grant_list *l, int i, struct decision *ret);
