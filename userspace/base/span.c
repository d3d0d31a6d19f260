#include "base/span.h"

struct span cur_bytes(struct cur *c, size_t n)
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

static uint64_t cur_int(struct cur *c, size_t n)
{
	struct span s = cur_bytes(c, n);
	uint64_t v = 0;
	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.p[i];
	return v;
}

uint8_t cur_u8(struct cur *c)
{
	return (uint8_t)cur_int(c, 1);
}

uint16_t cur_u16(struct cur *c)
{
	return (uint16_t)cur_int(c, 2);
}

uint32_t cur_u32(struct cur *c)
{
	return (uint32_t)cur_int(c, 4);
}

uint64_t cur_u64(struct cur *c)
{
	return cur_int(c, 8);
}

struct span cur_cstr(struct cur *c)
{
	if (c->err)
		return (struct span){0};
	size_t left = (size_t)(c->end - c->p);
	const uint8_t *nul = left ? memchr(c->p, 0, left) : NULL;
	if (!nul) {
		c->err = ERR_MALFORMED;
		return (struct span){0};
	}
	struct span s = {c->p, (size_t)(nul - c->p)};
	c->p = nul + 1;
	return s;
}
