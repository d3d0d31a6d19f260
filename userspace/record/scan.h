/* Reads one event strictly: the canonical JSON that base/jw.h writes and nothing else. One object;
 * keys plain and in ascending order; no white space; integers only; strings in UTF-8 with the
 * escapes that RFC 8259 7 demands and no others; at most SCAN_DEPTH levels. What passes reads the
 * same for every reader, and costs one pass. */
#pragma once

#include "base/span.h"

#define SCAN_DEPTH  16
#define SCAN_FIELDS 64 /* of the outermost object */

struct scan_field {
	struct span key;   /* without quotes */
	struct span value; /* as it stands: "\"op\"", "12", "{...}" */
};

/* Borrows from the text. */
struct scan {
	struct scan_field fields[SCAN_FIELDS];
	int n;
};

/* ERR_MALFORMED; a key of the outermost object that starts with '_' is the recorder's own and is
 * refused unless own_keys. */
must_check int scan_event(struct span text, bool own_keys, struct scan *ret);
/* The same fields of stored bytes that passed scan_event before they were chained: without looking
 * at them again, and without _prev and _seq. prefix: the length of what stands before the event's
 * own fields (chain_prefix_len). ERR_MALFORMED: they never did. */
must_check int scan_stored(struct span stored, size_t prefix, struct scan *ret);
/* The value at key, empty if there is none. */
struct span scan_get(const struct scan *s, const char *key);
/* The value without its quotes where it is a string without escapes; else empty. */
struct span scan_unquote(struct span value);
struct span scan_plain(const struct scan *s, const char *key);
/* 0 where it is no integer from 0 to INT64_MAX. */
uint64_t scan_number(struct span value);
uint64_t scan_u64(const struct scan *s, const char *key);
/* Is the value true? */
bool scan_flag(const struct scan *s, const char *key);
/* The items of an array value, one after the other; *at starts at 0. False at the end. */
bool scan_item(struct span array, size_t *at, struct span *ret_item);
