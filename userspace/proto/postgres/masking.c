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

int masking_new(const struct masks *from, const struct catalog *c, struct masking **ret)
{
	*ret = NULL;
	if (!from)
		return 0;
	struct masking *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->refs = 1;
	m->masks = *from;
	m->masks.patterns = detect_patterns_ref(from->patterns);
	m->catalog = c ? catalog_ref((struct catalog *)(uintptr_t)c) : NULL; /* its count is no part of it */
	arena_init(&m->arena, MASKING_BYTES);
	struct mask_result *results =
	    arena_array(&m->arena, (size_t)from->n_results, sizeof(*results));
	m->are_described = arena_array(&m->arena, (size_t)from->n_results, sizeof(*m->are_described));
	for (int i = 0; results && i < from->n_results; i++) {
		copy_result(&m->arena, &from->results[i], &results[i]);
		results[i].catalog = m->catalog;
	}
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
	detect_patterns_unref(m->masks.patterns);
	catalog_unref(m->catalog);
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
	return masking_new(&part, m->catalog, ret);
}

bool mask_result_rewrites(const struct mask_result *r)
{
	for (int i = 0; r && r->columns && i < r->n; i++)
		if (r->columns[i].client)
			return true;
	return false;
}

static bool is_origin(const struct mask_column *c, const struct described_column *d)
{
	for (int i = 0; i < c->n_origins; i++) {
		const struct mask_origin *o = &c->origins[i];
		bool is_system = o->column < 0 && d->number < 0, is_whole_row = !d->number;
		if (o->relation == d->relation && (o->column == d->number || is_system || is_whole_row))
			return true;
	}
	return false;
}

/* What initdb made has smaller numbers (access/transam.h): of that only what nobody masks is traced. */
#define FIRST_USER_OID 16384

bool masking_described(struct masking *m, int index, const struct described_column *at, int n)
{
	const struct mask_result *r = masking_result(m, index);
	if (!m || r->is_free)
		return true;
	if (r->is_closed || n != r->n)
		return !r->is_strict;
	/* Of our own arena. */
	struct mask_column *columns = (struct mask_column *)(uintptr_t)r->columns;
	for (int i = 0; columns && i < n; i++) {
		bool is_known = at[i].relation < FIRST_USER_OID || is_origin(&columns[i], &at[i]);
		if (r->is_strict && !is_known)
			return false;
		columns[i].type = at[i].type;
	}
	m->are_described[index] = true;
	return true;
}

bool masking_is_described(const struct masking *m, int index)
{
	const struct mask_result *r = masking_result(m, index);
	return !r || !r->is_strict || r->is_free || (index < m->masks.n_results && m->are_described[index]);
}

void row_mask_init(struct row_mask *m, const struct mask_result *r, struct formats f, size_t limit)
{
	m->r = r;
	m->limit = limit;
	m->n = 0;
	for (int i = 0; i < r->n && m->n < MSG_COLUMNS; i++) {
		if (!r->columns[i].client)
			continue;
		m->at[m->n++] = (struct masked_column){(uint16_t)i, formats_at(f, i), r->columns[i].type,
						       r->columns[i].client};
	}
}

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static uint16_t u16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The field behind n others; NULL: it does not begin within what is there. */
static const uint8_t *skip_fields(const uint8_t *p, const uint8_t *end, int n)
{
	for (; n > 0; n--) {
		if (end - p < 4)
			return NULL;
		uint32_t len = u32_at(p);
		p += 4;
		len = len == UINT32_MAX ? 0 : len;
		if (len > (size_t)(end - p))
			return NULL;
		p += len;
	}
	return end - p < 4 ? NULL : p;
}

static void add_value(const struct row_mask *m, const struct masked_column *c, struct span value, struct buf *out)
{
	size_t at = buf_len(out);
	buf_add_u32(out, 0);
	bool is_value = mask_value_in(m->r->catalog, c->how, c->type, c->format, value, out);
	if (!buf_err(out))
		buf_put_u32_at(out, at, is_value ? (uint32_t)(buf_len(out) - at - 4) : UINT32_MAX);
}

/* Between masked columns what is as it was goes over in one piece, and so does all behind the last one. */
static int add_fields(const struct row_mask *m, struct span body, struct buf *out, uint64_t *ret_masked)
{
	const uint8_t *end = body.p + body.len, *plain = body.p, *p = body.p + 2;
	for (int i = 0, column = 0; i < m->n; column = m->at[i++].column + 1) {
		p = skip_fields(p, end, m->at[i].column - column);
		if (!p)
			return ERR_MALFORMED;
		uint32_t len = u32_at(p);
		bool is_null = len == UINT32_MAX;
		const uint8_t *value = p + 4;
		len = is_null ? 0 : len;
		if (len > (size_t)(end - value))
			return ERR_MALFORMED;
		if ((size_t)(value + len - body.p) > m->limit)
			return ERR_LIMIT;
		if (!is_null) {
			buf_add(out, plain, (size_t)(p - plain));
			add_value(m, &m->at[i], span_of(value, len), out);
			plain = value + len;
			(*ret_masked)++;
		}
		p = value + len;
	}
	buf_add(out, plain, (size_t)(end - plain));
	return buf_err(out);
}

int row_mask_apply(const struct row_mask *m, struct span body, size_t rest, struct buf *out, uint64_t *ret_masked)
{
	size_t start = buf_len(out);
	if (body.len < 2)
		return ERR_MALFORMED;
	if (u16_at(body.p) != m->r->n)
		return ERR_DENIED;
	buf_add(out, "D\0\0\0", MSG_HEADER);
	int err = add_fields(m, body, out, ret_masked);
	if (err)
		out->end = out->start + start; /* no part of a row is shown */
	else
		buf_put_u32_at(out, start + 1, (uint32_t)(buf_len(out) - start - 1 + rest));
	return err;
}

size_t row_mask_wants(const struct row_mask *m, struct span have)
{
	size_t at = 2;
	int last = m->n ? m->at[m->n - 1].column : -1;
	for (int i = 0; i <= last; i++) {
		if (have.len < at + 4)
			return at + 4;
		uint32_t len = u32_at(have.p + at);
		at += 4 + (len == UINT32_MAX ? 0 : (size_t)len);
	}
	return at;
}
