/* What goes on in the proxy, as JSON in a memfd: {flows, ops, sessions: {...}, resources: {...}}.
 */
#pragma once

#include "base/err.h"

struct proxy;

must_check int status_memfd(struct proxy *p, int *ret_fd);
