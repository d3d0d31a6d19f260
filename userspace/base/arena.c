#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"

#define BLOCK_SIZE 8192
#define ALIGN      16

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(ALIGN) uint8_t mem[];
};

void arena_init(struct arena *a, size_t limit)
{
	*a = (struct arena){.limit = limit};
}

static void free_blocks(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;
		free(b);
		b = next;
	}
}

void arena_done(struct arena *a)
{
	free_blocks(a->head);
	arena_init(a, a->limit);
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->head;
	if (keep && keep->size > BLOCK_SIZE) {
		arena_done(a);
		return;
	}
	if (keep) {
		free_blocks(keep->next);
		keep->next = NULL;
		keep->used = 0;
	}
	a->used = 0;
	a->failed = false;
}

static struct arena_block *add_block(struct arena *a, size_t size)
{
	size_t room = MAX(size, (size_t)BLOCK_SIZE);
	struct arena_block *b = malloc(sizeof(*b) + room);
	if (!b)
		return NULL;
	*b = (struct arena_block){.next = a->head, .size = room};
	a->head = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	if (a->failed || size > a->limit || a->used > a->limit - size)
		goto fail;
	size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct arena_block *b = a->head;
	if (!b || b->size - b->used < need)
		b = add_block(a, need);
	if (!b)
		goto fail;
	void *p = b->mem + b->used;
	b->used += need;
	a->used += need;
	return memset(p, 0, need);
fail:
	a->failed = true;
	return NULL;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	if (size && n > a->limit / size) {
		a->failed = true;
		return NULL;
	}
	return arena_alloc(a, n * size);
}

char *arena_strn(struct arena *a, const void *s, size_t len)
{
	char *p = len < a->limit ? arena_alloc(a, len + 1) : NULL;
	if (!p) {
		a->failed = true;
		return NULL;
	}
	if (len)
		memcpy(p, s, len);
	return p;
}

char *arena_str(struct arena *a, const char *s)
{
	return arena_strn(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = n >= 0 ? arena_alloc(a, (size_t)n + 1) : NULL;
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
