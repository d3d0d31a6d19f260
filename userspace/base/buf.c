#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"

#define BUF_FIRST 512

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){.limit = limit};
}

void buf_done(struct buf *b)
{
	free(b->mem);
	buf_init(b, b->limit);
}

void buf_wipe(struct buf *b)
{
	if (b->mem)
		explicit_bzero(b->mem, b->cap);
	buf_done(b);
}

static bool buf_grow(struct buf *b, size_t need)
{
	size_t cap = MAX(b->cap, (size_t)BUF_FIRST);
	while (cap < need)
		cap *= 2;
	uint8_t *mem = malloc(cap);
	if (!mem) {
		b->err = -ENOMEM;
		return false;
	}
	size_t len = buf_len(b);
	if (len)
		memcpy(mem, b->mem + b->start, len);
	free(b->mem);
	b->mem = mem;
	b->cap = cap;
	b->start = 0;
	b->end = len;
	return true;
}

uint8_t *buf_reserve_slow(struct buf *b, size_t n)
{
	size_t len = buf_len(b);
	if (b->err)
		return NULL;
	if (n > b->limit || len > b->limit - n) {
		b->err = ERR_LIMIT;
		return NULL;
	}
	if (b->cap - b->end < n && b->start && b->cap >= len + n) {
		memmove(b->mem, b->mem + b->start, len);
		b->start = 0;
		b->end = len;
	}
	if (b->cap - b->end < n && !buf_grow(b, len + n))
		return NULL;
	return b->mem + b->end;
}

void buf_add_span(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.len);
}

void buf_add_front(struct buf *b, struct span s)
{
	size_t len = buf_len(b);
	if (!s.len || !buf_reserve(b, s.len))
		return;
	uint8_t *from = b->mem + b->start;
	memmove(from + s.len, from, len);
	memcpy(from, s.p, s.len);
	b->end += s.len;
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_cstr(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s) + 1);
}

static void buf_add_int(struct buf *b, uint64_t v, size_t n)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	buf_add(b, bytes, n);
}

void buf_add_u8_slow(struct buf *b, uint8_t v)
{
	buf_add_int(b, v, 1);
}

void buf_add_u16(struct buf *b, uint16_t v)
{
	buf_add_int(b, v, 2);
}

void buf_add_u32(struct buf *b, uint32_t v)
{
	buf_add_int(b, v, 4);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	buf_add_int(b, v, 8);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	uint8_t *to = n >= 0 ? buf_reserve(b, (size_t)n + 1) : NULL;
	if (!to)
		return;
	va_start(ap, fmt);
	vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->end += (size_t)n;
}

void buf_put_u32_at(struct buf *b, size_t off, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		b->mem[b->start + off + i] = (uint8_t)(v >> (24 - 8 * i));
}
