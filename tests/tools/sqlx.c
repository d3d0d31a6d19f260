/* Shows what statements need and where their values come from: sqlx DSN [search_path]... <
 * statements, one a line. Prints, per line, the status, then per statement its kind, class, flags,
 * needs and lineage. U+23CE in a line stands for a newline. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql/sql.h"

static const char *const statuses[] = {"ok", "syntax", "facts", "too_big"};
static const char *const kinds[] = {"other",	    "begin",   "commit",  "rollback", "savepoint",
				    "prepare_xact", "set",     "prepare", "execute",  "deallocate",
				    "discard",	    "declare", "fetch",	  "copy_in",  "copy_out"};
static const char *const need_kinds[] = {"relation", "function", "object",
					 "setting",  "plain",	 "opaque"};

static int load_query(PGconn *conn, struct catalog_builder *b, int i)
{
	PGresult *r = PQexec(conn, catalog_query(i, CATALOG_WHOLE));
	int err = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : ERR_UPSTREAM;
	if (err)
		fprintf(stderr, "query %d: %s", i, PQresultErrorMessage(r));
	for (int row = 0; !err && row < PQntuples(r); row++) {
		const char *fields[32];
		for (int f = 0; f < PQnfields(r); f++)
			fields[f] = PQgetisnull(r, row, f) ? NULL : PQgetvalue(r, row, f);
		err = catalog_add_row(b, i, fields, PQnfields(r));
		if (err)
			fprintf(stderr, "query %d row %d: %s\n", i, row, err_text(err));
	}
	PQclear(r);
	return err;
}

static struct catalog *load(const char *dsn)
{
	PGconn *conn = PQconnectdb(dsn);
	struct catalog_builder *b = NULL;
	struct catalog *c = NULL;
	int err = PQstatus(conn) == CONNECTION_OK ? catalog_builder_new(&b) : ERR_UPSTREAM;
	for (int i = 0; !err && i < catalog_n_queries(); i++)
		err = load_query(conn, b, i);
	if (!err)
		err = catalog_build(b, &c);
	if (err)
		fprintf(stderr, "catalogue: %s %s\n", err_text(err), PQerrorMessage(conn));
	catalog_builder_free(b);
	PQfinish(conn);
	return c;
}

static void print_need(const struct need *n)
{
	printf("\t  %s %s %s \"%s\".\"%s\"%s", need_kinds[n->kind], verb_name(n->verb),
	       class_name(n->class), n->schema ? n->schema : "", n->name ? n->name : "",
	       n->is_implied ? " implied" : "");
	for (int i = 0; i < n->n_columns; i++)
		printf("%s%s", i ? "," : " (", n->columns[i]);
	printf("%s%s%s\n", n->n_columns ? ")" : "", n->why ? " -- " : "", n->why ? n->why : "");
}

static void print_sources(const struct source *s, int n)
{
	for (int i = 0; i < n; i++)
		printf("%s%s.%s.%s", i ? "," : "", s[i].schema, s[i].relation, s[i].column);
}

static void print_lineage(const struct result_lineage *l)
{
	static const char *const lineages[] = {"none", "copy ", "derived(", "unknown("};
	if (!l)
		return;
	printf("\t  rows%s%s:", l->is_known ? "" : " unknown: ", l->is_known ? "" : l->why);
	for (int i = 0; i < l->n_outputs; i++) {
		const struct lineage *o = &l->outputs[i];
		printf(" %s%s", i ? "| " : "", lineages[o->kind]);
		print_sources(o->sources, o->n_sources);
		printf("%s%s%s", o->why ? ": " : "", o->why ? o->why : "",
		       o->kind >= LINEAGE_DERIVED ? ")" : "");
	}
	printf("\n");
	if (l->n_predicates || l->unknown_predicate)
		printf("\t  predicates%s%s: ", l->unknown_predicate ? " unknown: " : "",
		       l->unknown_predicate ? l->unknown_predicate : "");
	print_sources(l->predicates, l->n_predicates);
	if (l->n_predicates || l->unknown_predicate)
		printf("\n");
}

static void print_stmt(const struct sql_stmt *s)
{
	printf("\t%s %s [%s]%s%s%s%s name=%s value=%s at %d+%d\n", kinds[s->kind],
	       class_name(s->class), s->tag, s->is_write ? " write" : "",
	       s->is_untransactional ? " untransactional" : "", s->is_local ? " local" : "",
	       s->is_chain ? " chain" : "", s->name ? s->name : "-", s->value ? s->value : "-",
	       s->location, s->len);
	for (int i = 0; i < s->n_needs; i++)
		print_need(&s->needs[i]);
	print_lineage(s->lineage);
}

static size_t unescape(char *line, size_t len)
{
	size_t to = 0;
	for (size_t i = 0; i < len; i++) {
		if (i + 2 < len && !memcmp(line + i, "\xe2\x8f\x8e", 3)) {
			line[to++] = '\n';
			i += 2;
		} else {
			line[to++] = line[i];
		}
	}
	return to;
}

int main(int argc, char **argv)
{
	struct catalog *c = argc > 1 ? load(argv[1]) : NULL;
	if (!c) {
		fprintf(stderr, "usage: sqlx DSN [search_path]... < statements\n");
		return 2;
	}
	struct sql_session session = {.paths = {catalog_search_path(c)}, .n_paths = 1};
	for (int i = 2; i < argc && i - 2 < SQL_PATHS; i++) {
		session.paths[i - 2] = argv[i];
		session.n_paths = i - 1;
	}
	char *line = NULL;
	size_t room = 0;
	for (ssize_t len; (len = getline(&line, &room, stdin)) > 0;) {
		struct arena a;
		struct sql_result r = {0};
		arena_init(&a, 16 << 20);
		if (line[len - 1] == '\n')
			len--;
		int err =
		    sql_analyze(span_of(line, unescape(line, (size_t)len)), c, &session, &a, &r);
		printf("%s%s%s position=%d statements=%d\n",
		       err ? err_name(err) : statuses[r.status], r.message ? " " : "",
		       r.message ? r.message : "", r.position, r.n_stmts);
		for (int i = 0; !err && i < r.n_stmts; i++)
			print_stmt(&r.stmts[i]);
		arena_done(&a);
	}
	free(line);
	catalog_unref(c);
	return 0;
}
