/* Memory that dies together: allocate piece by piece, free whole. Limited: an allocation past the
 * limit fails, and the arena stays failed until reset (ask arena_failed() once after building). */
#pragma once

#include "base/span.h"

struct arena_block;
struct arena {
	struct arena_block *head;
	size_t used, limit;
	bool failed;
};

void arena_init(struct arena *a, size_t limit);
void arena_done(struct arena *a);
/* Forgets all allocations, keeps one block for the next use. */
void arena_reset(struct arena *a);

static inline bool arena_failed(const struct arena *a)
{
	return a->failed;
}

/* Zeroed, aligned to 16. NULL on failure. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t n, size_t size);
/* Copies with a NUL behind. NULL on failure. */
char *arena_str(struct arena *a, const char *s);
char *arena_strn(struct arena *a, const void *s, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
