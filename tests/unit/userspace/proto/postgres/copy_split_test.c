/* Rows of COPY that come whole: what is read 64 bytes at a time is what is read byte by byte, wherever in a block
 * delimiters, backslashes, quotes and the end of the row fall. */
#include "proto/postgres/copy_split.h"

#include <stdlib.h>

#include "../../../tap.h"

#define N 3

static const struct sql_copy forms[] = {
    {.delimiter = '\t', .null = "\\N"},
    {.format = COPY_CSV, .delimiter = ',', .quote = '"', .escape = '"', .null = ""},
};
static const char *const alphabets[] = {"\t\\\\aN\n", ",\"\"ab\n"};

/* The plain way: one byte after the other. */
static bool split_plain(const struct sql_copy *form, struct span row, uint32_t *ends)
{
	bool is_csv = form->format == COPY_CSV, is_quoted = false;
	int n = 0;
	for (size_t i = 0; i < row.len; i++) {
		uint8_t c = row.p[i];
		if (is_csv && c == form->quote)
			is_quoted = !is_quoted;
		else if (!is_csv && c == '\\')
			i++;
		else if (!is_quoted && (c == form->delimiter || c == '\n')) {
			if (n == N)
				return false;
			ends[n++] = (uint32_t)i;
			if (c == '\n')
				return n == N && i == row.len - 1;
		}
	}
	return false;
}

/* Exactly as large as the row: what reads beyond it is found by the sanitizers. */
static void check_row(const struct sql_copy *form, const uint8_t *bytes, size_t len, uint64_t *n_split)
{
	uint32_t a[N] = {0}, b[N] = {0};
	uint8_t *mem = malloc(len);
	memcpy(mem, bytes, len);
	struct span row = span_of(mem, len);
	bool is_row = split_plain(form, row, a);
	bool is_split = copy_split(form, row, b, N);
	bool ok = len < 16 ? !is_split || is_row : is_split == is_row;
	ok &= !is_split || !memcmp(a, b, sizeof(a));
	*n_split += is_split;
	if (!ok)
		printf("# %d/%d of %zu bytes: \"%.*s\"\n", is_split, is_row, len, (int)len, (const char *)mem);
	CHECK(ok);
	free(mem);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

/* Mostly letters, with two ends to be found and a few of what hides them. */
static void random_rows(int form)
{
	uint8_t row[200];
	uint32_t seed = 7;
	uint64_t n_split = 0;
	for (int i = 0; i < 20000; i++) {
		size_t len = 1 + next(&seed) % sizeof(row);
		memset(row, 'x', len);
		row[len - 1] = '\n';
		for (uint32_t k = next(&seed) % 7; k; k--)
			row[next(&seed) % len] = (uint8_t)alphabets[form][next(&seed) % 5];
		if (next(&seed) % 16 == 0)
			row[next(&seed) % len] = '\n';
		check_row(&forms[form], row, len, &n_split);
	}
	CHECK(n_split > 500);
}

/* Runs of backslashes or quotes over every border of a block. */
static void borders(int form)
{
	uint64_t n_split = 0;
	for (size_t at = 40; at < 140; at++)
		for (size_t run = 0; run < 5; run++) {
			uint8_t row[160];
			memset(row, 'y', sizeof(row));
			row[3] = row[at + run] = forms[form].delimiter;
			memset(row + at, alphabets[form][2], run);
			row[sizeof(row) - 1] = '\n';
			check_row(&forms[form], row, sizeof(row), &n_split);
		}
	CHECK(n_split > 100);
}

static void not_read(void)
{
	static const struct sql_copy other = {
	    .format = COPY_CSV, .delimiter = ',', .quote = '"', .escape = '\\', .null = ""};
	static const struct sql_copy odd = {.delimiter = '\\', .null = ""};
	uint32_t ends[N];
	CHECK(!copy_split(&other, span_str("aaaaaaaa,bbbbbbbb,cccccccc\n"), ends, N));
	CHECK(!copy_split(&odd, span_str("aaaaaaaa\\bbbbbbbb\\cccccccc\n"), ends, N));
	CHECK(copy_split(&forms[1], span_str("aaaaaaaa,bbbbbbbb,cccccccc\n"), ends, N));
	CHECK(!copy_split(&forms[1], span_str("aaaaaaaa,bbbbbbbb,cccccccc"), ends, N));
	CHECK(!copy_split(&forms[1], span_str(""), ends, N));
}

int main(void)
{
	for (int form = 0; form < 2; form++) {
		random_rows(form);
		borders(form);
	}
	not_read();
	return tap_done();
}
