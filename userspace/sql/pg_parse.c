#include "sql/pg_walk.h"

#include <errno.h>

#include "base/jw.h"
#include <pg_query.h>

#define SCRATCH_BYTES ((size_t)64 * 1024 * 1024)
#define MAX_PATHS     16 /* candidates within one text: those of the session and those that it sets */

/* libpg_query's own interface below its public one: pg_query_internal.h. */
typedef struct {
	List *tree;
	char *stderr_buffer;
	PgQueryError *error;
} PgQueryInternalParsetreeAndError;
#if PG_VERSION_NUM >= 160000
extern PgQueryInternalParsetreeAndError pg_query_raw_parse(const char *input, int parser_options);
#define RAW_PARSE(text) pg_query_raw_parse(text, 0)
#else
extern PgQueryInternalParsetreeAndError pg_query_raw_parse(const char *input);
#define RAW_PARSE(text) pg_query_raw_parse(text)
#endif
extern void pg_query_free_error(PgQueryError *error);
extern MemoryContext pg_query_enter_memory_context(void);
extern void pg_query_exit_memory_context(MemoryContext ctx);

/* One text being analysed. */
struct job {
	const struct catalog *c;
	struct sql_session session; /* has_temp grows with what the text creates */
	struct path paths[MAX_PATHS];
	int n_paths;
	bool is_changed;   /* an earlier statement may have changed what names mean */
	bool is_path_lost; /* the search_path is set to what cannot be read */
	bool lacks_facts, is_too_big;
	struct span text; /* of the statement */
	struct arena scratch, tmp;
	struct param_uses uses;
	struct arena *out;
};

static int refuse(struct sql_result *ret, enum sql_status status, const char *message)
{
	*ret = (struct sql_result){.status = status, .message = message};
	return 0;
}

static bool has_nul(struct span text)
{
	return text.len && memchr(text.p, 0, text.len);
}

static void add_path(struct job *j, const char *text)
{
	struct path p;
	int err = j->n_paths == MAX_PATHS ? ERR_LIMIT : path_read(j->c, text, &p);
	if (err)
		j->is_path_lost = true;
	else
		j->paths[j->n_paths++] = p;
}

static struct walk walk_of(struct job *j, const struct path *p, struct needs *needs,
			   struct sql_stmt *stmt)
{
	return (struct walk){.c = j->c,
			     .path = p,
			     .session = &j->session,
			     .a = &j->scratch,
			     .tmp = &j->tmp,
			     .needs = needs,
			     .stmt = stmt,
			     .params = j->session.param_types,
			     .n_params = j->session.n_param_types,
			     .text = j->text,
			     .uses = &j->uses};
}

Node *parse_query(const char *text)
{
	struct span s = span_str(text);
	if (s.len > SQL_TEXT_MAX || !utf8_valid(s))
		return NULL;
	PgQueryInternalParsetreeAndError parsed = RAW_PARSE(text);
	Node *n = NULL;
	if (!parsed.error && list_length(parsed.tree) == 1)
		n = ((RawStmt *)linitial(parsed.tree))->stmt;
	if (parsed.error)
		pg_query_free_error(parsed.error);
	free(parsed.stderr_buffer);
	return n && IsA(n, SelectStmt) ? n : NULL;
}

/* A type that a Parse message declares by its number. */
static void need_declared(struct walk *w, uint32_t type)
{
	need_type_input(w, type);
	if (cat_type(w->c, type))
		return;
	w->lacks_facts = true; /* it may have been made since the catalogue was loaded */
	walk_opaque(w, "a parameter is declared of a type that is not known");
}

/* One statement under one search_path. Twice where that shows an untyped parameter used more than
 * once: then such ones are of no known type. */
static struct result_lineage *walk_under(struct job *j, const struct path *p, Node *tree,
					 struct needs *needs, struct sql_stmt *stmt)
{
	struct result_lineage *lineage = NULL;
	memset(&j->uses, 0, sizeof(j->uses));
	for (int pass = 0; pass < 2 && !j->is_too_big; pass++) {
		*stmt = (struct sql_stmt){.class = CLASS_READ};
		struct walk w = walk_of(j, p, needs, stmt);
		w.values = &w.predicates;
		for (int i = 0; i < w.n_params; i++)
			if (w.params[i])
				need_declared(&w, w.params[i]);
		statement(&w, tree);
		j->lacks_facts |= w.lacks_facts;
		j->is_too_big |= w.is_too_big || needs->is_full || arena_failed(&j->scratch);
		if (!stmt->n_params)
			stmt->n_params = w.max_param;
		lineage = w.is_too_big ? NULL : lineage_new(&w, j->out);
		arena_reset(&j->scratch);
		if (!j->uses.has_several)
			break;
		j->uses.was_asked = true;
		j->uses.has_several = false;
	}
	return lineage;
}

/* What this statement does to the names of those behind it. */
static void follow_session(struct job *j, const struct sql_stmt *stmt, const struct needs *needs)
{
	bool is_path = stmt->kind == SQL_SET && (!stmt->name || !strcmp(stmt->name, "search_path"));
	if (is_path && stmt->value)
		add_path(j, stmt->value);
	else if (is_path || stmt->kind == SQL_DISCARD)
		add_path(j, catalog_search_path(j->c));
	for (int i = 0; i < needs->n; i++)
		if (needs->at[i].schema && !strcmp(needs->at[i].schema, "pg_temp"))
			j->session.has_temp |= needs->at[i].verb == VERB_CREATE;
}

/* The catalogue is that of before the text. */
static bool changes_names(const struct sql_stmt *stmt)
{
	bool is_any = false;
	for (int i = 0; i < stmt->n_needs; i++) {
		const struct need *n = &stmt->needs[i];
		is_any |= n->kind == NEED_OPAQUE || (n->kind == NEED_FUNCTION && !n->is_implied) ||
			  n->class == CLASS_DDL || n->class == CLASS_ADMIN ||
			  n->class == CLASS_PROCEDURAL;
	}
	return is_any;
}

static void one_statement(struct job *j, const RawStmt *raw, struct span text, struct sql_stmt *stmt)
{
	struct needs needs = {.a = j->out};
	int len = raw->stmt_len ? raw->stmt_len : (int)text.len - raw->stmt_location;
	j->text = span_of(text.p + raw->stmt_location, (size_t)len);
	if (j->is_path_lost)
		needs_opaque(&needs, "the search_path that names go by is not known");
	struct result_lineage *lineage = NULL;
	for (int i = 0; i < j->n_paths; i++) {
		struct result_lineage *l = walk_under(j, &j->paths[i], raw->stmt, &needs, stmt);
		lineage = i == 0 ? l : lineage_merge(j->out, lineage, l);
	}
	if ((j->is_path_lost || j->is_changed) && lineage) {
		lineage->is_known = false;
		lineage->why = j->is_path_lost
				   ? "the search_path that names go by is not known"
				   : "a statement before it may change what its names mean";
	}
	stmt->lineage = lineage;
	if (needs.n == 0) /* nothing wanted would be nothing refused */
		needs_opaque(&needs, "a statement in which nothing was recognised");
	stmt->location = raw->stmt_location;
	stmt->len = len;
	stmt->needs = needs.at;
	stmt->n_needs = needs.n;
	stmt->reached = needs.reached ? needs.reached->at : NULL;
	stmt->n_reached = needs.reached ? needs.reached->n : 0;
	stmt->is_write = needs.is_write;
	stmt->is_untransactional = needs.is_untransactional;
	stmt->reads_numbers = needs.reads_numbers;
	stmt->reads_views = needs.reads_views;
	/* The tree's own strings die with it. */
	stmt->name = stmt->name ? arena_str(j->out, stmt->name) : NULL;
	follow_session(j, stmt, &needs);
	j->is_changed |= changes_names(stmt);
}

static void walk_all(struct job *j, const List *tree, struct span text, struct sql_result *ret)
{
	struct sql_stmt *stmts = arena_array(j->out, (size_t)list_length(tree), sizeof(*stmts));
	int n = 0;
	ListCell *cell;
	foreach (cell, tree) {
		if (!stmts || j->is_too_big)
			break;
		one_statement(j, lfirst(cell), text, &stmts[n++]);
	}
	*ret = (struct sql_result){
	    .status = j->lacks_facts ? SQL_FACTS : SQL_OK, .stmts = stmts, .n_stmts = n};
	if (j->is_too_big)
		*ret = (struct sql_result){.status = SQL_TOO_BIG,
					   .message = "the statement is too big to be judged"};
}

static void take_error(struct job *j, const PgQueryError *e, struct sql_result *ret)
{
	*ret = (struct sql_result){.status = SQL_SYNTAX,
				   .message =
				       arena_str(j->out, e->message ? e->message : "syntax error"),
				   .position = MAX(e->cursorpos, 0),
				   .file = arena_str(j->out, e->filename ? e->filename : ""),
				   .routine = arena_str(j->out, e->funcname ? e->funcname : "")};
}

static void parse_and_walk(struct job *j, const char *text, size_t len, struct sql_result *ret)
{
	MemoryContext ctx = pg_query_enter_memory_context();
	PgQueryInternalParsetreeAndError parsed = RAW_PARSE(text);
	if (parsed.error)
		take_error(j, parsed.error, ret);
	else
		walk_all(j, parsed.tree, span_of(text, len), ret);
	if (parsed.error)
		pg_query_free_error(parsed.error);
	free(parsed.stderr_buffer);
	pg_query_exit_memory_context(ctx);
}

static int analyze(struct job *j, struct span text, struct sql_result *ret)
{
	char *copy = malloc(text.len + 1);
	if (!copy)
		return -ENOMEM;
	if (text.len)
		memcpy(copy, text.p, text.len);
	copy[text.len] = 0;
	for (int i = 0; i < j->session.n_paths; i++)
		add_path(j, j->session.paths[i]);
	parse_and_walk(j, copy, text.len, ret);
	free(copy);
	return arena_failed(j->out) ? ERR_LIMIT : 0;
}

int sql_analyze(struct span text, const struct catalog *c, const struct sql_session *s,
		struct arena *a, struct sql_result *ret)
{
	if (text.len > SQL_TEXT_MAX)
		return refuse(ret, SQL_TOO_BIG, "the text is too long to be judged");
	if (has_nul(text) || !utf8_valid(text))
		return refuse(ret, SQL_SYNTAX, "invalid byte sequence for encoding \"UTF8\"");
	struct job *j = calloc(1, sizeof(*j)); /* too big for a thread's stack */
	if (!j)
		return -ENOMEM;
	j->c = c;
	j->session = *s;
	j->out = a;
	arena_init(&j->scratch, SCRATCH_BYTES);
	arena_init(&j->tmp, SCRATCH_BYTES);
	int err = analyze(j, text, ret);
	arena_done(&j->scratch);
	arena_done(&j->tmp);
	free(j);
	return err;
}
