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

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool span_is(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
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

uint8_t cur_u8(struct cur *c);
uint16_t cur_u16(struct cur *c);
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);
/* The next n bytes, borrowed from the cursor's input; an empty span after an error. */
struct span cur_bytes(struct cur *c, size_t n);
/* A NUL-terminated string, without its NUL (the byte behind the span is 0). No NUL: ERR_MALFORMED. */
struct span cur_cstr(struct cur *c);
