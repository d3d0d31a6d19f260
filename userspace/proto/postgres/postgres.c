/* The module's entry: see pg.h for the way through the files. */
#include "proto/postgres/postgres.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "proto/postgres/answer.h"
#include "proto/postgres/copy_out.h"
#include "proto/postgres/entry.h"

#define ARENA_MAX (8 * 1024 * 1024)
#define HEAD_MAX  (256 * 1024)

/* A portal that leaves its table takes its operation along. */
static void portal_gone(void *ctx, struct name *n)
{
	struct pg *pg = ctx;
	if (pg->sink)
		portal_end(n, NULL, NULL, pg->sink);
}

static int pg_open(void *state, const struct proto_env *env)
{
	struct pg *pg = state;
	pg->env = *env;
	pg->env.mask_limit = env->mask_limit ? env->mask_limit : MASK_LIMIT_DEFAULT;
	pg->phase = PG_STARTUP;
	arena_init(&pg->arena, ARENA_MAX);
	buf_init(&pg->client.body, MSG_WHOLE_MAX);
	buf_init(&pg->deferred.body, MSG_WHOLE_MAX);
	buf_init(&pg->server.head, MAX(pg->env.mask_limit, (size_t)HEAD_MAX));
	buf_init(&pg->scratch, 2 * HEAD_MAX);
	pg->portals.gone = portal_gone;
	pg->portals.ctx = pg;
	return 0;
}

static void say(struct pg *pg, const char *sqlstate, const char *reason, struct sink *out)
{
	struct msg_error e = {
	    .severity = "FATAL", .sqlstate = sqlstate ? sqlstate : "57P01", .message = reason};
	bool is_passed = pg->server.step == SERVER_COPY && !pg->copy_out.client;
	if (is_passed || (pg->server.step == SERVER_PASS && !pg->server.is_dropped))
		return; /* in the midst of a message: anything written would be taken for its data
			 */
	if (pg->phase != PG_OVER)
		msg_add_error(out->to[TO_CLIENT], &e);
	pg->phase = PG_OVER;
}

/* = PostgreSQL documentation, "Asynchronous Operations": a NoticeResponse may come at any time between
 * messages. 00000: successful_completion, as the server's own notices have it. */
static void pg_notice(void *state, const char *text, const char *hint, struct sink *out)
{
	struct pg *pg = state;
	struct msg_error e = {.severity = "NOTICE", .sqlstate = "00000", .message = text, .hint = hint};
	if (pg->phase != PG_READY || (pg->server.step == SERVER_PASS && !pg->server.is_dropped))
		return;
	msg_add_notice(out->to[TO_CLIENT], &e);
}

static void pg_farewell(void *state, const char *sqlstate, const char *reason, struct sink *out)
{
	struct pg *pg = state;
	if (!pg->is_fatal && !pg->is_terminated) /* the server has said its own */
		say(pg, sqlstate, reason, out);
}

#define IDLE_KEEPS 1024 /* bytes of a buffer */

/* All was answered: what the last operation was made of is given back. Thousands of flows are idle at a time. */
static void rest(struct pg *pg)
{
	struct buf *const all[] = {&pg->client.body, &pg->deferred.body, &pg->server.head, &pg->scratch};
	bool is_idle = pg->phase == PG_READY && !pg->hold && !pg->client.is_pending && !pg->deferred.name &&
		       !pg->tracks.n && pg->server.step == SERVER_HEADER && pg->client.step == CLIENT_HEADER;
	if (!is_idle || !pg->arena.head)
		return;
	op_begin(pg);
	arena_done(&pg->arena);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i]->cap > IDLE_KEEPS)
			buf_done(all[i]);
}

/* The reason for which a flow ends is told where the client can still read it. */
static int finish(struct pg *pg, int err, struct sink *out)
{
	pg->sink = NULL;
	if (!err && (buf_err(out->to[TO_CLIENT]) || buf_err(out->to[TO_SERVER])))
		err = buf_err(out->to[TO_CLIENT]) ? buf_err(out->to[TO_CLIENT])
						  : buf_err(out->to[TO_SERVER]);
	if (!err)
		rest(pg);
	if (!err || err == ERR_HELD || err == ERR_CLOSED)
		return err;
	if (pg->phase == PG_READY)
		say(pg, pg->why ? pg->why_state : "08P01", pg->why ? pg->why : err_text(err), out);
	pg->phase = PG_OVER;
	return err;
}

/* A message that was held once and then had to wait has no unread bytes left to be offered again:
 * it goes on as soon as the server has said something. */
static int feed_server(struct pg *pg, struct cur *in, struct sink *out)
{
	if (pg->phase == PG_ENTERING)
		return entry_server(pg, in, out);
	if (pg->phase != PG_READY)
		return ERR_STATE;
	int err = server_feed(pg, in, out);
	if (!err && pg->is_terminated && !pg->tracks.n) {
		pg->phase = PG_OVER;
		return ERR_CLOSED;
	}
	if (err || !pg->client.is_pending || pg->hold)
		return err;
	err = client_dispatch(pg, out);
	pg->is_held_here = err == ERR_HELD;
	return err == PG_WAIT || err == ERR_HELD ? 0 : err;
}

static int pg_feed(void *state, enum dir d, struct cur *in, struct sink *out)
{
	struct pg *pg = state;
	int err = 0;
	pg->sink = out;
	if (pg->phase == PG_OVER)
		err = ERR_CLOSED;
	else if (d == FROM_SERVER)
		err = feed_server(pg, in, out);
	else if (pg->hold)
		err = pg->is_held_here ? 0 : ERR_HELD; /* resume comes for the side that was told */
	else if (pg->phase == PG_ENTERING)
		err = entry_client(pg, in, out);
	else
		err =
		    pg->phase == PG_STARTUP ? startup_feed(pg, in, out) : client_feed(pg, in, out);
	return finish(pg, err, out);
}

static const enum hold waits_for[] = {
    [RESUME_DECISION] = HOLD_DECISION, [RESUME_BARRIER] = HOLD_BARRIER,
    [RESUME_DIALLED] = HOLD_DIAL,      [RESUME_FACTS] = HOLD_FACTS,
    [RESUME_RESOLVED] = HOLD_NONE, /* of DNS: never asked for here */
    [RESUME_CANCELLED] = HOLD_CANCEL,
};

/* What was waited for came: on with the message. */
static int go_on(struct pg *pg, const struct resume *r, struct sink *out)
{
	switch (r->kind) {
	case RESUME_DIALLED:
		return startup_dialled(pg, r->dialled, out);
	case RESUME_BARRIER:
		pg->is_barrier_done = true;
		pg->is_dirty = false;
		return client_dispatch(pg, out);
	case RESUME_FACTS:
		pg->session.wants_facts = false;
		return client_dispatch(pg, out);
	case RESUME_DECISION:
		return client_decided(pg, r->decision, out);
	case RESUME_CANCELLED:
		pg->phase = PG_OVER;
		return ERR_CLOSED;
	case RESUME_RESOLVED:
		break;
	}
	return ERR_STATE;
}

static int pg_resume(void *state, const struct resume *r, struct sink *out)
{
	struct pg *pg = state;
	bool is_expected = pg->hold && waits_for[r->kind] == pg->hold &&
			   (r->kind != RESUME_DECISION || r->op_id == pg->deciding.op.id);
	int err = ERR_STATE;
	pg->sink = out;
	if (pg->phase == PG_OVER)
		err = ERR_CLOSED;
	else if (is_expected) {
		pg->hold = HOLD_NONE;
		pg->is_held_here = false;
		err = go_on(pg, r, out);
	}
	return finish(pg, err == PG_WAIT ? 0 : err, out);
}

static void pg_done(void *state)
{
	struct pg *pg = state;
	pg->sink = NULL;
	op_begin(pg);
	tracks_done(&pg->tracks);
	name_unref(pg->deferred.name);
	names_done(&pg->stmts);
	names_done(&pg->portals);
	session_done(&pg->session);
	buf_done(&pg->client.body);
	buf_done(&pg->deferred.body);
	buf_done(&pg->server.head);
	buf_done(&pg->scratch);
	copy_out_done(pg);
	entry_free(pg->entry);
	free(pg->formats);
	arena_done(&pg->arena);
}

static bool pg_is_same(void *state, const struct op *op)
{
	return op_is_same(state, op);
}

const struct proto proto_postgres = {
    .name = "postgres",
    .state_size = sizeof(struct pg),
    .open = pg_open,
    .feed = pg_feed,
    .resume = pg_resume,
    .notice = pg_notice,
    .is_same = pg_is_same,
    .farewell = pg_farewell,
    .done = pg_done,
};
