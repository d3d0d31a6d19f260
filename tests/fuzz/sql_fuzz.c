/* A statement under a search_path: "path NUL statement", or a statement alone. What comes out must
 * hold together whatever went in. */
#include "sql/sql.h"

#include "sql_catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sources(const struct source *s, int n)
{
	for (int i = 0; i < n; i++)
		if (!*s[i].schema || !*s[i].relation || strlen(s[i].column) == 0)
			abort();
}

static void check_lineage(const struct result_lineage *l)
{
	if (!l->is_known && !l->why)
		abort();
	for (int i = 0; i < l->n_outputs; i++) {
		const struct lineage *o = &l->outputs[i];
		bool has_sources = o->kind == LINEAGE_COPY || o->kind == LINEAGE_DERIVED;
		if ((has_sources && o->n_sources == 0) ||
		    (o->kind == LINEAGE_NONE && o->n_sources) ||
		    (o->kind == LINEAGE_UNKNOWN) != (o->why != NULL))
			abort();
		check_sources(o->sources, o->n_sources);
	}
	check_sources(l->predicates, l->n_predicates);
}

static void check(const struct sql_result *r, size_t len)
{
	for (int i = 0; i < r->n_stmts; i++) {
		const struct sql_stmt *s = &r->stmts[i];
		if (!s->tag || s->location < 0 || s->len < 0 ||
		    (size_t)s->location + (size_t)s->len > len)
			abort();
		if (s->lineage)
			check_lineage(s->lineage);
		if (s->n_needs == 0 && r->status != SQL_TOO_BIG)
			abort(); /* a statement without a need would pass every policy */
		for (int k = 0; k < s->n_needs; k++)
			if (s->needs[k].kind == NEED_RELATION && !s->needs[k].name)
				abort();
	}
	if ((r->status == SQL_SYNTAX || r->status == SQL_TOO_BIG) && !r->message)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct catalog *catalog;
	static const uint32_t types[] = {25, 0, 16540};
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	struct sql_session s = {.paths = {"\"$user\", public"}, .n_paths = 1};
	struct span text = span_of(data, size);
	struct arena a;
	struct sql_result r;
	if (!catalog)
		catalog = sql_catalog_new();
	if (nul) {
		s.paths[1] = (const char *)data;
		s.n_paths = 2;
		s.has_temp = size & 1;
		s.param_types = types;
		s.n_param_types = 3;
		text = span_of(nul + 1, size - (size_t)(nul + 1 - data));
	}
	arena_init(&a, 8 << 20);
	if (sql_analyze(text, catalog, &s, &a, &r) == 0)
		check(&r, text.len);
	arena_done(&a);
	return 0;
}
