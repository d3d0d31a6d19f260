#include "proto/postgres/masking.h"

#include <errno.h>
#include <stdlib.h>

#define MASKING_BYTES (4 * 1024 * 1024)

static const struct mask_result closed = {
    .is_closed = true, .is_unrecorded = true, .is_strict = true};

static const struct mask_how *copy_how(struct arena *a, const struct mask_how *how)
{
	struct mask_how *copy = how ? arena_new(a, struct mask_how) : NULL;
	if (!copy)
		return NULL;
	*copy = *how;
	copy->text = how->text ? arena_str(a, how->text) : NULL;
	return copy;
}

static const struct mask_origin *copy_origins(struct arena *a, const struct mask_column *c)
{
	struct mask_origin *copy = c->n_origins ? arena_array(a, (size_t)c->n_origins, sizeof(*copy)) : NULL;
	if (copy)
		memcpy(copy, c->origins, (size_t)c->n_origins * sizeof(*copy));
	return copy;
}

static void copy_result(struct arena *a, const struct mask_result *from, struct mask_result *to)
{
	*to = *from;
	to->columns = NULL;
	if (!from->columns)
		return;
	struct mask_column *columns = arena_array(a, (size_t)from->n, sizeof(*columns));
	for (int i = 0; columns && i < from->n; i++) {
		columns[i] = from->columns[i];
		columns[i].client = copy_how(a, from->columns[i].client);
		columns[i].record = copy_how(a, from->columns[i].record);
		columns[i].origins = copy_origins(a, &from->columns[i]);
	}
	to->columns = columns;
}

int masking_new(const struct masks *from, struct masking **ret)
{
	*ret = NULL;
	if (!from)
		return 0;
	struct masking *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->refs = 1;
	m->masks = *from;
	arena_init(&m->arena, MASKING_BYTES);
	struct mask_result *results =
	    arena_array(&m->arena, (size_t)from->n_results, sizeof(*results));
	for (int i = 0; results && i < from->n_results; i++)
		copy_result(&m->arena, &from->results[i], &results[i]);
	m->masks.results = results;
	if (arena_failed(&m->arena)) {
		masking_unref(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

struct masking *masking_ref(struct masking *m)
{
	if (m)
		m->refs++;
	return m;
}

void masking_unref(struct masking *m)
{
	if (!m || --m->refs)
		return;
	arena_done(&m->arena);
	free(m);
}

const struct mask_result *masking_result(const struct masking *m, int index)
{
	if (!m)
		return NULL;
	return index >= 0 && index < m->masks.n_results ? &m->masks.results[index] : &closed;
}

int masking_part(const struct masking *m, int index, struct masking **ret)
{
	*ret = NULL;
	if (!m)
		return 0;
	struct masks part = m->masks;
	part.results = masking_result(m, index);
	part.n_results = 1;
	return masking_new(&part, ret);
}

bool mask_result_rewrites(const struct mask_result *r)
{
	for (int i = 0; r && r->columns && i < r->n; i++)
		if (r->columns[i].client)
			return true;
	return false;
}

uint16_t columns_format(const struct columns *c, int i)
{
	if (!c->formats || !c->n_formats)
		return 0;
	return c->n_formats == 1 ? c->formats[0] : i < c->n_formats ? c->formats[i] : 0;
}

static void add_value(const struct mask_how *how, const struct columns *c, int i, struct span value,
		      struct buf *out)
{
	size_t at = buf_len(out);
	uint32_t type = c->types && i < c->n ? c->types[i] : 0;
	buf_add_u32(out, 0);
	bool is_value = mask_value(how, type, columns_format(c, i), value, out);
	if (!buf_err(out))
		buf_put_u32_at(out, at, is_value ? (uint32_t)(buf_len(out) - at - 4) : UINT32_MAX);
}

/* All fields of a row. Between masked columns what is as it was goes over in one piece. */
static int mask_fields(const struct mask_result *r, const struct columns *c, struct cur *in,
		       struct buf *out, uint64_t *ret_masked)
{
	const uint8_t *plain = in->p;
	for (int i = 0; i < r->n; i++) {
		const uint8_t *field = in->p;
		uint32_t len = cur_u32(in);
		bool is_null = len == UINT32_MAX;
		struct span v = is_null ? (struct span){0} : cur_bytes(in, len);
		if (cur_err(in))
			return ERR_MALFORMED;
		const struct mask_how *how = is_null ? NULL : r->columns[i].client;
		if (!how)
			continue;
		buf_add(out, plain, (size_t)(field - plain));
		add_value(how, c, i, v, out);
		plain = in->p;
		(*ret_masked)++;
	}
	buf_add(out, plain, (size_t)(in->p - plain));
	return cur_left(in) ? ERR_MALFORMED : 0;
}

int mask_row(const struct mask_result *r, const struct columns *c, struct span body,
	     struct buf *out, uint64_t *ret_masked)
{
	struct cur in = cur_of(body);
	int n = cur_u16(&in);
	size_t start = buf_len(out);
	if (cur_err(&in) || n != r->n)
		return ERR_MALFORMED;
	buf_add_u8(out, 'D');
	buf_add_u32(out, 0);
	buf_add_u16(out, (uint16_t)n);
	int err = mask_fields(r, c, &in, out, ret_masked);
	if (!err && !buf_err(out))
		buf_put_u32_at(out, start + 1, (uint32_t)(buf_len(out) - start - 1));
	return err;
}
