#include "cli/table.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>

#define COLUMNS_MAX 16
#define WIDTH_MAX   60

/* Characters, not bytes: continuation bytes take no place. */
static int width_of(const char *s)
{
	int n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_cell(const char *s, int width)
{
	int n = width_of(s);
	for (; *s; s++)
		putchar(iscntrl((unsigned char)*s) ? '?' : *s);
	printf("%*s", n < width ? width - n : 0, "");
}

void table_print(const json_t *rows)
{
	int widths[COLUMNS_MAX] = {0};
	size_t i, k;
	json_t *row, *cell;
	json_array_foreach (rows, i, row)
		json_array_foreach (row, k, cell)
			if (k < COLUMNS_MAX && width_of(json_string_value(cell)) > widths[k])
				widths[k] = width_of(json_string_value(cell));
	json_array_foreach (rows, i, row) {
		size_t n = json_array_size(row);
		json_array_foreach (row, k, cell) {
			bool is_last = k + 1 == n || k + 1 == COLUMNS_MAX;
			int width = widths[k] > WIDTH_MAX ? WIDTH_MAX : widths[k];
			print_cell(json_string_value(cell), is_last ? 0 : width);
			fputs(is_last ? "\n" : "  ", stdout);
			if (is_last)
				break;
		}
	}
}
