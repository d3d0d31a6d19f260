/* Result columns and rows, for the record. PostgreSQL documentation, "Message Formats":
 * RowDescription, DataRow, CopyData. A message may be cut at what was gathered of it. */
#include "proto/postgres/answer.h"

#include <errno.h>
#include <stdlib.h>

/* RowDescription as read; arrays on the stack of the caller. */
struct described {
	struct span names[MSG_COLUMNS];
	struct described_column columns[MSG_COLUMNS];
	uint16_t formats[MSG_COLUMNS];
	int n; /* 0 where it cannot be read */
};

const struct mask_result *rows_result(const struct track *t)
{
	if (!t)
		return NULL;
	return masking_result(track_masking(t), t->kind == TRACK_QUERY ? t->n_done : 0);
}

static void read_columns(struct span head, struct described *d)
{
	struct cur c = cur_of(head);
	int n = cur_u16(&c);
	d->n = 0;
	if (n > MSG_COLUMNS)
		return;
	for (int i = 0; i < n; i++) {
		d->names[i] = cur_cstr(&c);
		d->columns[i].relation = cur_u32(&c);
		d->columns[i].number = (int16_t)cur_u16(&c);
		d->columns[i].type = cur_u32(&c);
		(void)cur_bytes(&c, 6); /* size, modifier */
		d->formats[i] = cur_u16(&c);
	}
	d->n = cur_err(&c) ? 0 : n;
}

/* Keeps the names with the statement: an Execute has no description of its own. */
static void keep_columns(struct prepared *p, const struct span *names, int n)
{
	size_t len = 0;
	for (int i = 0; i < n; i++)
		len += names[i].len + 1;
	char *mem = malloc(len + 1), *to = mem;
	if (!mem)
		return;
	for (int i = 0; i < n; i++) {
		memcpy(to, names[i].p, names[i].len + 1);
		to += names[i].len + 1;
	}
	free(p->columns);
	p->columns = mem;
	p->n_columns = n;
}

static int keep_formats(struct pg *pg, const struct described *d)
{
	size_t size = (size_t)d->n * sizeof(*pg->formats);
	uint16_t *more = realloc(pg->formats, size + 1);
	if (!more)
		return -ENOMEM;
	pg->formats = more;
	pg->n_formats = d->n;
	memcpy(more, d->formats, size);
	return 0;
}

/* Which of the results of a masking; -1: t has none. */
static struct masking *masking_of(const struct track *t, int *ret_index)
{
	*ret_index = t->kind == TRACK_QUERY ? t->n_done : 0;
	return track_masking(t);
}

/* Is it the result that was decided on? head empty: NoData. */
static int check_described(struct pg *pg, const struct track *t, const struct described *d, struct span head,
			   struct sink *out)
{
	int index;
	struct masking *m = masking_of(t, &index);
	bool is_any = t->kind != TRACK_DESCRIBE_STMT || t->is_own;
	if (!is_any || !m || !head.len || masking_described(m, index, d->columns, d->n))
		return 0;
	out->ops->stale(out);
	return pg_fails(pg, ERR_DENIED, "42501", MASK_CHANGED);
}

int rows_described(struct pg *pg, struct track *t, struct span head, struct sink *out)
{
	struct described d;
	read_columns(head, &d);
	int err = pg->has_masks ? check_described(pg, t, &d, head, out) : 0;
	if (!err && pg->has_masks && t->kind == TRACK_QUERY)
		err = keep_formats(pg, &d);
	if (err || !pg->env.wants_rows)
		return err;
	if (t->kind == TRACK_QUERY)
		out->ops->columns(out, t->op_id, d.names, d.formats, d.n);
	else if (t->name)
		keep_columns(t->name->stmt, d.names, d.n);
	return 0;
}

static struct formats formats_of(const struct pg *pg, const struct track *t)
{
	bool is_query = t->kind == TRACK_QUERY;
	return (struct formats){
	    .at = is_query ? pg->formats : t->name ? t->name->formats : NULL,
	    .n = is_query ? pg->n_formats : t->name ? t->name->n_formats : 0,
	};
}

int rows_begin(struct pg *pg, const struct track *t, struct row_mask *ret_m)
{
	const struct mask_result *r = rows_result(t);
	int index;
	const struct masking *masking = masking_of(t, &index);
	ret_m->r = NULL;
	if (!r || r->is_free)
		return 0;
	if (r->is_closed || !masking_is_described(masking, index))
		return pg_fails(pg, ERR_DENIED, "42501", MASK_CHANGED);
	ret_m->n = 0;
	ret_m->r = r;
	if (r->columns)
		row_mask_init(ret_m, r, formats_of(pg, t), pg->env.mask_limit);
	return 0;
}

int rows_mask(struct pg *pg, struct track *t, const struct row_mask *m, struct span body, struct sink *out)
{
	struct cur count = cur_of(body);
	uint64_t *masked = track_masked(t);
	int err = m->r->is_strict && cur_u16(&count) != m->r->n ? ERR_DENIED : 0;
	if (!err && m->n)
		err = row_mask_apply(m, body, pg->server.left, out->to[TO_CLIENT], masked);
	if (err == ERR_LIMIT && !buf_err(out->to[TO_CLIENT]))
		return pg_fails(pg, err, "54000", MASK_TOO_LONG);
	return err == ERR_DENIED ? pg_fails(pg, err, "42501", MASK_CHANGED) : err;
}

size_t rows_wanted(struct pg *pg, struct span have)
{
	struct row_mask m;
	struct track *t = tracks_head(&pg->tracks);
	return t && !rows_begin(pg, t, &m) && m.r && m.n ? row_mask_wants(&m, have) : 0;
}

static void say_columns(struct track *t, int n, struct sink *out)
{
	struct name *portal = t->name;
	struct span names[MSG_COLUMNS];
	uint16_t formats[MSG_COLUMNS];
	const struct prepared *p = portal->stmt;
	const char *at = p->n_columns == n ? p->columns : NULL;
	for (int i = 0; i < n; i++) {
		names[i] = span_str(at ? at : "");
		at = at ? at + names[i].len + 1 : NULL;
		formats[i] = !portal->n_formats ? 0
						: portal->formats[portal->n_formats == 1  ? 0
								  : i < portal->n_formats ? i
											  : 0];
	}
	*(track_is_decided(t) ? &t->has_columns : &portal->has_columns) = true;
	out->ops->columns(out, track_op(t), names, formats, n);
}

/* Without the beginning of a character at its end: cut text stays text. */
static struct span whole_characters(struct span s)
{
	for (size_t i = 1; i <= 3 && i <= s.len; i++) {
		uint8_t c = s.p[s.len - i];
		size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		if ((c & 0xc0) == 0x80)
			continue;
		return span_of(s.p, need > i ? s.len - i : s.len);
	}
	return s;
}

/* ret_there: how many of them begin in what is here. */
static int read_fields(struct span head, struct span *fields, int *ret_there)
{
	struct cur c = cur_of(head);
	int n = cur_u16(&c);
	*ret_there = 0;
	if (n > MSG_COLUMNS)
		return 0;
	for (int i = 0; i < n; i++) {
		uint32_t len = cur_u32(&c);
		*ret_there += !cur_err(&c);
		bool is_cut = len != UINT32_MAX && len > cur_left(&c);
		fields[i] = len == UINT32_MAX ? (struct span){0}
					      : cur_bytes(&c, is_cut ? cur_left(&c) : len);
		if (is_cut)
			fields[i] = whole_characters(fields[i]);
		if (len != UINT32_MAX && !fields[i].p)
			fields[i].p = (const uint8_t *)"";
	}
	return n;
}

/* Values as the record may hold them, in scratch. A row that was cut is masked as if it were computed: the
 * end of what is there is not the end of the value. */
static void mask_for_record(struct pg *pg, const struct track *t, const struct mask_result *r,
			    struct span *fields, bool is_cut)
{
	static const struct mask_how whole = {.way = MASK_WHOLE};
	struct formats f = formats_of(pg, t);
	size_t ends[MSG_COLUMNS];
	bool is_null[MSG_COLUMNS];
	buf_reset(&pg->scratch);
	for (int i = 0; i < r->n; i++) {
		const struct mask_how *how = fields[i].p ? r->columns[i].record : NULL;
		uint16_t format = formats_at(f, i);
		is_null[i] = how && !mask_value_in(r->catalog, is_cut ? &whole : how, r->columns[i].type, format,
						   fields[i], &pg->scratch);
		ends[i] = buf_len(&pg->scratch);
	}
	const uint8_t *at = buf_span(&pg->scratch).p;
	for (int i = 0; i < r->n; i++) {
		size_t from = i ? ends[i - 1] : 0;
		if (!fields[i].p || !r->columns[i].record)
			continue;
		bool is_none = is_null[i] || buf_err(&pg->scratch);
		fields[i] = is_none ? (struct span){0} : span_of(at ? at + from : (const void *)"", ends[i] - from);
	}
}

void rows_data(struct pg *pg, struct track *t, struct span head, struct sink *out)
{
	struct span fields[MSG_COLUMNS];
	int there, n = read_fields(head, fields, &there);
	bool is_whole = head.len >= pg->server.body_len;
	uint64_t op_id = track_op(t);
	const struct mask_result *r = rows_result(t);
	if (!op_id || (r && (r->is_unrecorded || (r->columns && r->n != n))))
		return;
	if (r && r->columns)
		mask_for_record(pg, t, r, fields, !is_whole);
	if (t->name && !(track_is_decided(t) ? t->has_columns : t->name->has_columns))
		say_columns(t, n, out);
	out->ops->row(out, op_id, fields, is_whole ? n : there, is_whole);
}

void rows_copy(struct pg *pg, struct track *t, struct span head, struct sink *out)
{
	uint64_t op_id = track_op(t);
	const struct mask_result *r = rows_result(t);
	bool is_masked = false; /* then copy_out.h's is recorded, if any */
	for (int i = 0; r && r->columns && i < r->n; i++)
		is_masked |= r->columns[i].record != NULL;
	if (op_id && !is_masked && !(r && r->is_unrecorded))
		out->ops->row(out, op_id, &head, 1, head.len >= pg->server.body_len);
}
