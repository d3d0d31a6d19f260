/* Borrowed bytes, and a cursor that reads them. A span never owns: whoever hands it out says how
 * long it lives. Readers are sticky: after the first failure all further reads yield zeros and the
 * caller asks cur_err() once. All integers on the wire are big-endian. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct span {
	const uint8_t *p;
	size_t len;
};

static inline struct span span_of(const void *p, size_t len)
{
	return (struct span){p, len};
}

static inline struct span span_str(const char *s)
{
	return (struct span){(const uint8_t *)s, strlen(s)};
}

/* Of a string literal, for tables: what is compared for each event knows its length. */
#define SPAN_LITERAL(s) {(const uint8_t *)(s), sizeof(s) - 1}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool span_is(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

/* FNV-1a, for tables of our own: whoever makes keys collide makes them be looked at longer, no more. */
#define SPAN_HASH_START 2166136261u

/* h: SPAN_HASH_START, or the hash of what stands before. */
static inline uint32_t span_hash(uint32_t h, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * 16777619u;
	return h;
}

struct cur {
	const uint8_t *p, *end;
	int err; /* 0, ERR_MORE (ran out) or ERR_MALFORMED */
};

static inline struct cur cur_of(struct span s)
{
	return (struct cur){s.p, s.p + s.len, 0};
}

static inline size_t cur_left(const struct cur *c)
{
	return c->err ? 0 : (size_t)(c->end - c->p);
}

static inline int cur_err(const struct cur *c)
{
	return c->err;
}

/* The next n bytes, borrowed from the cursor's input; an empty span after an error. */
static inline struct span cur_bytes(struct cur *c, size_t n)
{
	if (c->err)
		return (struct span){0};
	if ((size_t)(c->end - c->p) < n) {
		c->err = ERR_MORE;
		return (struct span){0};
	}
	struct span s = {c->p, n};
	c->p += n;
	return s;
}

static inline uint64_t cur_int(struct cur *c, size_t n)
{
	struct span s = cur_bytes(c, n);
	uint64_t v = 0;
	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.p[i];
	return v;
}

static inline uint8_t cur_u8(struct cur *c)
{
	return (uint8_t)cur_int(c, 1);
}

static inline uint16_t cur_u16(struct cur *c)
{
	return (uint16_t)cur_int(c, 2);
}

static inline uint32_t cur_u32(struct cur *c)
{
	return (uint32_t)cur_int(c, 4);
}

static inline uint64_t cur_u64(struct cur *c)
{
	return cur_int(c, 8);
}

/* A NUL-terminated string, without its NUL (the byte behind the span is 0). No NUL: ERR_MALFORMED. */
struct span cur_cstr(struct cur *c);
