/* Between the files that act on a client's message and those that act on the server's answers. */
#pragma once

#include "proto/postgres/pg.h"

/* client's messages: query.c, extended.c. body: of the message, valid while it is pending.
 * 0: done; PG_WAIT; ERR_HELD; or an error that ends the flow. */
must_check int on_query(struct pg *pg, struct span body, struct sink *out);
/* replication.c: a command of a replication connection. */
must_check int on_replication(struct pg *pg, struct span text, struct sink *out);
must_check int on_call(struct pg *pg, struct span body, struct sink *out);
must_check int on_parse(struct pg *pg, struct span body, struct sink *out);
must_check int on_bind(struct pg *pg, struct span body, struct sink *out);
must_check int on_describe(struct pg *pg, struct span body, struct sink *out);
must_check int on_execute(struct pg *pg, struct span body, struct sink *out);
must_check int on_close(struct pg *pg, struct span body, struct sink *out);
must_check int on_sync(struct pg *pg, struct span body, struct sink *out);
must_check int on_flush(struct pg *pg, struct span body, struct sink *out);
must_check int on_copy_end(struct pg *pg, struct span body, struct sink *out);
/* Decides a deferred Parse for itself. 0: it is settled. */
must_check int extended_settle(struct pg *pg, struct sink *out);
/* Waits until what was accepted is on disk. 0, ERR_HELD, ... */
must_check int pg_barrier(struct pg *pg, struct sink *out);
must_check int pg_send_sync(struct pg *pg, struct sink *out);
/* extended.c: sends a message of the extended protocol, and notes that it is to be answered. */
must_check int extended_send(struct pg *pg, uint8_t type, struct span body, struct track t, struct sink *out);
/* A Describe of it goes out in this stretch. */
void extended_note_describe(struct pg *pg, struct name *portal);
/* effects.c: the operation of a portal ends, once: by its tag, by an error (whole), or, both NULL, because the
 * portal is gone. */
void portal_end(struct name *portal, const char *tag, const struct op_result *error, struct sink *out);
/* Forgets a deferred Parse: the pipeline has failed before it. */
void extended_forget(struct pg *pg);
bool extended_is_bind_of_deferred(const struct pg *pg, struct span body);

/* op.c: what a text needs. */
struct reading {
	struct sql_entry *entry; /* with a reference; NULL: it cannot be read */
	const char *why;	 /* then, for people */
};
/* Reads a text under a view of the session, with the catalogue as fresh as it needs. 0, ERR_HELD,
 * ... */
must_check int op_read(struct pg *pg, struct span text, const struct sql_session *view,
		       struct sink *out, struct reading *ret);
/* Does the held operation need, by the catalogue in force, what it needed when it was decided? */
bool op_is_same(struct pg *pg, const struct op *op);
/* Brings the analysis of a prepared statement up to date. 0, ERR_HELD, ... */
must_check int op_refresh(struct pg *pg, struct prepared *p, struct sink *out);
/* Forgets the operation before: first of all in a handler. */
void op_begin(struct pg *pg);
struct need op_opaque(const char *why);
/* Is what this version of a name means still open: made or ended by a message without an answer? In
 * the segment that makes it it is not: whoever uses it fails with what makes it. */
static inline bool name_is_open(const struct pg *pg, const struct name *n)
{
	return n->closing || (!n->is_live && n->segment != pg->segment);
}
/* Notes under which state of the session p was analysed; why: that it could not be. */
void op_stamp(struct pg *pg, struct prepared *p, const char *why);
/* Fills deciding.op for all statements of r (index -1) or one. r NULL: unclassified, because of
 * why. 0, PG_WAIT (a name is not known yet), ERR_HELD, -ENOMEM, ... */
must_check int op_build(struct pg *pg, struct span text, const struct sql_result *r, int index,
			const char *why, struct sink *out);
/* Asks for the decision on deciding.op, then calls after, at once or in resume. */
/* Text that cannot run: on record, then answered with e. After op_begin; message is copied. */
must_check int op_broken(struct pg *pg, struct span text, const struct msg_error *e,
			 struct sink *out);
must_check int op_decide(struct pg *pg, struct sink *out,
			 int (*after)(struct pg *pg, const struct decision *d, struct sink *out));
/* The operation was let through: what must be on disk before what. */
void op_accepted(struct pg *pg);
/* Notes what the decision hides, and what its rows are masked by: a reference for what is sent, or NULL.
 * 0, -ENOMEM. */
must_check int op_masking(struct pg *pg, const struct decision *d, struct masking **ret);
/* It goes on with what passed by m (NULL: people were not asked). -ENOMEM. */
must_check int op_go_on(struct pg *pg, const struct mandate *m);
/* It ended before the server saw it. */
void op_skipped(uint64_t op_id, struct sink *out);
/* Is the session surely in a transaction block by the time that the next message is read? */
bool op_in_block(const struct pg *pg);

/* query.c: what a text that was sent may change before it is answered. */
void track_add_changes(const struct pg *pg, struct track *t, const struct sql_stmt *st);
/* Is this text to be refused as one that cannot be parsed? If a rule lets such text pass, r is
 * unclassified afterwards. */
bool reading_is_refused(const struct pg *pg, struct reading *r);
struct msg_error refuse_syntax(const struct sql_result *r);

/* refuse.c: what was refused is answered so that the session goes on as it would have if the server
 * itself had refused. */
must_check int refuse_query(struct pg *pg, const struct msg_error *e, struct sink *out);
must_check int refuse_extended(struct pg *pg, const struct msg_error *e, struct sink *out);
must_check int refuse_unknown_portal(struct pg *pg, struct span name, struct sink *out);
/* The server is made to say itself that this statement is not there. */
must_check int refuse_unknown_statement(struct pg *pg, struct span name, struct sink *out);
#define REFUSE_DETAIL 100
/* The error that tells of the decision on deciding.op; borrows from d and from ret_detail. */
struct msg_error refuse_words(const struct pg *pg, const struct decision *d, char ret_detail[REFUSE_DETAIL]);
static inline bool decision_passes(const struct decision *d)
{
	return d->effect == EFFECT_ALLOW;
}

#define MASK_CHANGED                                                                                       \
	"masks hide columns from this role, and the server's result is not the one that was decided on: "  \
	"a table has changed meanwhile; ask again"
#define MASK_TOO_LONG                                                                                      \
	"what a row holds up to its last masked column is longer than the gateway keeps: mask_limit in its "       \
	"configuration, at most 16 MiB; a long column without a mask may stand behind the masked ones"
#define MASK_COPY_ALONE                                                                                    \
	"masks hide columns from this role: COPY must be the only statement of its text, so that the server can "  \
	"say first which columns it writes"
/* Notes what is said of the error that ends the flow; static strings. Returns err. */
static inline int pg_fails(struct pg *pg, int err, const char *sqlstate, const char *why)
{
	pg->why = why;
	pg->why_state = sqlstate;
	return err;
}

/* copy_ask.c: COPY is not described by the server: in front of it, in its transaction, we have a SELECT of the same
 * columns described, which locks what it names, too. The session's other names are left alone. */
/* Is what form writes to be compared with what was decided on? */
bool copy_is_asked(const struct sql_stmt *st, const struct masking *m, int index);
/* is_query: a Query comes behind, which ends the unnamed statement. */
must_check int copy_ask(struct pg *pg, const char *shape, struct masking *m, bool is_query, struct sink *out);
/* What was asked in front of a Query failed with an error that the client was shown. */
must_check int copy_ask_failed(struct pg *pg, const struct msg_error_read *e, struct sink *out);

/* track.h's entry, numbered and pushed. */
must_check int pg_track(struct pg *pg, struct track t);

/* answer.c: one answer of the server; head: the body, or its beginning. */
enum verdict { ANSWER_PASS, ANSWER_DROP, ANSWER_REWRITTEN /* what was not gathered goes on */ };
must_check int answer_take(struct pg *pg, uint8_t type, struct span head, struct sink *out,
			   enum verdict *ret_v);
/* rows.c: how much of the body of a DataRow that is to be rewritten must be gathered, as far as have tells; 0: no
 * more. */
size_t rows_wanted(struct pg *pg, struct span have);
/* answer.c: all whole DataRows that lie in the input, where rows are masked. */
must_check int answer_rows(struct pg *pg, struct cur *in, struct sink *out);
/* server.c: a message that goes through as it is. */
void server_pass(struct pg *pg, struct span message, struct sink *out);
/* How much of a message's body must be gathered before answer_take; -1: no such message. */
int answer_head(const struct pg *pg, uint8_t type, bool *ret_whole);
