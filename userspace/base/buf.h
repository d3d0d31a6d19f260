/* An owned, growing byte queue with a limit given at birth: append at the end, consume at the front.
 * Sticky: after a failed append (ERR_LIMIT, -ENOMEM) further appends do nothing; ask buf_err() once. */
#pragma once

#include <stdarg.h>

#include "base/span.h"

struct buf {
	uint8_t *mem;
	size_t start, end, cap, limit;
	int err;
};

void buf_init(struct buf *b, size_t limit);
/* Frees the memory; the buffer can be used again and keeps its limit. */
void buf_done(struct buf *b);
/* As buf_done, but overwrites what it held first: for credentials. */
void buf_wipe(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline int buf_err(const struct buf *b)
{
	return b->err;
}

/* What is queued; valid until the next call that appends, reserves or frees. */
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){b->mem + b->start, b->end - b->start};
}

uint8_t *buf_reserve_slow(struct buf *b, size_t n);
/* Room for n more bytes at the end: NULL when over the limit or out of memory. Commit with
 * buf_commit(<= n). */
static inline uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (!b->err && n <= b->cap - b->end && b->end - b->start + n <= b->limit)
		return b->mem + b->end; /* nearly always */
	return buf_reserve_slow(b, n);
}

static inline void buf_commit(struct buf *b, size_t n)
{
	b->end += n;
}

/* Commits up to this place in what was reserved. */
static inline void buf_commit_to(struct buf *b, const uint8_t *end)
{
	b->end = (size_t)(end - b->mem);
}

/* Drops n (<= buf_len) bytes from the front. */
static inline void buf_consume(struct buf *b, size_t n)
{
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

/* Empties the queue, clears the error, keeps the memory. */
static inline void buf_reset(struct buf *b)
{
	b->start = b->end = 0;
	b->err = 0;
}

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	uint8_t *to = n ? buf_reserve(b, n) : NULL;
	if (!to)
		return;
	memcpy(to, p, n);
	b->end += n;
}

void buf_add_span(struct buf *b, struct span s);
/* Before all that is queued. */
void buf_add_front(struct buf *b, struct span s);
void buf_add_str(struct buf *b, const char *s);
void buf_add_cstr(struct buf *b, const char *s); /* with its NUL */
void buf_add_u8_slow(struct buf *b, uint8_t v);
static inline void buf_add_u8(struct buf *b, uint8_t v)
{
	if (b->end < b->cap && !b->err && b->end - b->start < b->limit)
		b->mem[b->end++] = v;
	else
		buf_add_u8_slow(b, v);
}
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Overwrites 4 bytes at offset off from the front: for lengths known late. */
void buf_put_u32_at(struct buf *b, size_t off, uint32_t v);
