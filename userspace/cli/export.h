/* The forms in which the record leaves: what is written for each event. */
#pragma once

#include "base/buf.h"
#include "record/scan.h"

#define EXPORT_TEXT_MAX (8 * 1024 * 1024) /* of what one event becomes */

/* What a form keeps from one event to the next. */
struct export_state {
	uint64_t n, start_ns;
};

struct export_text {
	const char *name; /* as --format says it */
	const char *file; /* its name where -o names a folder */
	bool is_json;	  /* a line is an object */
	void (*head)(struct buf *out); /* before the first event; may be NULL */
	/* stored: the event's bytes, and e what they hold. */
	void (*event)(struct buf *out, struct span stored, const struct scan *e,
		      struct export_state *s);
};

extern const struct export_text export_jsonl, export_csv, export_ocsf, export_asciicast;

/* --- what the forms share --- */
/* The text at key without its escapes, or "base64:..." of what is no text, or "[sealed]" of a statement's, or
 * nothing. */
void export_value(struct buf *out, const struct scan *e, const char *key);
