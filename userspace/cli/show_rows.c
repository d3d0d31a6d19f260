#include "cli/show_rows.h"

#include <inttypes.h>

#include "base/macro.h"
#include "cli/inert.h"

#define COLUMNS_MAX 128
#define WIDTH_MAX   48
#define CELL_MAX    (512 * 1024)

void show_value(struct buf *out, const json_t *v, const char *indent)
{
	const json_t *len = json_object_get(v, "len");
	const char *b64 = json_string_value(json_object_get(v, "b64"));
	const char *text =
	    json_is_string(v) ? json_string_value(v) : json_string_value(json_object_get(v, "text"));
	_cleanup_(freep) char *other =
	    text || b64 || json_is_null(v) ? NULL : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	inert_add(out, span_str(text ? text : b64 ? b64 : other ? other : "NULL"), indent);
	if (b64)
		buf_add_str(out, " (base64)");
	if (len)
		buf_printf(out, " ... (%" JSON_INTEGER_FORMAT " bytes in all)",
			   json_integer_value(len));
}

/* The cell as it is shown; its width. */
static int draw(struct buf *cell, const json_t *v)
{
	buf_reset(cell);
	show_value(cell, v, NULL);
	return inert_width(buf_span(cell));
}

/* As much of it as fits, on a character's border. */
static void add_cut(struct buf *out, struct span text, int width)
{
	size_t len = 0;
	for (size_t i = 1; i <= text.len; i++) {
		if (i < text.len && (text.p[i] & 0xc0) == 0x80)
			continue;
		if (inert_width(span_of(text.p, i)) > width - 3)
			break;
		len = i;
	}
	buf_add(out, text.p, len);
	buf_add_str(out, "...");
}

static void add_row(struct buf *out, const json_t *row, const int *widths, struct buf *cell)
{
	size_t k, n = MIN(json_array_size(row), (size_t)COLUMNS_MAX);
	for (k = 0; k < n; k++) {
		int width = draw(cell, json_array_get(row, k));
		buf_add_str(out, k ? " | " : "");
		if (width > WIDTH_MAX)
			add_cut(out, buf_span(cell), WIDTH_MAX);
		else
			buf_add_span(out, buf_span(cell));
		if (k + 1 < n)
			buf_printf(out, "%*s", MAX(widths[k] - width, 0), "");
	}
}

static void add_rule(struct buf *out, const int *widths, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		buf_add_str(out, k ? "-+-" : "");
		for (int i = 0; i < widths[k]; i++)
			buf_add_u8(out, '-');
	}
}

static void widen(int *widths, const json_t *row, struct buf *cell)
{
	size_t k;
	json_t *v;
	json_array_foreach(row, k, v) if (k < COLUMNS_MAX)
	    widths[k] = MAX(widths[k], MIN(draw(cell, v), WIDTH_MAX));
}

void show_rows(struct buf *out, const json_t *columns, const json_t *rows, const char *indent)
{
	int widths[COLUMNS_MAX] = {0};
	struct buf cell;
	size_t i, n = MIN(json_array_size(columns), (size_t)COLUMNS_MAX);
	json_t *row;
	buf_init(&cell, CELL_MAX);
	widen(widths, columns, &cell);
	json_array_foreach(rows, i, row) widen(widths, row, &cell);
	if (n) {
		buf_printf(out, "\n%s", indent);
		add_row(out, columns, widths, &cell);
		buf_printf(out, "\n%s", indent);
		add_rule(out, widths, n);
	}
	json_array_foreach(rows, i, row)
	{
		buf_printf(out, "\n%s", indent);
		add_row(out, row, widths, &cell);
	}
	buf_done(&cell);
}
