#include "config_place.h"

#include <stdlib.h>

#include "../tap.h"

static void finds_values(void)
{
	static const struct {
		const char *text, *path;
		int index, line, column;
	} rows[] = {
		{"{\"a\":1}", "a", -1, 1, 6},
		{"{ \"a\" : 1 ,\n\"b\":[1,\n 2]}", "b", 1, 3, 2},
		{"{\"x\":{\"a\":1},\"a\":{\"b\":\"}\"},\n\"c\":3}", "c", -1, 2, 5},
		{"{\"a\":{\"b\":{\"c\":7}}}", "a.b.c", -1, 1, 16},
		{"{\"a\":\"\\\"}\",\"b\":2}", "b", -1, 1, 16},
		{"{\"a\":{\"b\":1}}", "a.x", -1, 1, 6}, /* the nearest that encloses it */
		{"{\"a\":[1,2]}", "a", 5, 1, 6},
		{"{\"a\":[]}", "a", 0, 1, 6},
		{"\n\n {}", "a", -1, 3, 2},
		{"", "a", 0, 1, 1},
		{"{\"a\":[[1,2],{\"z\":[3]},4]}", "a", 2, 1, 23},
		{"{\"a\":[[1,2],\n{\"z\":3},4]}", "a.1.z", -1, 2, 6},
		{"{\"a\":[[1,2],\n{\"z\":3},4]}", "a.7.z", -1, 1, 6},
		{"{\"a\":[[1,2],\n{\"z\":3},4]}", "a.z", -1, 1, 6},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct place p = config_place(span_str(rows[i].text), rows[i].path, rows[i].index);
		CHECK_INT(p.line, rows[i].line);
		CHECK_INT(p.column, rows[i].column);
	}
}

/* It is only ever shown accepted text, but stays within its bounds whatever it is shown. */
static void stays_within_cut_text(void)
{
	const char *whole = "{\"a\":{\"b\":[\"x\\\"\",{\"c\":1}]},\"d\":2}";
	for (size_t n = 0; n <= strlen(whole); n++) {
		char *cut = strndup(whole, n);
		struct place p = config_place(span_of(cut, n), "a.b", 1);
		CHECK(p.line == 1 && p.column >= 1 && (size_t)p.column <= n + 1);
		p = config_place(span_of(cut, n), "d", -1);
		CHECK(p.column >= 1 && (size_t)p.column <= n + 1);
		free(cut);
	}
}

int main(void)
{
	finds_values();
	stays_within_cut_text();
	return tap_done();
}
