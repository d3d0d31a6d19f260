/* Statements explained under the policy in force, for the console: read here, where hostile text is
 * met. */
#pragma once

#include "base/err.h"

struct msg;
struct proxy;

/* {number, role, resource, owner, database ("": any)}, fd: the text. Answered as {t: "explained",
 * number, why} or with a descriptor of what explain/explain.h makes. ERR_MALFORMED, ERR_FULL,
 * -ENOMEM. */
must_check int explain_asked(struct proxy *p, struct msg *m);
