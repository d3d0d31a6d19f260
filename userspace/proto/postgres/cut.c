#include "proto/postgres/cut.h"

#include "base/macro.h"
#include "proto/postgres/copy_out.h"

/* May what the server has read of it already run to its end, while the client is told that it failed? */
static bool is_harmless(const struct track *t)
{
	const struct sql_stmt *st = t->stmt ? prepared_stmt(t->stmt) : NULL;
	switch (t->kind) {
	case TRACK_DESCRIBE_STMT:
	case TRACK_DESCRIBE_PORTAL:
	case TRACK_BIND:
	case TRACK_CLOSE_PORTAL:
		return !t->is_poison;
	case TRACK_CLOSE_STMT:
		return t->is_own;
	case TRACK_EXECUTE:
		return st && !st->is_write && !t->touches_tx && !t->may_copy_in;
	default:
		return false;
	}
}

static bool is_lone_read(const struct track *t)
{
	const struct sql_result *r = t->stmt && t->stmt->entry ? sql_entry_result(t->stmt->entry) : NULL;
	return r && r->n_stmts == 1 && !r->stmts[0].is_write && !t->touches_tx && !t->may_copy_in && !t->is_poison;
}

/* ret_ends: what was sent has an end, at which the server says that it is ready. */
static bool can_cut(struct pg *pg, bool *ret_ends)
{
	struct tracks *q = &pg->tracks;
	*ret_ends = true;
	int first = tracks_head(q)->is_own && tracks_head(q)->kind == TRACK_DESCRIBE_STMT;
	if (first < q->n && tracks_at(q, first)->kind == TRACK_QUERY)
		return q->n == first + 1 && !pg->in_segment && is_lone_read(tracks_at(q, first));
	for (int i = 0; i < q->n; i++) {
		const struct track *t = tracks_at(q, i);
		if (t->kind == TRACK_SYNC)
			return i > 0 && i == q->n - 1 && !pg->in_segment;
		if (!is_harmless(t))
			return false;
	}
	*ret_ends = false;
	return !pg->discards;
}

static struct msg_error words(const struct cut *c)
{
	return (struct msg_error){.severity = "ERROR", .sqlstate = c->sqlstate, .message = c->why};
}

static void report(struct pg *pg, struct track *t, struct sink *out)
{
	struct op_result r = {
	    .sqlstate = pg->cut.sqlstate, .error = pg->cut.why, .rows = t->rows, .masked = t->masked};
	if (t->kind != TRACK_QUERY && t->name) {
		if (t->kind != TRACK_DESCRIBE_STMT)
			portal_end(t->name, NULL, &r, out);
		return;
	}
	if (t->op_id && !t->has_failed)
		out->ops->result(out, t->op_id, &r);
	t->has_failed = true;
}

/* What is left of the message that could not be shown. */
static void drop_rest(struct pg *pg)
{
	struct server_in *s = &pg->server;
	if (s->step == SERVER_GATHER)
		buf_done(&s->head);
	s->is_dropped = true;
	if (s->step != SERVER_HEADER)
		s->step = s->left ? SERVER_PASS : SERVER_HEADER;
}

int cut_begin(struct pg *pg, int err, struct sink *out)
{
	struct track *t = tracks_head(&pg->tracks);
	bool ends;
	if (!pg->why || pg->cut.is_on || pg->hold || !t || !can_cut(pg, &ends))
		return err;
	pg->cut = (struct cut){.is_on = true, .why = TAKE(pg->why), .sqlstate = TAKE(pg->why_state)};
	pg->session.wants_facts |= err == ERR_DENIED;
	server_flush(pg, out);
	if (t->kind == TRACK_DESCRIBE_STMT) /* of a COPY, which comes next */
		tracks_pop(&pg->tracks);
	report(pg, tracks_head(&pg->tracks), out);
	if (t->kind == TRACK_DESCRIBE_PORTAL)
		tracks_pop(&pg->tracks); /* this was its answer */
	copy_out_done(pg);
	drop_rest(pg);
	if (ends)
		return 0;
	struct msg_error e = words(&pg->cut);
	extended_forget(pg);
	return refuse_extended(pg, &e, out);
}

static int pop(struct pg *pg, struct track *t)
{
	if (t->kind != TRACK_QUERY)
		tracks_pop(&pg->tracks);
	return 0;
}

int cut_take(struct pg *pg, uint8_t type, struct track *t, bool *ret_is_taken)
{
	*ret_is_taken = true;
	switch (type) {
	case 'D':
	case 'd':
		return 0;
	case 'T':
	case 'n':
		return pop(pg, t);
	case 'H':
	case 'c':
		pg->copy.is_out = type == 'H';
		return 0;
	case 'E': /* the server's own, or the one that we had it make */
		pg->cut.is_on = false;
		break;
	}
	*ret_is_taken = false;
	return 0;
}

bool cut_drops(const struct pg *pg, uint8_t type)
{
	return pg->cut.is_on && type != 'N' && type != 'A' && type != 'S';
}

int cut_end(struct pg *pg, struct sink *out, bool *ret_is_shown)
{
	struct msg_error e = words(&pg->cut);
	bool is_in_block = pg->session.tx_status == 'T';
	pg->cut.is_on = false;
	*ret_is_shown = !is_in_block;
	if (is_in_block) /* the server is made to give it up */
		return refuse_query(pg, &e, out);
	server_flush(pg, out);
	msg_add_error(out->to[TO_CLIENT], &e);
	return 0;
}
