/* What COPY ... TO writes, by its options: commands/copy.c, ProcessCopyOptions. What the server refuses is
 * left to it; what is not known here cannot be rewritten. */
#include "sql/pg_walk.h"

#include <strings.h>

#include "base/buf.h"
#include "sql/copy_text.h"

#define SHAPE_MAX (256 * 1024)

static const char *text_of(const DefElem *d)
{
	if (d->arg && IsA(d->arg, String))
		return strVal(d->arg);
	if (d->arg && IsA(d->arg, TypeName))
		return strVal(llast(((TypeName *)d->arg)->names));
	return NULL;
}

static void take_byte(struct walk *w, const DefElem *d, struct sql_copy *f, uint8_t *to)
{
	const char *s = text_of(d);
	if (s && s[0] && !s[1] && !strchr("\r\n", s[0]))
		*to = (uint8_t)s[0];
	else
		f->why = "COPY with a delimiter or quote that is no single byte, or ends lines";
}

static void take_delimiter(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	take_byte(w, d, f, &f->delimiter);
}

static void take_quote(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	take_byte(w, d, f, &f->quote);
}

static void take_escape(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	take_byte(w, d, f, &f->escape);
}

static void take_null(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	const char *s = text_of(d);
	f->null = s ? arena_str(w->needs->a, s) : NULL;
	bool is_odd = s && strchr(s, '\\') && strcmp(s, "\\N") != 0;
	if (!f->null || is_odd)
		f->why = "COPY with such a NULL string";
}

static void take_format(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	const char *s = text_of(d);
	if (s && !strcmp(s, "text"))
		f->format = COPY_TEXT;
	else if (s && !strcmp(s, "csv"))
		f->format = COPY_CSV;
	else if (s && !strcmp(s, "binary"))
		f->format = COPY_BINARY;
	else
		f->why = "COPY in a format that is not known";
}

/* defGetBoolean, and no more: MATCH is for COPY FROM, a number of lines is not known here. */
static void take_header(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	static const char *const words[] = {"false", "true", "off", "on"};
	const char *s = text_of(d);
	f->has_header = !d->arg;
	if (!d->arg)
		return;
	if (IsA(d->arg, Boolean)) {
		f->has_header = boolVal(d->arg);
		return;
	}
	if (IsA(d->arg, Integer)) {
		w->needs->reads_numbers = true;
		f->has_header = intVal(d->arg) == 1;
		if (intVal(d->arg) == 0 || intVal(d->arg) == 1)
			return;
	}
	for (size_t i = 0; s && i < ARRAY_LEN(words); i++)
		if (!strcasecmp(s, words[i])) {
			f->has_header = i & 1;
			return;
		}
	f->why = "COPY with a HEADER that is neither on nor off";
}

/* Other encodings have letters in which a delimiter's byte stands for something else. */
static void take_encoding(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	const char *s = text_of(d);
	if (!s || (strcasecmp(s, "utf8") && strcasecmp(s, "utf-8") && strcasecmp(s, "unicode")))
		f->why = "COPY with an ENCODING other than UTF8";
}

static void take_force_quote(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	f->forces_quotes = true;
}

static void take_nothing(struct walk *w, const DefElem *d, struct sql_copy *f)
{
}

static const struct {
	const char *name;
	void (*take)(struct walk *w, const DefElem *d, struct sql_copy *f);
} options[] = {
    {"format", take_format},	   {"delimiter", take_delimiter}, {"null", take_null},
    {"header", take_header},	   {"quote", take_quote},	  {"escape", take_escape},
    {"encoding", take_encoding},   {"force_quote", take_force_quote},
    {"freeze", take_nothing},
};

static void take(struct walk *w, const DefElem *d, struct sql_copy *f)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (!strcmp(d->defname, options[i].name)) {
			options[i].take(w, d, f);
			return;
		}
	f->why = "COPY with an option that is not known";
}

static void add_name(struct buf *b, const char *name)
{
	buf_add_u8(b, '"');
	for (; *name; name++) {
		if (*name == '"')
			buf_add_u8(b, '"');
		buf_add_u8(b, (uint8_t)*name);
	}
	buf_add_u8(b, '"');
}

/* By names as the statement has them: they are looked up as COPY will. */
static void add_table(struct buf *b, const CopyStmt *c, const struct cat_relation *r)
{
	ListCell *cell;
	const char *comma = "SELECT ";
	for (int i = 0; c->attlist == NIL && i < r->n_columns; i++) {
		if (r->columns[i].is_generated)
			continue;
		buf_add_str(b, comma);
		add_name(b, r->columns[i].name);
		comma = ", ";
	}
	foreach (cell, c->attlist) {
		buf_add_str(b, comma);
		add_name(b, strVal(lfirst(cell)));
		comma = ", ";
	}
	buf_add_str(b, *comma == ',' ? " FROM " : "SELECT FROM ");
	if (c->relation->schemaname) {
		add_name(b, c->relation->schemaname);
		buf_add_u8(b, '.');
	}
	add_name(b, c->relation->relname);
}

static const char *shape_of(struct walk *w, const CopyStmt *c, const struct cat_relation *r)
{
	struct buf b;
	buf_init(&b, SHAPE_MAX);
	if (c->query)
		buf_add_span(&b, copy_text_query(w->text));
	else if (r)
		add_table(&b, c, r);
	bool is_known = buf_len(&b) && !buf_err(&b);
	buf_add_u8(&b, 0);
	const char *s = is_known && !buf_err(&b) ? arena_str(w->needs->a, (const char *)buf_span(&b).p) : NULL;
	buf_done(&b);
	return s;
}

const struct sql_copy *copy_form(struct walk *w, const CopyStmt *c, const struct cat_relation *r)
{
	struct sql_copy *f = arena_new(w->needs->a, struct sql_copy);
	ListCell *cell;
	if (!f)
		return NULL;
	f->shape = shape_of(w, c, r);
	foreach (cell, c->options)
		take(w, lfirst(cell), f);
	bool is_csv = f->format == COPY_CSV;
	f->delimiter = f->delimiter ? f->delimiter : is_csv ? ',' : '\t';
	f->quote = f->quote ? f->quote : '"';
	f->escape = f->escape ? f->escape : f->quote;
	f->null = f->null ? f->null : is_csv ? "" : "\\N";
	return f;
}
