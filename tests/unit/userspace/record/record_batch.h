/* Batches of chained events without a recorder. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "record/journal.h"

/* Adds an event behind b's last one (first: where b is empty), with text as its own fields. */
static inline void batch_chain(struct batch *b, struct chain *c, uint64_t first, const char *text)
{
	uint64_t seq = b->first ? b->last + 1 : first;
	size_t prefix = chain_prefix_len(seq), len = prefix + strlen(text) - 1;
	uint8_t *to = batch_add(b, seq, len);
	if (!to)
		abort();
	chain_prefix(b->hash, seq, to);
	memcpy(to + prefix, text + 1, strlen(text) - 1);
	if (chain_hash(c, b->hash, span_of(to, len), b->hash) < 0)
		abort();
}

/* {"decision","flow","session","text","time","type":"op"} */
static inline void batch_op(struct batch *b, struct chain *c, uint64_t first, const char *session,
			    const char *decision, size_t text_len)
{
	char text[8192], filler[8000];
	memset(filler, 'x', text_len);
	filler[text_len] = 0;
	snprintf(text, sizeof(text),
		 "{\"decision\":\"%s\",\"flow\":\"f-1\",\"identity\":\"crew\",\"session\":\"%s\","
		 "\"text\":\"%s\",\"time\":1000,\"type\":\"op\"}",
		 decision, session, filler);
	batch_chain(b, c, first, text);
}
