#include "policy/needs.h"

#include <ctype.h>

#define WORD_MAX    63
#define COLUMNS_MAX 64

struct reader {
	struct arena *a;
	const char *s;
	const char *why; /* the first thing that was wrong */
};

static const enum op_class usual_class[VERB_COUNT] = {
    [VERB_SELECT] = CLASS_READ,
    [VERB_INSERT] = CLASS_WRITE,
    [VERB_UPDATE] = CLASS_WRITE,
    [VERB_DELETE] = CLASS_WRITE,
    [VERB_TRUNCATE] = CLASS_WRITE,
    [VERB_LOCK] = CLASS_WRITE,
    [VERB_EXECUTE] = CLASS_PROCEDURAL,
    [VERB_CREATE] = CLASS_DDL,
    [VERB_ALTER] = CLASS_DDL,
    [VERB_DROP] = CLASS_DDL,
    [VERB_COMMENT] = CLASS_DDL,
    [VERB_REINDEX] = CLASS_DDL,
    [VERB_REFRESH] = CLASS_DDL,
    [VERB_GRANT] = CLASS_DCL,
    [VERB_SET] = CLASS_SESSION,
    [VERB_SHOW] = CLASS_SESSION,
    [VERB_TRANSACTION] = CLASS_TRANSACTION,
    [VERB_PREPARE] = CLASS_SESSION,
    [VERB_LISTEN] = CLASS_SESSION,
    [VERB_NOTIFY] = CLASS_SESSION,
    [VERB_COPY_FILE] = CLASS_COPY,
    [VERB_CALL] = CLASS_PROCEDURAL,
    [VERB_DO] = CLASS_PROCEDURAL,
    [VERB_MAINTAIN] = CLASS_ADMIN,
    [VERB_ADMIN] = CLASS_ADMIN,
    [VERB_CONNECT] = CLASS_SESSION,
    [VERB_RESOLVE] = CLASS_READ,
    [VERB_REPLICATE] = CLASS_ADMIN,
};

static void fail(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
}

static bool take(struct reader *r, char c)
{
	if (r->why || *r->s != c)
		return false;
	r->s++;
	return true;
}

/* Letters and '_' into out. */
static void read_word(struct reader *r, char out[WORD_MAX + 1])
{
	size_t n = 0;
	while (n < WORD_MAX && (islower((uint8_t)r->s[n]) || r->s[n] == '_'))
		n++;
	memcpy(out, r->s, n);
	out[n] = 0;
	r->s += n;
}

static const char *read_quoted(struct reader *r)
{
	char *out = arena_alloc(r->a, strlen(r->s) + 1);
	size_t n = 0;
	const char *p = r->s + 1;
	for (; *p && !(p[0] == '"' && p[1] != '"'); p++) {
		p += *p == '"';
		if (out)
			out[n] = *p;
		n++;
	}
	if (!*p || !n)
		fail(r, "a quoted name is empty or has no closing quote");
	r->s = *p ? p + 1 : p;
	return out;
}

static const char *read_name(struct reader *r, bool takes_dots)
{
	if (*r->s == '"')
		return read_quoted(r);
	size_t n = 0;
	while (islower((uint8_t)r->s[n]) || isdigit((uint8_t)r->s[n]) || r->s[n] == '_' ||
	       r->s[n] == '$' || (uint8_t)r->s[n] >= 0x80 || (takes_dots && r->s[n] == '.'))
		n++;
	if (!n)
		fail(r, "expected a name in lower case or in double quotes");
	const char *name = arena_strn(r->a, r->s, n);
	r->s += n;
	return name;
}

static void read_qualified(struct reader *r, struct need *n)
{
	n->schema = read_name(r, false);
	if (!take(r, '.'))
		fail(r, "expected schema.name");
	else
		n->name = read_name(r, false);
}

static void read_columns(struct reader *r, struct need *n)
{
	const char **columns = arena_array(r->a, COLUMNS_MAX, sizeof(*columns));
	do {
		if (n->n_columns == COLUMNS_MAX || !columns) {
			fail(r, "more than 64 columns");
			return;
		}
		columns[n->n_columns++] = read_name(r, false);
	} while (take(r, ','));
	n->columns = columns;
	if (!take(r, ')'))
		fail(r, "expected ',' or ')' behind a column");
}

static void read_target(struct reader *r, struct need *n)
{
	bool is_function = n->verb == VERB_EXECUTE || n->verb == VERB_CALL;
	if (take(r, '@')) {
		n->kind = NEED_OBJECT;
		if (*r->s && !isspace((uint8_t)*r->s))
			read_qualified(r, n);
	} else if (!take(r, ':')) {
		n->kind = NEED_PLAIN;
	} else if (n->verb == VERB_SET) {
		n->kind = NEED_SETTING;
		n->name = read_name(r, true);
	} else {
		n->kind = is_function ? NEED_FUNCTION : NEED_RELATION;
		read_qualified(r, n);
		if (!is_function && take(r, '('))
			read_columns(r, n);
	}
}

static void read_class(struct reader *r, struct need *n)
{
	char word[WORD_MAX + 1];
	if (!take(r, '/'))
		return;
	read_word(r, word);
	int i = class_by_name(word);
	if (i < 0)
		fail(r, "the class behind '/' is unknown");
	else
		n->class = (enum op_class)i;
}

/* The reason of an opaque need runs to the end of the line. */
static void read_opaque(struct reader *r, struct need *n)
{
	*n = (struct need){.kind = NEED_OPAQUE, .class = CLASS_OPAQUE};
	if (take(r, ':')) {
		n->why = arena_str(r->a, r->s);
		r->s += strlen(r->s);
	}
}

static void read_need(struct reader *r, struct need *n)
{
	char word[WORD_MAX + 1];
	bool is_implied = take(r, '~');
	read_word(r, word);
	int verb = verb_by_name(word);
	if (!strcmp(word, "opaque")) {
		read_opaque(r, n);
	} else if (verb < 0) {
		fail(r, "expected a verb, such as select:public.orders, or \"opaque\"");
	} else {
		n->verb = (enum verb)verb;
		n->class = usual_class[verb];
		read_class(r, n);
		read_target(r, n);
	}
	n->is_implied = is_implied;
	if (*r->s && !isspace((uint8_t)*r->s))
		fail(r, "expected white space behind a need");
}

int needs_parse(struct arena *a, const char *text, const struct need **ret_needs,
		const char **ret_why)
{
	struct reader r = {.a = a, .s = text};
	struct need *needs = arena_array(a, NEEDS_MAX, sizeof(*needs));
	int n = 0;
	while (!r.why && needs) {
		r.s += strspn(r.s, " \t");
		if (!*r.s)
			break;
		if (n == NEEDS_MAX)
			fail(&r, "more than 64 needs");
		else
			read_need(&r, &needs[n++]);
	}
	if (!n)
		fail(&r, "expected at least one need");
	if (arena_failed(a))
		return ERR_LIMIT;
	if (r.why) {
		*ret_why = r.why;
		return ERR_MALFORMED;
	}
	*ret_needs = needs;
	return n;
}
