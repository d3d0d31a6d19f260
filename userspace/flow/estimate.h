/* What the database expects of an operation that waits for people (upstream/estimate.h), where its
 * rule says "estimate". Nothing waits for it: it comes when it comes, and stands beside what is
 * approved. */
#pragma once

#include "base/err.h"
#include "policy/op.h"

struct flow;
struct proxy;

/* At most so many wait at once, of all flows; they are asked one after the other. */
#define ESTIMATES_MAX 64

/* Why the database is not asked about this operation; NULL: it may be. A static string, for people.
 */
const char *estimate_why_not(const struct op *op);
/* For the request of this number; the answer goes to control ("estimate"). op is copied. */
void estimate_ask(struct flow *f, const struct op *op, const char *request);
