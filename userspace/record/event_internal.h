/* Between the files that build events: a writer that puts the fields which every event has at their
 * sorted places among those of the type. */
#pragma once

#include "base/jw.h"
#include "record/event.h"

struct event_writer {
	struct jw w;
	const struct event_ctx *c;
	const char *type;
	size_t at; /* the next common field */
};

void ev_begin(struct event_writer *e, struct buf *out, const struct event_ctx *c, const char *type);
/* Writes the common fields that sort before key; returns key. Every field of a type goes by it. */
const char *ev_key(struct event_writer *e, const char *key);
void ev_end(struct event_writer *e);

/* Fields: left out when v is NULL. ev_text takes any bytes. */
void ev_str(struct event_writer *e, const char *key, const char *v);
void ev_int(struct event_writer *e, const char *key, uint64_t v);
/* True is written, false is left out. */
void ev_flag(struct event_writer *e, const char *key, bool v);
void ev_text(struct event_writer *e, const char *key, const char *key_b64, struct span v);

/* The longest part of s, at most limit bytes once it is written as JSON, that does not end inside a
 * character. */
struct span text_cut(struct span s, size_t limit);
void sha256_hex(struct span s, char out[65]);
