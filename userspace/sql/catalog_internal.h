/* The catalogue's own insides: shared by the loader (catalog_load.c) and the reader (catalog.c). */
#pragma once

#include "base/arena.h"
#include "sql/catalog_read.h"

/* One kind of object: a growing array while loading, then n pointers in the order of the index. */
struct cat_list {
	void **at;
	int n, room, limit;
};

struct catalog {
	int refs; /* atomic */
	uint64_t generation;
	struct arena arena;
	struct catalog *base; /* whose objects the lists hold as well: a reference; or NULL */
	const char *search_path, *user;
	bool is_utf8, has_own_order;
	/* Loaded objects; sorted by oid after the build (casts: by source, target). */
	struct cat_list schemas, relations, types, functions, casts;
	struct cat_list operators; /* by name */
	/* The same objects by name. */
	struct cat_list relations_by_name, types_by_name, functions_by_name;
};

void catalog_destroy(struct catalog *c);
