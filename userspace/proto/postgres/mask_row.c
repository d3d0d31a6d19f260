/* Types of the database itself, masked inside: rows field by field, arrays element by element,
 * domains as what they are made of; a range becomes the empty one. PostgreSQL documentation,
 * "Composite Type Input and Output Syntax"; in binary the form of record_send. Whatever is not
 * exactly that, and every other type, becomes NULL. */
#include "proto/postgres/masking.h"

#include "base/macro.h"
#include "sql/catalog_read.h"
#include "sql/types.h"

#define DEPTH_MAX 16 /* domains of rows of arrays of ... */

struct row {
	const struct catalog *catalog;
	const struct mask_how *how;
	const struct cat_relation *form;
	int depth;
};

static bool mask_typed(const struct row *in, uint32_t type, uint16_t format, struct span value,
		       struct buf *out);

/* ---- binary ---- */

static bool mask_field(const struct row *row, uint32_t type, struct span v, struct buf *out)
{
	size_t at = buf_len(out);
	buf_add_u32(out, UINT32_MAX);
	bool is_value = mask_typed(row, type, 1, v, out);
	if (is_value && !buf_err(out))
		buf_put_u32_at(out, at, (uint32_t)(buf_len(out) - at - 4));
	return !buf_err(out);
}

static bool mask_binary(const struct row *row, struct span value, struct buf *out)
{
	struct cur c = cur_of(value);
	if (cur_u32(&c) != (uint32_t)row->form->n_columns)
		return false;
	buf_add_u32(out, (uint32_t)row->form->n_columns);
	for (int i = 0; i < row->form->n_columns; i++) {
		uint32_t type = cur_u32(&c), len = cur_u32(&c);
		bool is_null = len == UINT32_MAX;
		struct span v = is_null ? (struct span){0} : cur_bytes(&c, len);
		if (cur_err(&c) || type != row->form->columns[i].type)
			return false;
		buf_add_u32(out, type);
		if (is_null)
			buf_add_u32(out, UINT32_MAX);
		else if (!mask_field(row, type, v, out))
			return false;
	}
	return !cur_left(&c);
}

/* ---- text ---- */

static void write_field(struct span v, struct buf *out)
{
	bool is_quoted = !v.len;
	for (size_t i = 0; i < v.len; i++)
		is_quoted |= v.p[i] <= ' ' || strchr("\"\\(),", v.p[i]);
	if (is_quoted)
		buf_add_u8(out, '"');
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_add_u8(out, v.p[i]);
		buf_add_u8(out, v.p[i]);
	}
	if (is_quoted)
		buf_add_u8(out, '"');
}

/* A field up to the ',' or ')' that ends it, without quotes and escapes. False: nothing ends it. */
static bool read_field(struct cur *c, struct buf *ret, bool *ret_is_null)
{
	bool is_quoted = false;
	*ret_is_null = true;
	while (cur_left(c)) {
		uint8_t b = *c->p;
		if (!is_quoted && (b == ',' || b == ')'))
			return true;
		*ret_is_null = false;
		(void)cur_u8(c);
		bool is_doubled = is_quoted && b == '"' && cur_left(c) && *c->p == '"';
		if (b == '"' && !is_doubled) {
			is_quoted = !is_quoted;
			continue;
		}
		if (b == '\\' || is_doubled)
			b = cur_u8(c);
		buf_add_u8(ret, b);
	}
	return false;
}

static bool mask_one(const struct row *row, int i, struct cur *c, struct buf *out)
{
	struct buf value, shown;
	bool is_null;
	buf_init(&value, cur_left(c) + 1);
	buf_init(&shown, out->limit);
	bool ok = read_field(c, &value, &is_null) && !buf_err(&value);
	bool is_value = ok && !is_null &&
			mask_typed(row, row->form->columns[i].type, 0, buf_span(&value), &shown) &&
			!buf_err(&shown);
	if (is_value)
		write_field(buf_span(&shown), out);
	buf_done(&value);
	buf_done(&shown);
	return ok;
}

static bool mask_plain(const struct row *row, struct span value, struct buf *out)
{
	struct cur c = cur_of(value);
	int n = row->form->n_columns;
	if (cur_u8(&c) != '(')
		return false;
	buf_add_u8(out, '(');
	for (int i = 0; i < n; i++) {
		uint8_t end = i == n - 1 ? ')' : ',';
		if (!mask_one(row, i, &c, out) || cur_u8(&c) != end)
			return false;
		buf_add_u8(out, end);
	}
	return n && !cur_err(&c) && !cur_left(&c) && !buf_err(out);
}

static bool mask_row(const struct row *row, uint16_t format, struct span value, struct buf *out)
{
	size_t start = buf_len(out);
	bool ok = format ? mask_binary(row, value, out) : mask_plain(row, value, out);
	if (!ok && !buf_err(out))
		out->end = out->start + start;
	return ok;
}

/* ---- which of them it is ---- */

static bool add_empty(const struct cat_type *t, uint16_t format, struct buf *out)
{
	bool is_range = t->kind == 'r';
	if (!format)
		buf_add_str(out, is_range ? "empty" : "{}");
	else if (is_range)
		buf_add_u8(out, 1); /* RANGE_EMPTY */
	else
		buf_add_u32(out, 0);
	return true;
}

static bool mask_element(const void *ctx, uint32_t type, uint16_t format, struct span value,
			 struct buf *out)
{
	return mask_typed(ctx, type, format, value, out);
}

/* Is it text under another name, as citext is: any text is one of it, as it stands and in both
 * formats? */
static bool is_string(const struct catalog *c, const struct cat_type *t)
{
	return t->kind == 'b' && t->category == 'S' &&
	       type_coercion(c, t->oid, TYPE_TEXT, 'e').kind == COERCION_RELABEL &&
	       type_coercion(c, TYPE_TEXT, t->oid, 'e').kind == COERCION_RELABEL;
}

static bool mask_typed(const struct row *in, uint32_t type, uint16_t format, struct span value,
		       struct buf *out)
{
	const struct cat_type *t = cat_type(in->catalog, type);
	struct row here = {in->catalog, in->how, NULL, in->depth + 1};
	if (!t || mask_is_built_in(type))
		return mask_value(in->how, type, format, value, out);
	if (format > 1 || here.depth > DEPTH_MAX)
		return false;
	if (t->kind == 'd')
		return mask_typed(&here, t->base, format, value, out);
	if (is_string(in->catalog, t))
		return mask_value(in->how, TYPE_TEXT, format, value, out);
	if (in->how->way ==
	    MASK_WHOLE) /* what is computed has no constant that is not misleading */
		return false;
	if (t->element && !t->has_subscript)
		return mask_array(mask_element, &here, t->element, format, value, out);
	if (t->kind == 'r' || t->kind == 'm')
		return add_empty(t, format, out);
	here.form = t->relation;
	return here.form && mask_row(&here, format, value, out);
}

bool mask_value_in(const struct catalog *c, const struct mask_how *how, uint32_t type,
		   uint16_t format, struct span value, struct buf *out)
{
	struct row top = {.catalog = c, .how = how};
	bool is_null = how->way == MASK_NULL || how->way == MASK_DROP;
	if (!c || is_null || mask_is_built_in(type))
		return mask_value(how, type, format, value, out);
	return mask_typed(&top, type, format, value, out);
}
