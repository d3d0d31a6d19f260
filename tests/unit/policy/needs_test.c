#include "policy/needs.h"

#include "../tap.h"

static void reads_every_form(void)
{
	static const struct {
		const char *text;
		enum need_kind kind;
		enum verb verb;
		enum op_class class;
		const char *schema, *name;
		int n_columns;
		bool is_implied;
	} rows[] = {
	    {"select:public.orders", NEED_RELATION, VERB_SELECT, CLASS_READ, "public", "orders", 0,
	     false},
	    {"update:public.orders(total,\"No\"\"te\")", NEED_RELATION, VERB_UPDATE, CLASS_WRITE,
	     "public", "orders", 2, false},
	    {"execute:public.f", NEED_FUNCTION, VERB_EXECUTE, CLASS_PROCEDURAL, "public", "f", 0,
	     false},
	    {"execute/write:public.f", NEED_FUNCTION, VERB_EXECUTE, CLASS_WRITE, "public", "f", 0,
	     false},
	    {"call:public.p", NEED_FUNCTION, VERB_CALL, CLASS_PROCEDURAL, "public", "p", 0, false},
	    {"set:my.app", NEED_SETTING, VERB_SET, CLASS_SESSION, NULL, "my.app", 0, false},
	    {"drop@public.f", NEED_OBJECT, VERB_DROP, CLASS_DDL, "public", "f", 0, false},
	    {"create@", NEED_OBJECT, VERB_CREATE, CLASS_DDL, NULL, NULL, 0, false},
	    {"~transaction", NEED_PLAIN, VERB_TRANSACTION, CLASS_TRANSACTION, NULL, NULL, 0, true},
	    {"opaque", NEED_OPAQUE, VERB_SELECT, CLASS_OPAQUE, NULL, NULL, 0, false},
	    {"opaque: what it was", NEED_OPAQUE, VERB_SELECT, CLASS_OPAQUE, NULL, NULL, 0, false},
	    {"select:public.\"Odd Name\"", NEED_RELATION, VERB_SELECT, CLASS_READ, "public",
	     "Odd Name", 0, false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		const struct need *n = NULL;
		const char *why = "";
		arena_init(&a, 1 << 16);
		CHECK_INT(needs_parse(&a, rows[i].text, &n, &why), 1);
		CHECK_INT(n->kind, rows[i].kind);
		CHECK_INT(n->verb, rows[i].verb);
		CHECK_INT(n->class, rows[i].class);
		CHECK_INT(n->n_columns, rows[i].n_columns);
		CHECK_INT(n->is_implied, rows[i].is_implied);
		if (rows[i].schema)
			CHECK_STR(n->schema, rows[i].schema);
		if (rows[i].name)
			CHECK_STR(n->name, rows[i].name);
		arena_done(&a);
	}
}

static void reads_several(void)
{
	struct arena a;
	const struct need *n = NULL;
	const char *why = "";
	arena_init(&a, 1 << 16);
	CHECK_INT(needs_parse(&a, "  select:a.b\tlock:a.b  ~show ", &n, &why), 3);
	CHECK_INT(n[1].verb, VERB_LOCK);
	CHECK(n[2].is_implied);
	arena_done(&a);
}

static void refuses_the_rest(void)
{
	static const char *const rows[] = {
	    "",
	    " ",
	    "reed:a.b",
	    "select:a",
	    "select:a.",
	    "select:a.B",
	    "select:a.b.c",
	    "select/x:a.b",
	    "update:a.b(",
	    "update:a.b(x",
	    "update:a.b()",
	    "set:",
	    "select:a.\"b",
	    "show:",
	    "select:a.b,select:a.c",
	    "SELECT:a.b",
	    "opaquex",
	    "opaque/read",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		const struct need *n = NULL;
		const char *why = "";
		arena_init(&a, 1 << 16);
		if (needs_parse(&a, rows[i], &n, &why) != ERR_MALFORMED)
			printf("row %zu: %s\n", i, rows[i]);
		CHECK_INT(needs_parse(&a, rows[i], &n, &why), ERR_MALFORMED);
		CHECK(*why);
		arena_done(&a);
	}
}

int main(void)
{
	reads_every_form();
	reads_several();
	refuses_the_rest();
	return tap_done();
}
