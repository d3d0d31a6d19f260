/* The state of one PostgreSQL flow and what the files of this folder share. The way of a client's
 * message: client.c frames it, waits where its meaning is not known yet, and hands it to query.c or
 * extended.c; op.c says what it needs; refuse.c answers what was refused. The server's side:
 * server.c frames, answer.c matches each answer with what was sent (track.h) and moves the state
 * on. */
#pragma once

#include "proto/postgres/msg.h"
#include "proto/postgres/names.h"
#include "proto/postgres/session.h"
#include "proto/postgres/track.h"
#include "proto/proto.h"

/* Internal to this folder: nothing to do before the server has answered, or more bytes have come.
 */
#define PG_WAIT 1

struct pg;

enum phase { PG_STARTUP, PG_DIALLING, PG_ENTERING, PG_READY, PG_OVER };
enum hold { HOLD_NONE, HOLD_DIAL, HOLD_DECISION, HOLD_BARRIER, HOLD_FACTS, HOLD_CANCEL };

enum client_step { CLIENT_HEADER, CLIENT_GATHER, CLIENT_PASS, CLIENT_DROP };
struct client_in {
	enum client_step step;
	uint8_t type;
	uint32_t left;	 /* bytes of the body to come */
	bool is_pending; /* body holds a message that was not acted on yet */
	bool is_too_big; /* its body is dropped, then it is refused */
	struct buf body;
};

enum server_step { SERVER_HEADER, SERVER_GATHER, SERVER_PASS, SERVER_COPY };
struct server_in {
	enum server_step step;
	uint8_t type;
	uint32_t left; /* bytes of the body that are not gathered or passed yet */
	uint32_t body_len;
	bool is_dropped; /* what is left of this message is not for the client */
	uint32_t wanted; /* bytes of the body to gather */
	struct buf head;
	struct span run; /* whole messages in the input that go through as they are */
};

struct copy_in {
	bool is_open;	   /* the server reads CopyData */
	bool is_done_sent; /* CopyDone or CopyFail went behind it */
	bool is_out;	   /* the server writes CopyData */
	bool has_data;
	bool is_sync_late; /* a Sync came behind data: the server ignores it, unless the COPY fails
			      first */
};

/* The data of a COPY TO that is rewritten, or recorded in another form. */
struct copy_out {
	struct copy_mask *client, *record; /* NULL: as it is; not recorded */
	struct masking *masking;	   /* that they borrow from */
	struct buf held, recorded;	   /* of the message that is being read */
	uint64_t op_id;
};

/* cut.h */
struct cut {
	bool is_on;
	const char *why, *sqlstate; /* static strings */
};

/* What the decision that is waited for is about. */
struct deciding {
	struct op op;
	bool is_settling; /* a deferred Parse: the message that came behind it is still to be acted
			     on */
	bool is_simple;	  /* a Query: an implicit transaction ends with it */
	const struct result_lineage *result; /* op.results where there is one */
	struct msg_error broken; /* of op.broken; strings in the arena or static */
	struct prepared **targets; /* references that op borrows from */
	int n_targets;
	struct sql_entry **entries; /* of cursors that it reads from, as long as targets */
	struct prepared *stmt;
	struct name *portal;	/* an Execute's that is decided for itself, and its analysis; references */
	struct sql_entry *opened;
	struct msg_bind bind;
	int (*after)(struct pg *pg, const struct decision *d, struct sink *out);
};

/* A Parse that was read but not sent: if its Bind follows they are one operation. */
struct deferred {
	struct name *name; /* NULL: none */
	struct buf body;
};

struct entry;

struct pg {
	struct proto_env env;
	enum phase phase;
	enum hold hold;
	bool is_held_here; /* while the server's bytes were fed */
	bool is_ssl_asked, is_gss_asked, is_tls;
	bool is_terminated;  /* the client has said its last; what it asked for before is still answered */
	bool is_replication; /* replication.c: commands and streams instead of statements */
	uint64_t streamed;   /* bytes of CopyData from the server since the last command */
	bool is_fatal;	   /* the server has ended the session */
	bool in_segment;   /* extended messages went to the server since the last Sync */
	bool is_unflushed; /* and none that makes it answer */
	bool discards; /* the pipeline has failed: the client's messages are dropped to its Sync */
	bool is_dirty; /* an accepted write may not be on disk yet */
	bool wrote_in_tx;
	bool has_masks; /* decisions on this flow mask: rows are looked into */
	/* What runs touches masked columns: what the server says of it is not shown, or not recorded. Until
	 * all is answered and no transaction is open. */
	bool hides, hides_record;
	bool is_barrier_done, is_facts_asked, are_views_asked; /* for the pending message */
	uint32_t segment, names_version;
	uint64_t last_op, last_seq;
	char database[64], user[64]; /* NAMEDATALEN: what the server makes of a longer name */
	const char **options; /* of the startup packet, in the arena until the dial is over: name, value, ..., NULL */
	struct sink *sink;   /* of the call that is under way */
	const char *why, *why_state; /* of the error that ends the flow, and its SQLSTATE; NULL: the code's own */
	char answer_tag[64]; /* of the Query that is being answered: its last CommandComplete */
	struct entry *entry; /* while the client logs in itself, else NULL: entry.h */
	uint16_t *formats;   /* of the Query's result that is being answered */
	int n_formats;
	struct buf scratch;  /* masked fields of a row that is recorded */
	struct arena arena;  /* the startup packet; then the operation that is being decided */
	struct client_in client;
	struct server_in server;
	struct copy_in copy;
	struct copy_out copy_out;
	struct cut cut;
	struct deciding deciding;
	struct deferred deferred;
	struct session session;
	struct names stmts, portals;
	struct tracks tracks;
};

/* startup.c */
must_check int startup_feed(struct pg *pg, struct cur *in, struct sink *out);
must_check int startup_dialled(struct pg *pg, const struct dialled *d, struct sink *out);

/* client.c */
must_check int client_feed(struct pg *pg, struct cur *in, struct sink *out);
/* Acts on the message in body, again after a hold. 0, PG_WAIT, ERR_HELD, ... */
must_check int client_dispatch(struct pg *pg, struct sink *out);
/* A decision came for it. */
must_check int client_decided(struct pg *pg, const struct decision *d, struct sink *out);

/* server.c */
must_check int server_feed(struct pg *pg, struct cur *in, struct sink *out);
/* Writes out what server.run holds: before anything else is written to the client. */
void server_flush(struct pg *pg, struct sink *out);
