#include "sql/copy_text.h"

#include "tests/unit/tap.h"

static const struct {
	const char *text, *query; /* NULL: none */
} table[] = {
    {"COPY (SELECT 1) TO STDOUT", "SELECT 1"},
    {" /* a /* b */ ( */ copy--x (\n( SELECT (1), 'a)' ) TO STDOUT", " SELECT (1), 'a)' "},
    {"COPY (SELECT $$)$$, $a$)$$)$a$, \")\", ')'')', E'\\')', e'\\\\', $1) TO", 
     "SELECT $$)$$, $a$)$$)$a$, \")\", ')'')', E'\\')', e'\\\\', $1"},
    {"COPY (SELECT 'a\\', 1 -- )\n, /* ) */ 2) TO STDOUT", "SELECT 'a\\', 1 -- )\n, /* ) */ 2"},
    {"COPY (SELECT typee'x') TO STDOUT", "SELECT typee'x'"},
    {"COPY t TO STDOUT", NULL},
    {"COPY (SELECT ')", NULL},
    {"COPY (SELECT 1", NULL},
    {"COPY (", NULL},
    {"COPY", NULL},
    {"cop", NULL},
    {"", NULL},
};

int main(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct span q = copy_text_query(span_str(table[i].text));
		CHECK(table[i].query ? span_is(q, table[i].query) : !q.p);
	}
	return tap_done();
}
