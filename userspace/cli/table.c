#include "cli/table.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/macro.h"
#include "cli/inert.h"

#define COLUMNS_MAX 16
#define WIDTH_MAX   60
#define CELL_MAX    (64 * 1024)

/* What a cell looks like; its width. */
static int draw(struct buf *out, const char *cell)
{
	buf_reset(out);
	inert_add(out, span_str(cell ? cell : ""), NULL);
	return inert_width(buf_span(out));
}

static void print_row(const json_t *row, const int *widths, struct buf *b)
{
	size_t n = json_array_size(row), k;
	json_t *cell;
	json_array_foreach (row, k, cell) {
		bool is_last = k + 1 == n || k + 1 == COLUMNS_MAX;
		int width = draw(b, json_string_value(cell));
		int pad = is_last ? 0 : MIN(widths[k], WIDTH_MAX) - width;
		fwrite(buf_span(b).p, 1, buf_len(b), stdout);
		printf("%*s%s", MAX(pad, 0), "", is_last ? "\n" : "  ");
		if (is_last)
			break;
	}
}

void table_print(const json_t *rows)
{
	int widths[COLUMNS_MAX] = {0};
	size_t i, k;
	json_t *row, *cell;
	struct buf b;
	buf_init(&b, CELL_MAX);
	json_array_foreach (rows, i, row)
		json_array_foreach (row, k, cell)
			if (k < COLUMNS_MAX)
				widths[k] = MAX(widths[k], draw(&b, json_string_value(cell)));
	json_array_foreach (rows, i, row)
		print_row(row, widths, &b);
	buf_done(&b);
}
