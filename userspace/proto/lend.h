/* What goes through in bulk is sent from where it was read, without a copy: struct sink's lent. */
#pragma once

#include "proto/proto.h"

/* Fewer bytes are copied sooner than sent by themselves. */
#define SINK_LEND_MIN 8192

/* As sink_pass, of bytes that lie in the input which this feed was given. */
static inline void sink_lend(struct sink *s, enum dir d, struct span bytes)
{
	enum end e = d == FROM_CLIENT ? TO_SERVER : TO_CLIENT;
	bool is_lent = s->may_lend[e] && !s->lent[e].len && !buf_len(s->to[e]) && bytes.len >= SINK_LEND_MIN;
	if (is_lent)
		s->lent[e] = bytes;
	else
		buf_add_span(s->to[e], bytes);
}
