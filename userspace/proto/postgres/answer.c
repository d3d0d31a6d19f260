/* The server's messages: which of the sent ones each answers, and what follows from it. What
 * answers nothing that was sent ends the flow. PostgreSQL documentation, "Message Flow". */
#include "proto/postgres/answer.h"
#include "proto/postgres/copy_out.h"
#include "proto/postgres/cut.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"

#define HEAD_SMALL   (64 * 1024)
#define HEAD_TEXT    (16 * 1024)
#define HEAD_ROWS    (64 * 1024)
#define HEAD_COLUMNS (256 * 1024)

#define K(kind)	  (1u << TRACK_##kind)
#define RUNS	  (K(QUERY) | K(EXECUTE))
#define ENDS	  (K(QUERY) | K(SYNC) | K(CALL))
#define DESCRIBES (K(DESCRIBE_STMT) | K(DESCRIBE_PORTAL))
#define ANY	  0xffffu

struct answer {
	struct pg *pg;
	struct track *t; /* what it answers; NULL: nothing */
	struct span head;
	struct sink *out;
	enum verdict verdict;
};

struct answer_msg {
	uint32_t kinds;	  /* what it may answer; 0: it comes at any time */
	int head;	  /* bytes that are looked at */
	bool is_whole;	  /* and there may be no more */
	bool is_for_rows; /* looked at only where rows are wanted or masked */
	bool is_for_masks; /* looked at only where there are masks */
	int (*on)(struct answer *a);
};

static struct track *answered(struct tracks *q)
{
	struct track *t;
	while ((t = tracks_head(q)) && (t->kind == TRACK_COPY_END || t->kind == TRACK_GONE))
		tracks_pop(q);
	return t;
}

/* The client did not ask. */
static void drop_own(struct answer *a)
{
	if (a->t->is_own)
		a->verdict = ANSWER_DROP;
}

static int on_parsed(struct answer *a)
{
	struct track *t = a->t;
	struct op_result r = {0};
	if (t->name) {
		t->name->is_live = true;
		names_supersede(&a->pg->stmts, t->name);
	}
	if (t->op_id)
		a->out->ops->result(a->out, t->op_id, &r);
	drop_own(a);
	tracks_pop(&a->pg->tracks);
	return 0;
}

static int on_bound(struct answer *a)
{
	struct name *portal = a->t->name;
	portal->is_live = true;
	names_supersede(&a->pg->portals, portal);
	tracks_pop(&a->pg->tracks);
	return 0;
}

static int on_closed(struct answer *a)
{
	struct track *t = a->t;
	drop_own(a);
	if (t->name)
		names_remove_older(t->kind == TRACK_CLOSE_STMT ? &a->pg->stmts : &a->pg->portals,
				   name_key(t->name), t->seq);
	tracks_pop(&a->pg->tracks);
	return 0;
}

/* For those who are asked to approve values of these types. Without memory they are told no types. */
static void keep_types(struct prepared *p, struct span head)
{
	struct cur c = cur_of(head);
	int n = cur_u16(&c);
	n = MIN(n, (int)(cur_left(&c) / 4));
	if (!p || p->told_types || !n)
		return;
	p->told_types = malloc((size_t)n * sizeof(*p->told_types));
	p->n_told_types = p->told_types ? n : 0;
	for (int i = 0; i < p->n_told_types; i++)
		p->told_types[i] = cur_u32(&c);
}

static int on_parameters(struct answer *a)
{
	if (a->t->step)
		return ERR_STATE;
	a->t->step = 1;
	if (a->t->name)
		keep_types(a->t->name->stmt, a->head);
	drop_own(a);
	return 0;
}

static int on_described(struct answer *a)
{
	struct track *t = a->t;
	if (t->kind == TRACK_DESCRIBE_STMT && !t->step)
		return ERR_STATE;
	if (a->pg->env.wants_rows || a->pg->has_masks) {
		int err = rows_described(a->pg, t, a->head, a->out);
		if (err)
			return err;
	}
	drop_own(a);
	if (t->kind != TRACK_QUERY)
		tracks_pop(&a->pg->tracks);
	return 0;
}

static int on_row(struct answer *a)
{
	struct pg *pg = a->pg;
	struct row_mask m;
	m.r = NULL;
	int err = pg->has_masks ? rows_begin(pg, a->t, &m) : 0;
	if (!err && m.r && m.n)
		server_flush(pg, a->out);
	if (!err && m.r)
		err = rows_mask(pg, a->t, &m, a->head, a->out);
	if (!err && pg->env.wants_rows)
		rows_data(pg, a->t, a->head, a->out);
	if (m.r && m.n)
		a->verdict = ANSWER_REWRITTEN;
	return err;
}

int answer_rows(struct pg *pg, struct cur *in, struct sink *out)
{
	struct track *t = answered(&pg->tracks);
	struct row_mask m;
	struct span body;
	int err = 0;
	if (!t || !(RUNS & 1u << t->kind) || t->is_poison)
		return 0; /* for answer_take to judge */
	err = rows_begin(pg, t, &m);
	if (err || !m.r)
		return err;
	if (m.n) {
		server_flush(pg, out);
		(void)buf_reserve(out->to[TO_CLIENT], cur_left(in)); /* grown once */
	}
	while (!err && msg_next(in, 'D', &body)) {
		err = rows_mask(pg, t, &m, body, out);
		if (!err && pg->env.wants_rows) {
			pg->server.body_len = (uint32_t)body.len;
			rows_data(pg, t, span_of(body.p, MIN(body.len, (size_t)HEAD_ROWS)), out);
		}
		if (!err && !m.n)
			server_pass(pg, span_of(body.p - MSG_HEADER, body.len + MSG_HEADER), out);
	}
	return err;
}

/* CopyData of the server. */
static int on_copy_data(struct answer *a)
{
	if (!a->pg->copy.is_out)
		return ERR_STATE;
	a->pg->streamed += a->pg->server.body_len;
	if (a->pg->env.wants_rows && !a->pg->is_replication)
		rows_copy(a->pg, a->t, a->head, a->out);
	return 0;
}

static int on_copy_out(struct answer *a)
{
	if (a->pg->copy.is_out)
		return ERR_STATE;
	a->pg->copy.is_out = true;
	return copy_out_begin(a->pg, a->t, a->head);
}

static int on_copy_out_end(struct answer *a)
{
	bool was_out = a->pg->copy.is_out;
	a->pg->copy.is_out = false;
	return was_out ? copy_out_end(a->pg) : ERR_STATE;
}

/* The server reads CopyData now. What the client has sent on behind it, up to the end of the data,
 * the server ignores: Syncs, that is. */
static int on_copy_in(struct answer *a)
{
	struct tracks *q = &a->pg->tracks;
	struct copy_in *copy = &a->pg->copy;
	*copy = (struct copy_in){.is_open = true, .has_data = copy->has_data};
	for (int i = 1; i < q->n && !copy->is_done_sent; i++) {
		struct track *t = tracks_at(q, i);
		copy->is_done_sent = t->kind == TRACK_COPY_END;
		if (t->kind == TRACK_COPY_END || t->kind == TRACK_SYNC)
			track_forget(q, t);
	}
	if (a->t->kind == TRACK_EXECUTE)
		a->pg->in_segment = true;
	return 0;
}

/* CopyBothResponse: a stream of a replication connection. */
static int on_copy_both(struct answer *a)
{
	if (!a->pg->is_replication || a->pg->copy.is_out)
		return ERR_STATE;
	int err = on_copy_in(a);
	a->pg->copy.is_out = true;
	return err;
}

/* COPY has ended, one way or the other. A Sync that came in the midst of its data was kept back:
 * the server would have ignored it, but not if the COPY failed before. */
static int end_copy(struct answer *a, bool has_failed)
{
	struct copy_in was = a->pg->copy;
	a->pg->copy = (struct copy_in){0};
	copy_out_done(a->pg);
	if (!has_failed || !was.is_sync_late || a->t->kind != TRACK_EXECUTE || was.is_done_sent)
		return 0;
	return pg_send_sync(a->pg, a->out);
}

static void execute_completed(struct answer *a, const char *tag)
{
	struct name *portal = a->t->name;
	uint64_t rows = tag ? msg_tag_rows(tag) : 0;
	struct op_result r = {.rows = rows, .masked = a->t->masked, .tag = tag};
	if (a->t->op_id) {
		a->out->ops->result(a->out, a->t->op_id, &r);
	} else if (portal) {
		portal->rows += rows;
		portal_end(portal, tag, NULL, a->out);
	}
}

static int completed(struct answer *a, const char *tag)
{
	struct pg *pg = a->pg;
	struct track *t = a->t;
	int err = end_copy(a, false);
	if (t->kind == TRACK_EXECUTE) {
		execute_completed(a, tag);
		if (!err && tag)
			err = effects_of_execute(pg, t, tag);
		tracks_pop(&pg->tracks);
		return err;
	}
	if (!tag)
		return err;
	t->rows += msg_tag_rows(tag);
	size_t len = MIN(strlen(tag), sizeof(pg->answer_tag) - 1);
	memcpy(pg->answer_tag, tag, len);
	pg->answer_tag[len] = 0;
	return err ? err : effects_of_query(pg, t, tag);
}

static int on_complete(struct answer *a)
{
	struct cur c = cur_of(a->head);
	struct span tag = cur_cstr(&c);
	return cur_err(&c) ? ERR_MALFORMED : completed(a, (const char *)tag.p);
}

static int on_empty(struct answer *a)
{
	return completed(a, NULL);
}

/* What it has to do beside its rows, it has done. As many came as it asked for; whoever wants more is decided anew. */
static int on_suspended(struct answer *a)
{
	struct track *t = a->t;
	struct op_result r = {.rows = t->limit, .masked = t->masked, .tag = "SELECT"};
	if (t->op_id) {
		a->out->ops->result(a->out, t->op_id, &r);
	} else if (t->name) {
		t->name->rows += t->limit;
		portal_end(t->name, r.tag, NULL, a->out);
	}
	int err = effects_of_execute(a->pg, a->t, "SELECT");
	tracks_pop(&a->pg->tracks);
	return err;
}

/* ---- ErrorResponse ---- */

/* What a message that will never be answered leaves behind. cause: the error, NULL if it was
 * skipped. */
static void abandon(struct answer *a, struct track *t, const struct op_result *cause)
{
	static const struct op_result skipped = {
	    .error = "skipped: something before it in the pipeline failed"};
	struct pg *pg = a->pg;
	struct op_result r = cause ? *cause : skipped;
	bool is_portal = t->kind == TRACK_BIND || t->kind == TRACK_EXECUTE;
	if (t->kind == TRACK_QUERY) {
		names_unmark(&pg->stmts, (struct span){0}, t->seq);
		names_unmark(&pg->portals, (struct span){0}, t->seq);
	}
	if (is_portal && t->name && !track_is_decided(t))
		portal_end(t->name, NULL, &r, a->out);
	else if (t->op_id)
		a->out->ops->result(a->out, t->op_id, &r);
	if ((t->kind == TRACK_PARSE || t->kind == TRACK_BIND) && t->name) {
		struct names *table = t->kind == TRACK_PARSE ? &pg->stmts : &pg->portals;
		if (cause && (!t->name->key_len || t->kind == TRACK_BIND))
			names_supersede(table, t->name);
		names_remove(table, t->name);
	}
	if ((t->kind == TRACK_CLOSE_STMT || t->kind == TRACK_CLOSE_PORTAL) && t->name)
		names_unmark(t->kind == TRACK_CLOSE_STMT ? &pg->stmts : &pg->portals,
			     name_key(t->name), t->seq);
}

/* The server ignores what follows, to the next Sync: if that is not sent yet, we do. */
static void fail_pipeline(struct answer *a, const struct op_result *cause)
{
	struct pg *pg = a->pg;
	abandon(a, a->t, cause);
	tracks_pop(&pg->tracks);
	struct track *t;
	while ((t = tracks_head(&pg->tracks)) && t->kind != TRACK_SYNC) {
		abandon(a, t, NULL);
		tracks_pop(&pg->tracks);
	}
	if (t)
		return;
	pg->discards = true;
	extended_forget(pg);
}

static void say_refusal(struct answer *a)
{
	if (!a->t->refusal)
		return;
	server_flush(a->pg, a->out);
	buf_add_span(a->out->to[TO_CLIENT], buf_span(a->t->refusal));
	a->verdict = ANSWER_DROP;
}

/* The server has not looked into a table when it complains of a name or a type at a place in the client's
 * own text. */
static bool is_about_text(const struct msg_error_read *e)
{
	return !strncmp(e->sqlstate, "42", 2) && e->is_whole && e->has_position && !e->has_inner;
}

/* Parsing reads no table, but may quote the client's own literals: not for the record. */
static void hide(struct answer *a, uint8_t type, struct msg_error_read *e)
{
	struct pg *pg = a->pg;
	bool is_parse = a->t && a->t->kind == TRACK_PARSE;
	if (is_about_text(e))
		return;
	if (pg->hides && !is_parse) {
		server_flush(pg, a->out);
		msg_add_hidden(a->out->to[TO_CLIENT], type, e);
		a->verdict = ANSWER_DROP;
	}
	if (pg->hides || pg->hides_record)
		e->message = MSG_HIDDEN;
}

static int on_notice(struct answer *a)
{
	struct msg_error_read e;
	if (!a->pg->hides)
		return 0;
	msg_read_error(a->head, &e);
	e.is_whole = false;
	a->t = NULL; /* it comes when it likes */
	hide(a, 'N', &e);
	return 0;
}

/* The payload is another session's. */
static int on_notification(struct answer *a)
{
	struct cur c = cur_of(a->head);
	uint32_t pid = cur_u32(&c);
	struct span channel = cur_cstr(&c);
	struct buf *to = a->out->to[TO_CLIENT];
	if (!a->pg->has_masks)
		return 0;
	if (cur_err(&c))
		return ERR_MALFORMED;
	server_flush(a->pg, a->out);
	buf_add_u8(to, 'A');
	buf_add_u32(to, (uint32_t)(4 + 4 + channel.len + 2));
	buf_add_u32(to, pid);
	buf_add(to, channel.p, channel.len + 1);
	buf_add_u8(to, 0);
	a->verdict = ANSWER_DROP;
	return 0;
}

/* Its position is one in a text that the client did not write. */
static void say_own(struct answer *a, const struct msg_error_read *e)
{
	struct msg_error shown = {.severity = "ERROR", .sqlstate = e->sqlstate, .message = e->message};
	if (!a->t->is_own || a->t->kind != TRACK_PARSE)
		return;
	server_flush(a->pg, a->out);
	msg_add_error(a->out->to[TO_CLIENT], &shown);
	a->verdict = ANSWER_DROP;
}

/* Is what failed ours, in front of a Query? */
static bool is_query_behind(struct pg *pg)
{
	int i = 0;
	while (i < pg->tracks.n && tracks_at(&pg->tracks, i)->is_own)
		i++;
	return i < pg->tracks.n && tracks_at(&pg->tracks, i)->kind == TRACK_QUERY;
}

static int on_error(struct answer *a)
{
	struct pg *pg = a->pg;
	struct msg_error_read e;
	msg_read_error(a->head, &e);
	if (!a->t || !a->t->refusal)
		hide(a, 'E', &e);
	struct op_result r = {.sqlstate = e.sqlstate,
			      .error = e.message,
			      .rows = a->t ? a->t->rows : 0,
			      .masked = a->t ? a->t->masked : 0};
	pg->session.had_error = true;
	if (strcmp(e.severity,
		   "ERROR")) { /* FATAL, PANIC: the session is over, whatever was asked */
		if (a->t && a->t->op_id && !a->t->has_failed)
			a->out->ops->result(a->out, a->t->op_id, &r);
		pg->is_fatal = true;
		return 0;
	}
	if (!a->t || a->t->kind == TRACK_COPY_END)
		return ERR_STATE;
	say_refusal(a);
	say_own(a, &e);
	if (a->t->is_own && is_query_behind(pg))
		return copy_ask_failed(pg, &e, a->out);
	int err = end_copy(a, true);
	if (!(ENDS & 1u << a->t->kind)) {
		fail_pipeline(a, &r);
		return err;
	}
	if (a->t->op_id && !a->t->has_failed)
		a->out->ops->result(a->out, a->t->op_id, &r);
	a->t->has_failed = true;
	return err;
}

/* ---- ReadyForQuery ---- */

static void query_ended(struct answer *a)
{
	struct track *t = a->t;
	struct pg *pg = a->pg;
	struct op_result r = {.rows = t->rows,
			      .masked = t->masked,
			      .tag = pg->answer_tag[0] ? pg->answer_tag : NULL};
	if (t->kind == TRACK_QUERY) {
		names_remove_older(&pg->stmts, (struct span){0}, t->seq);
		names_remove_older(&pg->portals, (struct span){0}, t->seq);
	}
	if (pg->is_replication && pg->streamed) {
		snprintf(pg->answer_tag, sizeof(pg->answer_tag), "COPY %" PRIu64 " bytes", pg->streamed);
		r.tag = pg->answer_tag;
	}
	if (t->op_id && !t->has_failed)
		a->out->ops->result(a->out, t->op_id, &r);
	pg->answer_tag[0] = 0;
}

static int on_ready(struct answer *a)
{
	struct pg *pg = a->pg;
	char status = a->head.len == 1 ? (char)a->head.p[0] : 0;
	if (status != 'I' && status != 'T' && status != 'E')
		return ERR_MALFORMED;
	if (pg->copy.is_open || pg->copy.is_out || (a->t->is_poison && !a->t->has_failed))
		return ERR_STATE;
	uint64_t seq = a->t->seq;
	query_ended(a);
	session_ready(&pg->session, status);
	tracks_pop(&pg->tracks);
	if (status != 'I')
		return 0;
	names_clear(&pg->portals, seq, false);
	if (!answered(&pg->tracks))
		pg->wrote_in_tx = pg->hides = pg->hides_record = false;
	return 0;
}

static int on_parameter(struct answer *a)
{
	struct cur c = cur_of(a->head);
	struct span name = cur_cstr(&c), value = cur_cstr(&c);
	if (cur_err(&c) || cur_left(&c))
		return ERR_MALFORMED;
	int err = session_parameter(&a->pg->session, name, value);
	if (err)
		return err;
	/* A setting may have been given a masked value: that it was set is not told. */
	if (a->pg->hides)
		a->verdict = ANSWER_DROP;
	return 0;
}

static int on_passed(struct answer *a)
{
	(void)a;
	return 0;
}

/* An empty slot is a message that the server may not send: authentication, ... */
static const struct answer_msg messages[256] = {
    ['1'] = {K(PARSE), HEAD_SMALL, .is_whole = true, .on = on_parsed},
    ['2'] = {K(BIND), HEAD_SMALL, .is_whole = true, .on = on_bound},
    ['3'] = {K(CLOSE_STMT) | K(CLOSE_PORTAL), HEAD_SMALL, .is_whole = true, .on = on_closed},
    ['t'] = {K(DESCRIBE_STMT), HEAD_SMALL, .on = on_parameters},
    ['T'] = {DESCRIBES | K(QUERY), HEAD_COLUMNS, .is_for_rows = true, .on = on_described},
    ['n'] = {DESCRIBES, HEAD_SMALL, .is_whole = true, .on = on_described},
    ['D'] = {RUNS, HEAD_ROWS, .is_for_rows = true, .on = on_row},
    ['C'] = {RUNS, HEAD_SMALL, .is_whole = true, .on = on_complete},
    ['I'] = {RUNS, HEAD_SMALL, .is_whole = true, .on = on_empty},
    ['s'] = {K(EXECUTE), HEAD_SMALL, .is_whole = true, .on = on_suspended},
    ['G'] = {RUNS, HEAD_SMALL, .is_whole = true, .on = on_copy_in},
    ['H'] = {RUNS, HEAD_SMALL, .is_whole = true, .on = on_copy_out},
    ['W'] = {K(QUERY), HEAD_SMALL, .is_whole = true, .on = on_copy_both},
    ['d'] = {RUNS, HEAD_ROWS, .is_for_rows = true, .on = on_copy_data},
    ['c'] = {RUNS, HEAD_SMALL, .is_whole = true, .on = on_copy_out_end},
    ['V'] = {K(CALL), 0, .on = on_passed},
    ['Z'] = {ENDS, HEAD_SMALL, .is_whole = true, .on = on_ready},
    ['E'] = {ANY, HEAD_TEXT, .on = on_error},
    ['N'] = {0, HEAD_TEXT, .is_for_masks = true, .on = on_notice},
    ['A'] = {0, HEAD_SMALL, .is_whole = true, .is_for_masks = true, .on = on_notification},
    ['S'] = {0, HEAD_SMALL, .is_whole = true, .on = on_parameter},
};

int answer_head(const struct pg *pg, uint8_t type, bool *ret_whole)
{
	const struct answer_msg *m = &messages[type];
	if (!m->on)
		return -1;
	*ret_whole = m->is_whole && (pg->has_masks || !m->is_for_masks);
	if (!pg->has_masks)
		return (m->is_for_rows && !pg->env.wants_rows) || m->is_for_masks ? 0 : m->head;
	return m->head;
}

static int end_cut(struct answer *a)
{
	bool is_shown;
	int err = cut_end(a->pg, a->out, &is_shown);
	a->verdict = is_shown ? ANSWER_PASS : ANSWER_DROP;
	return err;
}

int answer_take(struct pg *pg, uint8_t type, struct span head, struct sink *out,
		enum verdict *ret_v)
{
	const struct answer_msg *m = &messages[type];
	struct answer a = {.pg = pg, .head = head, .out = out, .t = answered(&pg->tracks)};
	if (m->kinds && m->kinds != ANY) {
		if (!a.t || !(m->kinds & 1u << a.t->kind))
			return ERR_STATE;
		if (a.t->is_poison && type != 'Z')
			return ERR_STATE;
	}
	bool is_cut = pg->cut.is_on, is_taken = false;
	int err = is_cut ? cut_take(pg, type, a.t, &is_taken) : 0;
	if (!err && !is_taken)
		err = m->on(&a);
	if (is_cut && cut_drops(pg, type))
		a.verdict = ANSWER_DROP;
	if (!err && is_cut && type == 'Z')
		err = end_cut(&a);
	*ret_v = a.verdict;
	return err;
}
