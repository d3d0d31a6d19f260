/* Arrays, masked element by element: PostgreSQL documentation, "Array Input and Output Syntax"; in binary the
 * form of array_send. Whatever is not exactly that becomes NULL. */
#include "proto/postgres/masking.h"

#include <strings.h>

#define DIMENSIONS_MAX 6 /* MAXDIM */

/* How they are masked. */
struct elements {
	mask_element_fn *mask;
	const void *ctx;
};

/* ---- binary ---- */

static void add_element(const struct elements *how, uint32_t type, struct span v, struct buf *out, bool *is_null)
{
	size_t at = buf_len(out);
	buf_add_u32(out, 0);
	*is_null = !how->mask(how->ctx, type, 1, v, out);
	if (!buf_err(out))
		buf_put_u32_at(out, at, *is_null ? UINT32_MAX : (uint32_t)(buf_len(out) - at - 4));
}

/* Elements that the dimensions make; -1: too many for what there is. */
static int64_t read_dimensions(struct cur *c, uint32_t n, struct buf *out)
{
	int64_t total = n ? 1 : 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = cur_u32(c), lower = cur_u32(c);
		buf_add_u32(out, size);
		buf_add_u32(out, lower);
		total *= size;
		if (cur_err(c) || total > (int64_t)cur_left(c))
			return -1;
	}
	return total;
}

static bool mask_binary(const struct elements *how, uint32_t element, struct span value, struct buf *out)
{
	struct cur c = cur_of(value);
	size_t start = buf_len(out);
	uint32_t n = cur_u32(&c), has_null = cur_u32(&c), type = cur_u32(&c);
	if (cur_err(&c) || n > DIMENSIONS_MAX || has_null > 1 || type != element)
		return false;
	buf_add_u32(out, n);
	buf_add_u32(out, has_null);
	buf_add_u32(out, type);
	int64_t total = read_dimensions(&c, n, out);
	for (int64_t i = 0; i < total; i++) {
		uint32_t len = cur_u32(&c);
		bool is_null = len == UINT32_MAX;
		struct span v = is_null ? (struct span){0} : cur_bytes(&c, len);
		if (cur_err(&c))
			return false;
		if (is_null)
			buf_add_u32(out, UINT32_MAX);
		else
			add_element(how, type, v, out, &is_null);
		if (is_null && !buf_err(out))
			buf_put_u32_at(out, start + 4, 1);
	}
	return total >= 0 && !cur_err(&c) && !cur_left(&c);
}

/* ---- text ---- */

struct element {
	struct buf text;
	bool is_quoted, is_there;
};

static bool wants_quotes(struct span v)
{
	if (!v.len || (v.len == 4 && !strncasecmp((const char *)v.p, "NULL", 4)))
		return true;
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] <= ' ' || strchr("\"\\{},", v.p[i]))
			return true;
	return false;
}

static void write_text(struct span v, struct buf *out)
{
	bool is_quoted = wants_quotes(v);
	if (is_quoted)
		buf_add_u8(out, '"');
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_add_u8(out, '\\');
		buf_add_u8(out, v.p[i]);
	}
	if (is_quoted)
		buf_add_u8(out, '"');
}

static void end_element(const struct elements *how, uint32_t type, struct element *e, struct buf *out)
{
	struct span v = buf_span(&e->text);
	bool is_null = !e->is_quoted && v.len == 4 && !strncasecmp((const char *)v.p, "NULL", 4);
	struct buf shown;
	if (!e->is_there)
		return;
	buf_init(&shown, v.len + out->limit);
	if (is_null || buf_err(&e->text) || !how->mask(how->ctx, type, 0, v, &shown) || buf_err(&shown))
		buf_add_str(out, "NULL");
	else
		write_text(buf_span(&shown), out);
	buf_done(&shown);
	buf_reset(&e->text);
	e->is_quoted = e->is_there = false;
}

/* What stands in quotes is added to the element; the place behind them, or 0: they do not end. */
static size_t read_quoted(struct span v, size_t i, struct element *e)
{
	e->is_quoted = e->is_there = true;
	for (i++; i < v.len && v.p[i] != '"'; i++) {
		if (v.p[i] == '\\' && i + 1 < v.len)
			i++;
		buf_add_u8(&e->text, v.p[i]);
	}
	return i < v.len ? i + 1 : 0;
}

/* "[1:2][0:1]=" in front of one whose lower bounds are not 1. */
static size_t skip_bounds(struct span v)
{
	size_t i = strspn((const char *)v.p, "[]:-0123456789");
	return i && v.p[i] == '=' ? i + 1 : 0;
}

static bool mask_elements(const struct elements *how, uint32_t element, struct span v, struct element *e,
			  struct buf *out)
{
	int depth = 0;
	size_t i = v.len && *v.p == '[' ? skip_bounds(v) : 0;
	buf_add(out, v.p, i);
	while (i < v.len) {
		uint8_t c = v.p[i];
		if (c == '"') {
			i = read_quoted(v, i, e);
			if (!i)
				return false;
			continue;
		}
		i++;
		if (c != '{' && c != '}' && c != ',') {
			if (c == '\\' && i < v.len)
				c = v.p[i++];
			buf_add_u8(&e->text, c);
			e->is_there = true;
			continue;
		}
		end_element(how, element, e, out);
		depth += c == '{' ? 1 : c == '}' ? -1 : 0;
		if (depth < 0 || depth > DIMENSIONS_MAX || (!depth && i < v.len))
			return false;
		buf_add_u8(out, c);
	}
	return !depth && !e->is_there;
}

static bool mask_plain(const struct elements *how, uint32_t element, struct span value, struct buf *out)
{
	struct element e = {.is_there = false};
	struct buf copy; /* with a NUL behind it */
	buf_init(&e.text, value.len);
	buf_init(&copy, value.len + 1);
	buf_add_span(&copy, value);
	buf_add_u8(&copy, 0);
	struct span v = span_of(buf_span(&copy).p, value.len);
	bool ok = !buf_err(&copy) && v.len && mask_elements(how, element, v, &e, out);
	buf_done(&e.text);
	buf_done(&copy);
	return ok;
}

bool mask_array(mask_element_fn *mask, const void *ctx, uint32_t element, uint16_t format, struct span value,
		struct buf *out)
{
	struct elements how = {mask, ctx};
	size_t start = buf_len(out);
	bool ok = format ? mask_binary(&how, element, value, out) : mask_plain(&how, element, value, out);
	if (!ok && !buf_err(out))
		out->end = out->start + start;
	return ok;
}
