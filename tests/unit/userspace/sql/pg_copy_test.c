/* Options of COPY ... TO, in both spellings of the grammar, and the form that they make. */
#include "../../tap.h"

#include "base/macro.h"
#include "db.h"

/* form: format letter, delimiter, quote, escape, null, H for a header; NULL: it cannot be rewritten. */
static const struct {
	const char *sql, *form;
} table[] = {
    {"COPY customers TO STDOUT", "t\t\"\"\\N"},
    {"COPY customers TO STDOUT CSV", "c,\"\""},
    {"COPY customers TO STDOUT BINARY", "b\t\"\"\\N"},
    {"COPY customers TO STDOUT (FORMAT csv)", "c,\"\""},
    {"COPY customers TO STDOUT (FORMAT 'csv', HEADER)", "c,\"\"H"},
    {"COPY customers TO STDOUT (FORMAT csv, HEADER true)", "c,\"\"H"},
    {"COPY customers TO STDOUT (FORMAT csv, HEADER 1)", "c,\"\"H"},
    {"COPY customers TO STDOUT (FORMAT csv, HEADER 0)", "c,\"\""},
    {"COPY customers TO STDOUT (FORMAT csv, HEADER off)", "c,\"\""},
    {"COPY customers TO STDOUT CSV HEADER", "c,\"\"H"},
    {"COPY customers TO STDOUT (FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE '\\', NULL 'nil')", "c;'\\nil"},
    {"COPY customers TO STDOUT WITH DELIMITER AS '|' NULL AS ''", "t|\"\""},
    {"COPY customers TO STDOUT (QUOTE '~', FORMAT csv)", "c,~~"},
    {"COPY customers TO STDOUT (FORMAT csv, FORCE_QUOTE *)", "c,\"\""},
    {"COPY customers TO STDOUT (FORMAT csv, FORCE_QUOTE (id))", "c,\"\""},
    {"COPY customers TO STDOUT CSV FORCE QUOTE id", "c,\"\""},
    {"COPY customers TO STDOUT (ENCODING 'utf-8')", "t\t\"\"\\N"},
    {"COPY (SELECT 1) TO STDOUT (FORMAT csv)", "c,\"\""},
    {"COPY customers TO STDOUT (ENCODING 'SJIS')", NULL},
    {"COPY customers TO STDOUT ENCODING 'LATIN1'", NULL},
    {"COPY customers TO STDOUT (FORMAT json)", NULL},
    {"COPY customers TO STDOUT (HEADER 2)", NULL},
    {"COPY customers TO STDOUT (HEADER match)", NULL},
    {"COPY customers TO STDOUT (DELIMITER 'ab')", NULL},
    {"COPY customers TO STDOUT (DELIMITER '')", NULL},
    {"COPY customers TO STDOUT (NULL 'x\\')", NULL},
    {"COPY customers TO STDOUT (NEW_OPTION 1)", NULL},
    {"COPY customers TO '/tmp/x'", NULL},
    {"COPY customers TO PROGRAM 'cat'", NULL},
};

static const char *form_text(const struct sql_copy *f, struct arena *a)
{
	return arena_printf(a, "%c%c%c%c%s%s", "tcb"[f->format], f->delimiter, f->quote, f->escape, f->null,
			    f->has_header ? "H" : "");
}

int main(void)
{
	db_up();
	struct catalog *catalog = db_catalog();
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct sql_session s = {.paths = {"public"}, .n_paths = 1};
		struct sql_result r = {.status = SQL_SYNTAX};
		struct arena a;
		arena_init(&a, 1 << 20);
		CHECK_INT(sql_analyze(span_str(table[i].sql), catalog, &s, &a, &r), 0);
		const struct sql_stmt *st = r.n_stmts == 1 ? &r.stmts[0] : NULL;
		if (!st || !st->copy)
			printf("%s: not read\n", table[i].sql);
		CHECK(st && st->copy && st->lineage);
		if (st && st->copy && table[i].form)
			CHECK_STR(form_text(st->copy, &a), table[i].form);
		CHECK(st && st->copy && !st->copy->why == (table[i].form != NULL));
		CHECK(st && st->lineage && st->lineage->unmaskable == st->copy->why);
		arena_done(&a);
	}
	catalog_unref(catalog);
	return tap_done();
}
