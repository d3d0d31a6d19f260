/* Query and FunctionCall: decided whole; of a Query with one refused statement nothing is sent. */
#include "proto/postgres/work.h"

#include <errno.h>

static void track_changes(const struct pg *pg, struct track *t, const struct sql_result *r)
{
	t->is_fence = t->touches_tx = t->may_copy_in = !r;
	for (int i = 0; r && i < r->n_stmts; i++)
		track_add_changes(pg, t, &r->stmts[i]);
}

void track_add_changes(const struct pg *pg, struct track *t, const struct sql_stmt *st)
{
	static const bool names[SQL_COPY_OUT + 1] = {
	    [SQL_PREPARE] = true,	 [SQL_DEALLOCATE] = true, [SQL_DISCARD] = true,
	    [SQL_DECLARE_CURSOR] = true, [SQL_FETCH] = true,
	};
	static const bool transactions[SQL_COPY_OUT + 1] = {
	    [SQL_BEGIN] = true,
	    [SQL_COMMIT] = true,
	    [SQL_ROLLBACK] = true,
	    [SQL_PREPARE_XACT] = true,
	    [SQL_EXECUTE] = true, /* of what a rule lets pass unread */
	};
	t->is_fence |= names[st->kind] || session_is_changed_by(&pg->session, st);
	t->touches_tx |=
	    transactions[st->kind] || st->class == CLASS_PROCEDURAL || st->class == CLASS_OPAQUE;
	t->may_copy_in |= st->kind == SQL_COPY_IN;
}

static int send_query(struct pg *pg, const struct decision *decision, struct masking *masking, struct sink *out)
{
	struct deciding *d = &pg->deciding;
	struct prepared *p = d->stmt;
	struct track t = {.kind = TRACK_QUERY, .seq = ++pg->last_seq, .op_id = d->op.id};
	const struct sql_result *r = p->entry ? sql_entry_result(p->entry) : NULL;
	int err = r && r->n_stmts && copy_is_asked(&r->stmts[0], masking, 0)
		      ? copy_ask(pg, r->stmts[0].copy->shape, masking, true, out)
		      : 0;
	if (err) {
		masking_unref(masking);
		return err;
	}
	track_changes(pg, &t, r);
	t.stmt = prepared_ref(p);
	t.masking = masking;
	err = mandate_of(decision, &t.mandate);
	if (err)
		return err;
	op_accepted(pg);
	/* It drops the unnamed ones, whatever comes of it. */
	names_mark(&pg->stmts, (struct span){0}, t.seq);
	names_mark(&pg->portals, (struct span){0}, t.seq);
	msg_add(out->to[TO_SERVER], 'Q', buf_span(&pg->client.body));
	pg->in_segment = pg->is_unflushed = false;
	pg->segment++;
	return pg_track(pg, t);
}

/* A COPY that cannot be asked about: sql_copy.shape. */
static bool has_blind_copy(const struct sql_result *r, const struct masking *m)
{
	for (int i = 0; r && i < r->n_stmts; i++)
		if (copy_is_asked(&r->stmts[i], m, i) && (r->n_stmts > 1 || !r->stmts[i].copy->shape))
			return true;
	return false;
}

static int refuse_blind_copy(struct pg *pg, struct masking *m, struct sink *out)
{
	static const struct msg_error e = {.severity = "ERROR", .sqlstate = "0A000", .message = MASK_COPY_ALONE};
	struct op_result r = {.sqlstate = e.sqlstate, .error = e.message};
	if (pg->deciding.op.id)
		out->ops->result(out, pg->deciding.op.id, &r);
	masking_unref(m);
	return refuse_query(pg, &e, out);
}

static int query_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	char detail[REFUSE_DETAIL];
	if (!decision_passes(d)) {
		struct msg_error e = refuse_words(pg, d, detail);
		return pg->discards ? 0 : refuse_query(pg, &e, out);
	}
	struct masking *masking;
	if (!pg->discards) {
		int err = op_masking(pg, d, &masking);
		const struct prepared *p = pg->deciding.stmt;
		if (!err && has_blind_copy(p->entry ? sql_entry_result(p->entry) : NULL, masking))
			return refuse_blind_copy(pg, masking, out);
		return err ? err : send_query(pg, d, masking, out);
	}
	op_skipped(pg->deciding.op.id, out);
	return 0;
}

/* Statements of one text follow each other: what one does to the session is true for the next. */
static int read_within(struct pg *pg, struct span text, struct sink *out, struct reading *r)
{
	struct sql_session view, within;
	session_view(&pg->session, &view);
	int err = op_read(pg, text, &view, out, r);
	const struct sql_result *result = !err && r->entry ? sql_entry_result(r->entry) : NULL;
	if (!result || result->n_stmts < 2)
		return err;
	bool is_known = session_view_within(&pg->session, result, &within);
	if (is_known && within.n_paths == view.n_paths && within.has_temp == view.has_temp)
		return 0;
	sql_entry_unref(r->entry);
	*r = (struct reading){.why = "it changes search_path in a way that cannot be followed"};
	return is_known ? op_read(pg, text, &within, out, r) : 0;
}

struct msg_error refuse_syntax(const struct sql_result *r)
{
	const char *message = r->message ? r->message : "syntax error";
	bool is_encoding = !strncmp(message, "invalid byte sequence", 21);
	return (struct msg_error){.severity = "ERROR",
				  .sqlstate = is_encoding ? "22021" : "42601",
				  .message = message,
				  .position = r->position,
				  .file = r->file,
				  .routine = r->routine};
}

/* What our parser cannot parse is the client's error, or unclassified where a rule lets that pass.
 */
bool reading_is_refused(const struct pg *pg, struct reading *r)
{
	if (!r->entry || sql_entry_result(r->entry)->status != SQL_SYNTAX)
		return false;
	if (!pg->env.is_opaque_allowed)
		return true;
	sql_entry_unref(r->entry);
	*r = (struct reading){.why = "the text cannot be parsed by the gateway"};
	return false;
}

/* PREPARE, DECLARE and what changes a setting leave a part of it behind. */
static bool is_text_needed(const struct reading *r)
{
	const struct sql_result *result = r->entry ? sql_entry_result(r->entry) : NULL;
	for (int i = 0; result && i < result->n_stmts; i++)
		if (settings_are_changed_by(&result->stmts[i]) || result->stmts[i].kind == SQL_PREPARE ||
		    result->stmts[i].kind == SQL_DECLARE_CURSOR)
			return true;
	return false;
}

int on_query(struct pg *pg, struct span body, struct sink *out)
{
	struct cur c = cur_of(body);
	struct span text = cur_cstr(&c);
	struct reading r;
	if (cur_err(&c) || cur_left(&c))
		return ERR_MALFORMED;
	if (pg->is_replication)
		return on_replication(pg, text, out);
	op_begin(pg);
	pg->deciding.is_simple = true;
	int err = read_within(pg, text, out, &r);
	if (err)
		return err;
	if (reading_is_refused(pg, &r)) {
		struct msg_error e = refuse_syntax(sql_entry_result(r.entry));
		err = op_broken(pg, text, &e, out);
		sql_entry_unref(r.entry);
		return err;
	}
	struct span kept = is_text_needed(&r) ? text : (struct span){0};
	struct prepared *p = pg->deciding.stmt = prepared_new(kept, r.entry, -1);
	if (r.entry)
		sql_entry_unref(r.entry);
	if (!p)
		return -ENOMEM;
	const struct sql_result *result = p->entry ? sql_entry_result(p->entry) : NULL;
	err = op_build(pg, text, result, -1, r.why, out);
	/* Nothing runs by a PREPARE: whoever runs it is decided, and asked about with its values. */
	pg->deciding.op.is_prepare_only = result && result->n_stmts == 1 && result->stmts[0].kind == SQL_PREPARE;
	return err ? err : op_decide(pg, out, query_decided);
}

static int call_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	char detail[REFUSE_DETAIL];
	if (!decision_passes(d)) {
		struct msg_error e = refuse_words(pg, d, detail);
		return pg->discards ? 0 : refuse_query(pg, &e, out);
	}
	if (pg->discards) {
		op_skipped(pg->deciding.op.id, out);
		return 0;
	}
	struct track t = {
	    .kind = TRACK_CALL, .op_id = pg->deciding.op.id, .is_fence = true, .touches_tx = true};
	int err = op_masking(pg, d, &t.masking);
	if (err)
		return err;
	op_accepted(pg);
	msg_add(out->to[TO_SERVER], 'F', buf_span(&pg->client.body));
	pg->in_segment = pg->is_unflushed = false;
	pg->segment++;
	return pg_track(pg, t);
}

int on_call(struct pg *pg, struct span body, struct sink *out)
{
	struct cur c = cur_of(body);
	uint32_t oid = cur_u32(&c);
	if (cur_err(&c))
		return ERR_MALFORMED;
	op_begin(pg);
	char *text = arena_printf(&pg->arena, "FunctionCall of the function with OID %u", oid);
	if (!text)
		return -ENOMEM;
	pg->deciding.is_simple = true;
	int err = op_build(pg, span_str(text), NULL, 0,
			   "a FunctionCall message names a function by number only", out);
	pg->deciding.op.is_by_name = true;
	return err ? err : op_decide(pg, out, call_decided);
}
