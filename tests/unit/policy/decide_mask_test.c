/* What of an operation that passes is masked, and what is refused after all: rules and lineage in, ways out. */
#include <stdlib.h>

#include "base/arena.h"
#include "policy/mask.h"
#include "policy/needs.h"
#include "policy/policy.h"

#include "../tap.h"

static struct policy_errors errors;
static struct arena arena;

#define RULES                                                                                                      \
	"{'id': 'k', 'resource': 'db', 'roles': 'a', 'verbs': 'select', 'relations': 'p.c*', 'effect': 'mask',"    \
	" 'masks': ['num', 'soft', 'no', 'nil']},"                                                                 \
	"{'id': 'open', 'resource': 'db', 'roles': 'a', 'relations': 'p.o*', 'effect': 'allow'},"                  \
	"{'id': 'fun', 'resource': 'db', 'roles': 'a', 'functions': 'p.f', 'effect': 'allow'},"                    \
	"{'id': 'w', 'resource': 'db', 'roles': 'a', 'verbs': 'insert', 'relations': 'p.*', 'effect': 'allow'},"   \
	"{'id': 'b', 'resource': 'db', 'roles': 'b', 'effect': 'allow', 'opaque': 'allow'},"                       \
	"{'id': 'o', 'resource': 'db', 'roles': 'o', 'relations': 'p.*', 'effect': 'mask', 'masks': 'num', "       \
	"'mode': 'observe'}"

static struct plan *plan_new(void)
{
	static char text[8192];
	struct plan *p = NULL;
	snprintf(text, sizeof(text),
	         "{'version': 1, 'roles': {'a': 'a', 'b': 'b', 'o': 'o'}, 'resources': [{'name': 'db', 'protocol': "
	         "'postgres',"
	         " 'match': 'db:1'}], 'masks': {'num': {'columns': 'p.*.ssn', 'as': 'last4'},"
	         " 'soft': {'columns': 'p.c.mail', 'as': 'redact', 'predicates': 'allow'},"
	         " 'no': {'columns': 'p.c.key', 'as': 'drop'}, 'nil': {'columns': 'p.c.born', 'as': 'null'}}, "
	         "'rules': [" RULES "]}");
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	if (plan_compile(span_str(text), &p, &errors))
		printf("%d:%d: %s\n", errors.at[0].line, errors.at[0].column, errors.at[0].text);
	CHECK(p != NULL);
	return p;
}

/* "kind relation.column ..." an output; "?" in front: a predicate; ";" between them; "-": not traced. */
static const struct result_lineage *lineage_of(char *text)
{
	struct result_lineage *r = arena_new(&arena, struct result_lineage);
	struct lineage *outputs = arena_array(&arena, 8, sizeof(*outputs));
	struct source *predicates = arena_array(&arena, 8, sizeof(*predicates));
	if (!strcmp(text, "-"))
		return NULL;
	*r = (struct result_lineage){.outputs = outputs, .predicates = predicates, .is_known = true};
	for (char *part; (part = strsep(&text, ";"));) {
		struct source *sources = arena_array(&arena, 8, sizeof(*sources));
		int n = 0;
		char *kind = strsep(&part, " ");
		for (char *name; (name = strsep(&part, " "));) {
			char *dot = strchr(name, '.');
			*dot = 0;
			sources[n++] = (struct source){"p", name, dot + 1};
		}
		if (*kind == '?' && !n)
			r->unknown_predicate = "?";
		else if (*kind == '?')
			predicates[r->n_predicates++] = sources[0];
		else
			outputs[r->n_outputs++] = (struct lineage){*kind == 'C'   ? LINEAGE_COPY
			                                           : *kind == 'D' ? LINEAGE_DERIVED
			                                           : *kind == 'U' ? LINEAGE_UNKNOWN
			                                                          : LINEAGE_NONE,
			                                           sources, n, NULL};
	}
	return r;
}

/* shown: a way for each output, '.' where it is as it is; NULL: refused; "": nothing to do. */
static const struct {
	const char *role, *needs, *lineage, *shown, *recorded;
} table[] = {
    {"a", "select:p.c", "C c.id", ".", "."},
    {"a", "select:p.c", "C c.id;C c.ssn", ".keep_last", ".keep_last"},
    {"a", "select:p.c", "C c.mail", "redact", "redact"},
    {"a", "select:p.c", "D c.ssn;D c.id;N", "whole..", "whole.."},
    {"a", "select:p.c", "D c.id c.ssn", "whole", "whole"},
    {"a", "select:p.c", "D c.born", "null", "null"},
    {"a", "select:p.c", "C c.key", NULL, NULL},
    {"a", "select:p.c", "D c.id c.key", NULL, NULL},
    {"a", "select:p.c", "C c.id;?p c.key", NULL, NULL},
    {"a", "select:p.c", "U", NULL, NULL},
    {"a", "select:p.c", "-", NULL, NULL},
    {"a", "select:p.c", "C c.id;?p c.ssn", NULL, NULL},
    {"a", "select:p.c", "C c.id;?p c.id", ".", "."},
    {"a", "select:p.c", "C c.id;?p c.mail", ".", "."},
    {"a", "select:p.c", "C c.id;?", NULL, NULL},
    {"a", "select:p.c", "C v.x c.ssn", "keep_last", "keep_last"}, /* through a view: the same column */
    /* a relation that an allowing rule opens is open; what no rule names is not */
    {"a", "select:p.o", "C o.ssn", ".", "keep_last"},
    {"a", "select:p.o", "C v.ssn", "keep_last", "keep_last"},
    {"a", "select:p.o", "U", NULL, NULL},
    {"a", "select:p.o execute:p.f", "U", NULL, NULL},
    /* nothing of any relation */
    {"a", "~select:pg_catalog.pg_class", "U", "", ""},
    {"a", "select", "N", "", ""},
    /* it reads what is masked and writes */
    {"a", "insert:p.o select:p.c", "C c.id", NULL, NULL},
    {"a", "insert:p.o", "-", "closed", "closed"},
    /* who has no masks sees all; the record does not */
    {"b", "select:p.c", "C c.ssn;C c.id", "..", "keep_last."},
    {"b", "select:p.c", "U", ".", "whole"},
    {"b", "select:p.c", "C c.id;?p c.ssn", ".", "."},
    {"b", "opaque", "-", "open", "closed"},
    {"o", "select:p.c", "C c.ssn", ".", "keep_last"},
};

static void add(char *to, const struct mask_how *how)
{
	strcat(to, how ? mask_way_name(how->way) : ".");
}

static void words_of(const struct masks *m, char *shown, char *recorded)
{
	const struct mask_result *r = &m->results[0];
	*shown = *recorded = 0;
	if (r->is_unrecorded) {
		strcpy(shown, r->is_closed ? "closed" : "open");
		strcpy(recorded, "closed");
		return;
	}
	for (int i = 0; i < r->n; i++) {
		add(shown, r->columns ? r->columns[i].client : NULL);
		add(recorded, r->columns ? r->columns[i].record : NULL);
	}
}

static void run_row(const struct plan *p, size_t i)
{
	char text[200], shown[100] = "", recorded[100] = "";
	const struct need *needs;
	const char *why = "";
	struct decision d;
	struct who who = {"s-1", "i", "agent", "pat", table[i].role, 1000};
	arena_reset(&arena);
	int n = needs_parse(&arena, table[i].needs, &needs, &why);
	CHECK(n > 0);
	snprintf(text, sizeof(text), "%s", table[i].lineage);
	const struct result_lineage *l = lineage_of(text);
	struct op op = {.protocol = "postgres",
	                .class = CLASS_READ,
	                .needs = needs,
	                .n_needs = n,
	                .results = &l,
	                .n_results = 1,
	                .arena = &arena};
	for (int k = 0; k < n; k++)
		op.is_write |= needs[k].verb == VERB_INSERT;
	op.class = op.is_write ? CLASS_WRITE : CLASS_READ;
	plan_decide(p, plan_resource_by_name(p, "db"), &who, &op, 1, &d);
	CHECK(d.has_masks == (*table[i].role == 'a') || d.effect == EFFECT_DENY);
	if (d.masks)
		words_of(d.masks, shown, recorded);
	bool is_refused = d.effect == EFFECT_DENY;
	bool ok = table[i].shown
	              ? !is_refused && !strcmp(shown, table[i].shown) && !strcmp(recorded, table[i].recorded)
	              : is_refused && *d.reason && *d.hint && d.hides_text && !d.masks;
	if (!ok)
		printf("row %zu %s %s \"%s\": %s \"%s\" \"%s\" %s\n", i, table[i].role, table[i].needs,
		       table[i].lineage, effect_name(d.effect), shown, recorded, d.reason);
	CHECK(ok);
}

/* Whatever fails, the plan's masks are not left out: with no room for them it is refused. */
static void refuses_without_room(const struct plan *p)
{
	struct source s = {"p", "c", "ssn"};
	struct lineage out = {LINEAGE_COPY, &s, 1, NULL};
	struct result_lineage r = {.outputs = &out, .n_outputs = 1, .is_known = true};
	const struct result_lineage *l = &r;
	struct need need = {
	    .kind = NEED_RELATION, .verb = VERB_SELECT, .class = CLASS_READ, .schema = "p", .name = "c"};
	struct who who = {"s-1", "i", "agent", "pat", "a", 1000};
	for (size_t limit = 0; limit < 600; limit += 16) {
		struct arena small;
		struct decision d;
		arena_init(&small, limit);
		struct op op = {
		    .needs = &need, .n_needs = 1, .results = &l, .n_results = 1, .arena = limit ? &small : NULL};
		plan_decide(p, plan_resource_by_name(p, "db"), &who, &op, 1, &d);
		CHECK(d.effect == EFFECT_DENY || (d.masks && d.masks->results[0].columns[0].client));
		arena_done(&small);
	}
}

int main(void)
{
	struct plan *p = plan_new();
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; p && i < sizeof(table) / sizeof(table[0]); i++)
		run_row(p, i);
	refuses_without_room(p);
	arena_done(&arena);
	plan_unref(p);
	return tap_done();
}
