#include "sql/catalog_internal.h"

#include "base/macro.h"

struct catalog *catalog_ref(struct catalog *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void catalog_unref(struct catalog *c)
{
	if (c && __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) == 0)
		catalog_destroy(c);
}

void catalog_destroy(struct catalog *c)
{
	struct cat_list *lists[] = {
	    &c->schemas,	   &c->relations,     &c->types,
	    &c->functions,	   &c->casts,	      &c->operators,
	    &c->relations_by_name, &c->types_by_name, &c->functions_by_name};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		free(lists[i]->at);
	arena_done(&c->arena);
	catalog_unref(c->base);
	free(c);
}

uint64_t catalog_generation(const struct catalog *c)
{
	return c->generation;
}

const char *catalog_search_path(const struct catalog *c)
{
	return c->search_path;
}

const char *catalog_user(const struct catalog *c)
{
	return c->user;
}

bool cat_has_own_order(const struct catalog *c)
{
	return c->has_own_order;
}

bool cat_is_utf8(const struct catalog *c)
{
	return c->is_utf8;
}

/* The first member of a sorted list that is not less than the key. */
#define LOWER_BOUND(list, less)                                                                    \
	({                                                                                         \
		int lo_ = 0, hi_ = (list)->n;                                                      \
		while (lo_ < hi_) {                                                                \
			int mid_ = lo_ + (hi_ - lo_) / 2;                                          \
			__typeof__((list)->at[0]) it = (list)->at[mid_];                           \
			if (less)                                                                  \
				lo_ = mid_ + 1;                                                    \
			else                                                                       \
				hi_ = mid_;                                                        \
		}                                                                                  \
		lo_;                                                                               \
	})

/* Every loaded object that is found by number begins with it. */
static void *by_oid(const struct cat_list *list, uint32_t oid)
{
	int i = LOWER_BOUND(list, *(const uint32_t *)it < oid);
	return i < list->n && *(const uint32_t *)list->at[i] == oid ? list->at[i] : NULL;
}

const struct cat_type *cat_type(const struct catalog *c, uint32_t oid)
{
	return by_oid(&c->types, oid);
}

const struct cat_function *cat_function(const struct catalog *c, uint32_t oid)
{
	return by_oid(&c->functions, oid);
}

const struct cat_schema *cat_schema(const struct catalog *c, const char *name)
{
	for (int i = 0; i < c->schemas.n; i++) {
		const struct cat_schema *s = c->schemas.at[i];
		if (!strcmp(s->name, name))
			return s;
	}
	return NULL;
}

/* Relations, types and functions share their beginning: number, schema, name. */
struct named {
	uint32_t oid;
	const struct cat_schema *schema;
	const char *name;
};
_Static_assert(offsetof(struct named, name) == offsetof(struct cat_relation, name), "shared head");
_Static_assert(offsetof(struct named, name) == offsetof(struct cat_type, name), "shared head");
_Static_assert(offsetof(struct named, name) == offsetof(struct cat_function, name), "shared head");

static int compare_named(const struct named *n, const char *name, uint32_t schema)
{
	int c = strcmp(n->name, name);
	return c ? c : (n->schema->oid > schema) - (n->schema->oid < schema);
}

static void *in_schema(const struct cat_list *list, const struct cat_schema *s, const char *name)
{
	int i = LOWER_BOUND(list, compare_named(it, name, s->oid) < 0);
	return i < list->n && compare_named(list->at[i], name, s->oid) == 0 ? list->at[i] : NULL;
}

const struct cat_relation *cat_relation(const struct catalog *c, const struct cat_schema *s,
					const char *name)
{
	return in_schema(&c->relations_by_name, s, name);
}

const struct cat_type *cat_type_named(const struct catalog *c, const struct cat_schema *s,
				      const char *name)
{
	return in_schema(&c->types_by_name, s, name);
}

const struct cat_function *const *cat_functions(const struct catalog *c, const char *name,
						int *ret_n)
{
	const struct cat_list *l = &c->functions_by_name;
	int i = LOWER_BOUND(l, strcmp(((const struct named *)it)->name, name) < 0), end = i;
	while (end < l->n && !strcmp(((const struct named *)l->at[end])->name, name))
		end++;
	*ret_n = end - i;
	return (const struct cat_function *const *)(l->at + i);
}

const struct cat_operator *const *cat_operators(const struct catalog *c, const char *name,
						int *ret_n)
{
	const struct cat_list *l = &c->operators;
	int i = LOWER_BOUND(l, strcmp(((const struct cat_operator *)it)->name, name) < 0), end = i;
	while (end < l->n && !strcmp(((const struct cat_operator *)l->at[end])->name, name))
		end++;
	*ret_n = end - i;
	return (const struct cat_operator *const *)(l->at + i);
}

static int compare_cast(const struct cat_cast *k, uint32_t source, uint32_t target)
{
	if (k->source != source)
		return k->source < source ? -1 : 1;
	return (k->target > target) - (k->target < target);
}

const struct cat_cast *cat_cast(const struct catalog *c, uint32_t source, uint32_t target)
{
	int i = LOWER_BOUND(&c->casts, compare_cast(it, source, target) < 0);
	const struct cat_cast *k = i < c->casts.n ? c->casts.at[i] : NULL;
	return k && compare_cast(k, source, target) == 0 ? k : NULL;
}

const struct cat_cast *const *cat_casts(const struct catalog *c, int *ret_n)
{
	*ret_n = c->casts.n;
	return (const struct cat_cast *const *)c->casts.at;
}

int cat_column_at(const struct cat_relation *r, const char *name)
{
	for (int i = 0; i < r->n_columns; i++)
		if (!strcmp(r->columns[i].name, name))
			return i;
	return -1;
}
