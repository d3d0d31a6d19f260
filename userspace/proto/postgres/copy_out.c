#include "proto/postgres/copy_out.h"

#include "base/macro.h"
#include "proto/postgres/answer.h"

#define HELD_MAX     (256 * 1024) /* of a long message: then it goes on in another one */
#define RECORDED_MAX (64 * 1024)

static const struct sql_copy *form_of(const struct track *t)
{
	const struct prepared *p = t->stmt;
	const struct sql_result *r = p && p->entry ? sql_entry_result(p->entry) : NULL;
	if (t->kind != TRACK_QUERY) {
		const struct sql_stmt *st = p ? prepared_stmt(p) : NULL;
		return st ? st->copy : NULL;
	}
	return r && t->n_done < r->n_stmts ? r->stmts[t->n_done].copy : NULL;
}

static bool is_recorded(const struct mask_result *r)
{
	bool is_any = false;
	for (int i = 0; r->columns && i < r->n; i++)
		is_any |= r->columns[i].record != NULL;
	return is_any && !r->is_unrecorded;
}

/* Overall format, number of columns, their formats. */
static bool is_decided(const struct mask_result *r, const struct sql_copy *form, struct span head)
{
	struct cur c = cur_of(head);
	bool is_binary = cur_u8(&c);
	int n = cur_u16(&c);
	return !cur_err(&c) && n == r->n && form && !form->why && is_binary == (form->format == COPY_BINARY);
}

static bool is_compared(const struct track *t)
{
	bool is_query = t->kind == TRACK_QUERY;
	return masking_is_described(track_masking(t), is_query ? t->n_done : 0);
}

int copy_out_begin(struct pg *pg, const struct track *t, struct span head)
{
	const struct mask_result *r = rows_result(t);
	struct copy_out *c = &pg->copy_out;
	const struct sql_copy *form = form_of(t);
	if (!r || r->is_free)
		return 0;
	bool is_rewritten = mask_result_rewrites(r), records = pg->env.wants_rows && is_recorded(r);
	bool is_known = is_decided(r, form, head) && is_compared(t);
	if (r->is_closed || ((is_rewritten || r->is_strict) && !is_known))
		return pg_fails(pg, ERR_DENIED, "42501", MASK_CHANGED);
	if (!is_rewritten && (!records || !is_decided(r, form, head)))
		return 0;
	c->masking = masking_ref(track_masking(t));
	c->op_id = track_op(t);
	buf_init(&c->held, HELD_MAX + 2 * (pg->env.mask_limit + RECORDED_MAX));
	buf_init(&c->recorded, RECORDED_MAX);
	int err = 0;
	if (is_rewritten)
		err = copy_mask_new(r, form, COPY_FOR_CLIENT, pg->env.mask_limit, &c->client);
	if (!err && records)
		err = copy_mask_new(r, form, COPY_FOR_RECORD, pg->env.mask_limit, &c->record);
	return err;
}

static void add_message(struct span body, struct sink *out)
{
	msg_add(out->to[TO_CLIENT], 'd', body);
}

/* A message that is there whole is written in place. */
static int mask_whole(struct pg *pg, struct span bytes, uint64_t *masked, struct sink *out)
{
	struct buf *to = out->to[TO_CLIENT];
	size_t start = buf_len(to);
	buf_add(to, "d\0\0\0", MSG_HEADER);
	int err = copy_mask_feed(pg->copy_out.client, bytes, to, masked);
	if (buf_err(to))
		return buf_err(to);
	if (err || buf_len(to) == start + MSG_HEADER)
		to->end = to->start + start; /* nothing of it can be told, yet or at all */
	else
		buf_put_u32_at(to, start + 1, (uint32_t)(buf_len(to) - start - 1));
	return err;
}

static int mask_part(struct pg *pg, struct span bytes, bool is_last, uint64_t *masked, struct sink *out)
{
	struct buf *held = &pg->copy_out.held;
	int err = copy_mask_feed(pg->copy_out.client, bytes, held, masked);
	if (buf_err(held))
		return buf_err(held);
	bool is_due = is_last || buf_len(held) >= HELD_MAX;
	if (!is_due || !buf_len(held))
		return err;
	add_message(buf_span(held), out);
	buf_reset(held);
	return err;
}

static int explained(struct pg *pg, int err)
{
	if (err == ERR_LIMIT)
		return pg_fails(pg, err, "54000", MASK_TOO_LONG);
	return err == ERR_DENIED ? pg_fails(pg, err, "42501", MASK_CHANGED) : err;
}

static int show(struct pg *pg, struct span bytes, bool is_first, bool is_last, struct sink *out)
{
	struct track *t = tracks_head(&pg->tracks);
	uint64_t none, *masked = !t ? &none : track_masked(t);
	int err = 0;
	if (pg->copy_out.client)
		err = is_first && is_last ? mask_whole(pg, bytes, masked, out)
					  : mask_part(pg, bytes, is_last, masked, out);
	else
		sink_pass(out, FROM_SERVER, bytes);
	return explained(pg, err);
}

int copy_out_whole(struct pg *pg, struct cur *in, struct sink *out)
{
	struct track *t = tracks_head(&pg->tracks);
	struct span body;
	uint64_t masked = 0;
	int err = 0;
	server_flush(pg, out);
	(void)buf_reserve(out->to[TO_CLIENT], cur_left(in)); /* grown once */
	while (!err && msg_next(in, 'd', &body))
		err = mask_whole(pg, body, &masked, out);
	if (t)
		*track_masked(t) += masked;
	return explained(pg, err);
}

/* What the record has no room for it goes without. */
static int record(struct pg *pg, struct span bytes, bool is_last, struct sink *out)
{
	struct copy_out *c = &pg->copy_out;
	uint64_t masked = 0;
	int err = copy_mask_feed(c->record, bytes, &c->recorded, &masked);
	if (err)
		copy_mask_free(TAKE(c->record));
	struct span row = buf_span(&c->recorded);
	if (is_last && row.len && c->op_id)
		out->ops->row(out, c->op_id, &row, 1, !err);
	if (is_last)
		buf_reset(&c->recorded);
	return 0;
}

int copy_out_data(struct pg *pg, struct span bytes, bool is_first, bool is_last, struct sink *out)
{
	int err = show(pg, bytes, is_first, is_last, out);
	return err || !pg->copy_out.record ? err : record(pg, bytes, is_last, out);
}

int copy_out_end(struct pg *pg)
{
	struct copy_mask *client = pg->copy_out.client;
	int err = client ? copy_mask_end(client) : 0;
	copy_out_done(pg);
	return err;
}

void copy_out_done(struct pg *pg)
{
	struct copy_out *c = &pg->copy_out;
	copy_mask_free(c->client);
	copy_mask_free(c->record);
	masking_unref(c->masking);
	buf_done(&c->held);
	buf_done(&c->recorded);
	*c = (struct copy_out){0};
}
