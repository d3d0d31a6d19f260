/* Where in a JSON text something stands: jansson keeps no positions, so a place is looked up when
 * there is something to say about it. Lines and columns count from 1, columns in characters. */
#pragma once

#include "base/span.h"

/* A step of a JSON pointer, linked from the leaf to the root; lives on the loader's stack. */
struct json_at {
	const struct json_at *up; /* NULL: this is the document */
	const char *key;	  /* member name, or NULL: element index */
	size_t index;
};

struct place {
	int line, column;
};

struct place place_of(struct span text, size_t offset);
/* The value's first character, or with is_key its member name's. text must be valid JSON. Where the
 * path leads nowhere, the deepest value on the way. */
struct place place_at(struct span text, const struct json_at *at, bool is_key);
/* Is the text (JSON or not) nested at most max deep? Else ret_where is the first bracket too many.
 */
bool json_depth_ok(struct span text, int max, struct place *ret_where);
