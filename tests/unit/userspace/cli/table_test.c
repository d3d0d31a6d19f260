/* Columns fit, and no cell acts on the terminal. */
#include "cli/inert.c"
#include "cli/table.c"

#include "../../tap.h"

static const char *printed(const char *rows_json)
{
	static char out[4096];
	json_t *rows = json_loads(rows_json, 0, NULL);
	fflush(stdout);
	int kept = dup(1);
	FILE *f = tmpfile();
	dup2(fileno(f), 1);
	table_print(rows);
	fflush(stdout);
	dup2(kept, 1);
	close(kept);
	rewind(f);
	out[fread(out, 1, sizeof(out) - 1, f)] = 0;
	fclose(f);
	json_decref(rows);
	return out;
}

int main(void)
{
	CHECK_STR(printed("[[\"A\",\"BB\"],[\"long one\",\"x\"]]"), "A         BB\nlong one  x\n");
	CHECK_STR(printed("[[\"\xe6\xbc\xa2\",\"b\"],[\"abc\",\"d\"]]"), "\xe6\xbc\xa2   b\nabc  d\n");
	CHECK_STR(printed("[[\"\\u001b[2J\\u009b\\u202e\\n\",\"b\"]]"), "\\x1b[2J\\x9b\\u202e\\x0a  b\n");
	CHECK_STR(printed("[]"), "");
	return tap_done();
}
