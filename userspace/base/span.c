#include "base/span.h"

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
