/* Execute. A portal's first run is decided with its Bind, as long as what let that pass still holds; whatever else
 * reads from a portal or a cursor is an operation of its own: decided under the rules and grants in force now, by what
 * the names meant when it was opened, masked as that says, and on record. */
#include "proto/postgres/work.h"

#include <errno.h>

#include "base/macro.h"

/* Masked rows are shown only once the server has said which columns they have: if the client does not ask, we do, and
 * in any case where it was not asked about what was decided just now. */
static int describe_masked(struct pg *pg, struct name *portal, struct masking *masking, struct sink *out)
{
	struct buf body;
	bool is_own = masking != portal->masking;
	bool is_asked = !is_own && portal->is_asked && portal->asked_in == pg->segment;
	const struct sql_stmt *st = prepared_stmt(portal->stmt);
	if (copy_is_asked(st, masking, 0) && st->copy->shape)
		return copy_ask(pg, st->copy->shape, masking, false, out);
	if (is_asked || masking_is_described(masking, 0))
		return 0;
	if (!is_own)
		extended_note_describe(pg, portal);
	buf_init(&body, NAME_KEY + 2);
	buf_add_u8(&body, 'P');
	buf_add_span(&body, name_key(portal));
	buf_add_u8(&body, 0);
	struct track t = {.kind = TRACK_DESCRIBE_PORTAL, .name = name_ref(portal), .is_own = true,
			  .masking = is_own && masking ? masking_ref(masking) : NULL};
	int err = extended_send(pg, 'D', buf_span(&body), t, out);
	buf_done(&body);
	return err;
}

/* op_id, masking (taken over): of an Execute that was decided for itself; else 0 and the portal's. */
static int send_execute(struct pg *pg, struct name *portal, uint64_t op_id, struct masking *masking,
			struct sink *out)
{
	const struct sql_stmt *st = portal ? prepared_stmt(portal->stmt) : NULL;
	int err = portal ? describe_masked(pg, portal, op_id ? masking : portal->masking, out) : 0;
	if (err) {
		masking_unref(masking);
		return err;
	}
	struct track t = {.kind = TRACK_EXECUTE, .op_id = op_id, .masking = masking};
	struct cur c = cur_of(buf_span(&pg->client.body));
	bool is_empty = portal && portal->stmt->entry && !st;
	(void)cur_cstr(&c);
	t.limit = cur_u32(&c);
	if (portal) {
		portal->was_run = true;
		t.name = name_ref(portal);
		t.stmt = prepared_ref(portal->stmt);
	}
	if (st)
		track_add_changes(pg, &t, st);
	else if (!is_empty)
		t.is_fence = t.touches_tx = t.may_copy_in = true;
	return extended_send(pg, 'E', buf_span(&pg->client.body), t, out);
}

/* False: it does not go on, and ret_err is all that is left to say: it was refused, or is skipped to the Sync. */
static bool execute_passes(struct pg *pg, const struct decision *d, struct masking **ret_masking, int *ret_err,
			   struct sink *out)
{
	char detail[REFUSE_DETAIL];
	*ret_err = 0;
	if (!decision_passes(d)) {
		struct msg_error e = refuse_words(pg, d, detail);
		*ret_err = pg->discards ? 0 : refuse_extended(pg, &e, out);
		return false;
	}
	if (pg->discards) {
		op_skipped(pg->deciding.op.id, out);
		return false;
	}
	*ret_err = op_masking(pg, d, ret_masking);
	return !*ret_err;
}

static int execute_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	struct masking *masking;
	int err;
	if (!execute_passes(pg, d, &masking, &err, out))
		return err;
	op_accepted(pg);
	return send_execute(pg, NULL, pg->deciding.op.id, masking, out);
}

/* A portal that this session did not bind or declare: a function has opened it. */
static int execute_unknown(struct pg *pg, struct span name, struct sink *out)
{
	if (!pg->env.is_opaque_allowed)
		return refuse_unknown_portal(pg, name, out);
	op_begin(pg);
	int err = op_build(pg, name, NULL, 0, "the portal was not opened through the gateway", out);
	pg->deciding.op.is_by_name = true;
	return err ? err : op_decide(pg, out, execute_decided);
}

/* What runs now may make permanent what was accepted after its Bind. */
static int execute_barrier(struct pg *pg, const struct name *portal, struct sink *out)
{
	const struct sql_stmt *st = prepared_stmt(portal->stmt);
	bool is_permanent = !portal->stmt->entry ||
			    (st && (st->is_untransactional || st->kind == SQL_COMMIT ||
				    st->kind == SQL_PREPARE_XACT || st->kind == SQL_EXECUTE));
	return is_permanent ? pg_barrier(pg, out) : 0;
}

int pg_barrier(struct pg *pg, struct sink *out)
{
	if (!pg->is_dirty || pg->is_barrier_done)
		return 0;
	int err = out->ops->barrier(out);
	if (err == ERR_HELD)
		pg->hold = HOLD_BARRIER;
	if (!err)
		pg->is_dirty = false;
	return err;
}

/* What is read on has no text but the one that it was opened with. */
static const char *tag_of_more(const struct name *portal, const struct op *op)
{
	return portal->is_cursor || portal->was_run ? "FETCH" : op->tag;
}

static int again_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	static const struct msg_error blind = {
	    .severity = "ERROR",
	    .sqlstate = "0A000",
	    .message = "masks hide columns from this role by now, and this portal was bound before: "
		       "its formats are not known",
	    .hint = "Bind it again.",
	};
	static const struct op_result superseded = {.error = "not run: decided again when it was to be executed"};
	struct name *portal = pg->deciding.portal;
	struct masking *masking;
	int err;
	if (!execute_passes(pg, d, &masking, &err, out))
		return err;
	if (masking && portal->lacks_formats) {
		struct op_result r = {.sqlstate = blind.sqlstate, .error = blind.message};
		out->ops->result(out, pg->deciding.op.id, &r);
		masking_unref(masking);
		return refuse_extended(pg, &blind, out);
	}
	op_accepted(pg);
	if (!portal->was_run)
		portal_end(portal, NULL, &superseded, out);
	return send_execute(pg, portal, pg->deciding.op.id, masking, out);
}

static int execute_again(struct pg *pg, struct name *portal, struct sink *out)
{
	const struct opened *o = &portal->opened;
	struct deciding *d = &pg->deciding;
	op_begin(pg);
	d->stmt = prepared_ref(portal->stmt);
	d->portal = name_ref(portal);
	d->opened = o->entry ? sql_entry_ref(o->entry) : NULL;
	int err = op_build(pg, span_of(portal->stmt->text, portal->stmt->len),
			   o->entry ? sql_entry_result(o->entry) : NULL, o->index,
			   o->why ? o->why : "what the portal was opened with could not be read", out);
	if (err)
		return err;
	d->op.is_by_name = true;
	d->op.tag = tag_of_more(portal, &d->op);
	return op_go_on(pg, o->mandate) < 0 ? -ENOMEM : op_decide(pg, out, again_decided);
}

/* Is what is to run now what was decided with the Bind, and does that still hold? */
static bool is_decided(const struct name *portal, struct sink *out)
{
	return !portal->is_cursor && !portal->was_run &&
	       out->ops->stands(out, portal->opened.plan, portal->opened.mandate);
}

int on_execute(struct pg *pg, struct span body, struct sink *out)
{
	static const struct msg_error stale = {
	    .severity = "ERROR",
	    .sqlstate = "55000",
	    .message =
		"what this portal runs by name was prepared or closed again after it was bound",
	    .hint = "Bind it again.",
	};
	static const struct msg_error done = {
	    .severity = "ERROR",
	    .sqlstate = "55000",
	    .message = "a portal that changes a setting runs once",
	    .hint = "Bind it again.",
	};
	struct cur c = cur_of(body);
	struct span name = cur_cstr(&c);
	(void)cur_u32(&c);
	if (cur_err(&c) || cur_left(&c))
		return ERR_MALFORMED;
	struct name *portal = names_find(&pg->portals, name);
	if (!portal)
		return execute_unknown(pg, name, out);
	if (name_is_open(pg, portal))
		return PG_WAIT;
	const struct sql_stmt *st = prepared_stmt(portal->stmt);
	bool by_name = st && (st->kind == SQL_EXECUTE || st->kind == SQL_FETCH);
	if (by_name && !portal->is_cursor && portal->names_version != pg->names_version)
		return refuse_extended(pg, &stale, out);
	/* The server would say that it is done, and do nothing. */
	if (st && st->kind == SQL_SET && portal->was_run)
		return refuse_extended(pg, &done, out);
	int err = execute_barrier(pg, portal, out);
	if (err)
		return err;
	return is_decided(portal, out) ? send_execute(pg, portal, 0, NULL, out) : execute_again(pg, portal, out);
}
