#include <errno.h>

#include "record/journal.h"

void batch_init(struct batch *b, size_t limit)
{
	*b = (struct batch){0};
	buf_init(&b->events, limit);
}

void batch_done(struct batch *b)
{
	buf_done(&b->events);
}

void batch_reset(struct batch *b)
{
	buf_reset(&b->events);
	b->first = b->last = 0;
	b->n_positions = 0;
}

uint8_t *batch_add(struct batch *b, uint64_t seq, size_t len)
{
	uint32_t frame = (uint32_t)len;
	uint8_t *to = buf_reserve(&b->events, JOURNAL_FRAME + len);
	if (!to)
		return NULL;
	memcpy(to, &frame, JOURNAL_FRAME);
	buf_commit(&b->events, JOURNAL_FRAME + len);
	b->first = b->first ? b->first : seq;
	b->last = seq;
	return to + JOURNAL_FRAME;
}

int batch_append(struct batch *to, const struct batch *from)
{
	buf_add_span(&to->events, buf_span(&from->events));
	if (buf_err(&to->events))
		return buf_err(&to->events);
	to->first = to->first ? to->first : from->first;
	to->last = from->last;
	memcpy(to->hash, from->hash, HASH_LEN);
	memcpy(to->positions, from->positions, sizeof(to->positions));
	to->n_positions = from->n_positions;
	return 0;
}

bool batch_next(const struct batch *b, size_t *at, struct span *ret_stored)
{
	struct span all = buf_span(&b->events);
	uint32_t len;
	if (all.len - *at < JOURNAL_FRAME)
		return false;
	memcpy(&len, all.p + *at, JOURNAL_FRAME);
	if (len > all.len - *at - JOURNAL_FRAME)
		return false;
	*ret_stored = span_of(all.p + *at + JOURNAL_FRAME, len);
	*at += JOURNAL_FRAME + len;
	return true;
}
