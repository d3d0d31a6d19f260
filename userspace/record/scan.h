/* Reads an event as the recorder must: as the work of a hostile producer. Strict JSON (RFC 8259), an
 * object at the top, UTF-8, no deeper than SCAN_DEPTH, no top-level key that starts with "_" (those are
 * the recorder's). Nothing is allocated. */
#pragma once

#include "base/span.h"

#define SCAN_DEPTH 16

/* The top-level strings that the recorder itself looks at: as they stand between their quotes, escapes
 * and all; empty where missing. Borrowed from the event. */
struct scan_fields {
	struct span type, session, decision, identity, owner, role, reason;
	uint64_t time, count; /* 0 where missing */
};

/* 0, or ERR_MALFORMED. */
must_check int scan_event(struct span event, struct scan_fields *ret_f);
