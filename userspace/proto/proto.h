/* The interface of a wire module: sans-I/O. Bytes in, verbs out. A module never opens a socket, logs,
 * reads a clock or knows a rule. Fed byte by byte or whole, it gives the same result.
 *
 * The flow owns a module's state (state_size bytes, zeroed), the unread input of both directions and
 * the two output buffers. It calls feed whenever there is input; what feed does not consume stays in
 * the flow's buffer and is offered again, longer.
 *
 * Backpressure: a feed that returns 0 with bytes unread waits for more of them or for what the other
 * side says (a full queue, an answer that decides what a name means). So after whatever is fed from
 * one side, the flow offers the unread bytes of the other side again. */
#pragma once

#include "base/addr.h"
#include "base/arena.h"
#include "base/buf.h"
#include "policy/op.h"

/* What one feed or resume may add to an output buffer beyond the bytes that it consumes: a message
 * that was gathered before it was decided. The limits of both output buffers must be larger. */
#define PROTO_BURST_MAX (17 * 1024 * 1024)
/* The unread input that a module may leave: the input buffers must hold at least this. */
#define PROTO_UNREAD_MAX (64 * 1024)

enum dir { FROM_CLIENT, FROM_SERVER };
enum end { TO_CLIENT, TO_SERVER };

struct catalog;

/* What a module asks of the upstream when the client has said where it wants to go. Borrowed. */
struct dial {
	const char *user, *database; /* postgres: as the client said; user is not used for the login */
	const char *replication; /* postgres: its startup parameter, or NULL */
	const char *const *options;  /* startup parameters to set on the session: name, value, ..., NULL */
};

/* What the flow answers. Borrowed until resume returns. */
struct dialled {
	int err;               /* 0 or a negative code */
	const char *reason;    /* for people, when err < 0; never holds a secret */
	const char *sqlstate;  /* postgres: the code to show, e.g. "28000", "08006"; may be NULL */
	struct span greeting;  /* postgres: the server's ParameterStatus messages as they came */
	uint32_t cancel_pid, cancel_key; /* postgres: what the client is to be told (ours) */
	const char *search_path; /* postgres: the login's default search_path, as SHOW gives it */
	/* postgres: the client is to log in itself: the startup packet to send. Then greeting to search_path come
	 * with a second answer, to entered(). */
	struct span startup;
	bool is_tls, is_verified; /* towards the server, and it is sure who that is: for a login of the client's */
};

/* The client has logged in itself, or the server has not let it. Borrowed. */
struct entered {
	const char *why;   /* NULL: it has; else what the record says, without a secret */
	const char *user;  /* current_user of the session; NULL: replication */
	uint32_t pid, key; /* BackendKeyData, as the server gave it */
};

/* What a held feed waits for. */
enum resume_kind {
	RESUME_DECISION, /* for op_id: ev->decision; its event is accepted (and on disk if permanent) */
	RESUME_BARRIER,  /* all events of this flow so far are on disk */
	RESUME_DIALLED,  /* ev->dialled: after dial, and after entered */
	RESUME_FACTS,    /* the catalogue was reloaded */
	RESUME_RESOLVED, /* ev->resolved */
	RESUME_CANCELLED, /* what was asked with cancel() is done */
};

/* dns: what a declared name resolves to. Borrowed until the module returns; ports are 0. */
struct resolved {
	int err; /* 0; ERR_NOT_FOUND: the name does not exist; else it could not be resolved now */
	const struct addr *addrs;
	int n_addrs;
	uint32_t ttl_s;
};

struct resume {
	enum resume_kind kind;
	uint64_t op_id;
	const struct decision *decision;
	const struct dialled *dialled;
	const struct resolved *resolved;
};

struct sink;

struct sink_ops {
	/* Decide and record. 0: ret_decision is filled in; ERR_HELD: resume will bring it. op and all
	 * it points to must stay valid until then. Other codes: close the flow. */
	int (*op)(struct sink *s, const struct op *op, struct decision *ret_decision);
	/* Does what was decided under that policy (decision.plan), by that mandate (NULL: nobody was asked),
	 * still hold, so that what was bound by it may run? */
	bool (*stands)(struct sink *s, uint64_t plan, const struct mandate *m);
	/* 0 if all events of this flow are on disk, ERR_HELD otherwise. */
	int (*barrier)(struct sink *s);
	/* Always ERR_HELD on success. */
	int (*dial)(struct sink *s, const struct dial *d);
	/* After a dial that left the login to the client. ERR_HELD until all else that a session needs is there;
	 * with why 0: the flow knows, and the module ends it. */
	int (*entered)(struct sink *s, const struct entered *e);
	/* The catalogue lacks a name or is stale: reload. ERR_HELD, or 0 if it is as fresh as can be. */
	int (*facts)(struct sink *s);
	/* Are the catalogue's views still what they were? ERR_HELD: resume (RESUME_FACTS) comes when that
	 * is so, or when it was reloaded. 0: no catalogue is used. */
	int (*views)(struct sink *s);
	/* The names of a result's columns (once per result), then its rows; p NULL is SQL NULL.
	 * is_whole: it is all of the row; else its last field may be cut, and those behind it are not there.
	 * formats: 0 text, 1 binary, per column. */
	void (*columns)(struct sink *s, uint64_t op_id, const struct span *names,
			const uint16_t *formats, int n);
	/* The catalogue was seen to be out of date: everybody's next operation waits for a new one. */
	void (*stale)(struct sink *s);
	void (*row)(struct sink *s, uint64_t op_id, const struct span *fields, int n, bool is_whole);
	/* The operation has ended. */
	void (*result)(struct sink *s, uint64_t op_id, const struct op_result *r);
	/* postgres: a CancelRequest with our pid and key: the flow finds the session, checks that it is
	 * of the same workload, and sends the real one upstream. ERR_HELD until that is done, or 0. */
	int (*cancel)(struct sink *s, uint32_t pid, uint32_t key);
	/* The client's side goes on in TLS: what was written to it so far goes out as it is, what is fed
	 * and written from here on passes through TLS. first: its bytes that were read already. is_direct:
	 * the client did not ask in the protocol's words before. NULL where there is none. */
	int (*start_tls)(struct sink *s, struct span first, bool is_direct);
	/* dns: 0 and ret filled in, or ERR_HELD (name must stay valid until then). */
	int (*resolve)(struct sink *s, const char *name, struct resolved *ret);
};

struct sink {
	struct buf *to[2]; /* by enum end */
	const struct sink_ops *ops;
	/* Bytes that go out before those in to, from where they were read: so that what goes through in bulk is not
	 * copied. The flow says for which end it takes them, and has sent them before it reads again. */
	bool may_lend[2];
	struct span lent[2];
};

static inline void sink_send(struct sink *s, enum end e, const void *p, size_t n)
{
	buf_add(s->to[e], p, n);
}

/* Bytes that go through as they came: from the client to the server, or the other way. */
static inline void sink_pass(struct sink *s, enum dir d, struct span bytes)
{
	buf_add_span(s->to[d == FROM_CLIENT ? TO_SERVER : TO_CLIENT], bytes);
}

#define MASK_LIMIT_DEFAULT (16 * 1024 * 1024)

/* Lives as long as the flow. */
struct proto_env {
	/* postgres: the catalogue in force, borrowed until the module returns; NULL before the dial. */
	const struct catalog *(*catalog)(void *ctx);
	void *ctx;
	/* The rules of this role on this resource let unclassified text through. */
	bool is_opaque_allowed;
	bool is_replication_allowed; /* postgres: a rule names it, and there are no masks */
	bool has_masks; /* and some of its columns are masked */
	bool wants_rows; /* columns() and row() are wanted */
	/* postgres: bytes that are kept of a row, up to the end of its last masked column; 0: MASK_LIMIT_DEFAULT. At
	 * most that, so that it fits into PROTO_BURST_MAX. */
	size_t mask_limit;
	bool is_tls_offered, is_tls_required; /* towards the client */
	const char *destination; /* tcp: what was asked for, "name:port" or "address:port" */
	bool is_datagram; /* dns: over UDP, one message a flow; framed by its length all the same */
};

struct proto {
	const char *name;
	size_t state_size;
	bool server_speaks_first; /* fed with nothing from the client at once, so that it can dial */
	bool keeps_half_open; /* one side's end of stream is passed on; else it ends the flow */
	must_check int (*open)(void *state, const struct proto_env *env);
	/* Consumes what it can from in. Returns
	 *   0            consumed what there was, or needs more bytes than are there
	 *   ERR_HELD     waits for resume; not fed in this direction until then (the other direction is)
	 *   ERR_CLOSED   done: flush what was written, then close
	 *   else         a breach of the protocol (ERR_MALFORMED, ERR_LIMIT, ERR_STATE, ...): what was
	 *                written to the client is flushed, then the flow is closed with that reason */
	must_check int (*feed)(void *state, enum dir d, struct cur *in, struct sink *out);
	/* Same results as feed. */
	must_check int (*resume)(void *state, const struct resume *r, struct sink *out);
	/* Something to tell the client while an operation of its is held; may be NULL, and may write nothing where
	 * nothing may be written now. text is for people. */
	void (*notice)(void *state, const char *text, const char *hint, struct sink *out);
	/* Before an operation that was held for people goes on: do the names in it, read with the catalogue in force,
	 * need what they needed when it was decided? NULL: nothing is read by names. */
	bool (*is_same)(void *state, const struct op *op);
	/* The flow ends from our side (expiry, revocation, shutdown, upstream lost): say so to the client
	 * in the protocol's own words. reason is for people. May write nothing. */
	void (*farewell)(void *state, const char *sqlstate, const char *reason, struct sink *out);
	void (*done)(void *state);
};

/* By resource protocol: "postgres", "tcp"; and "dns". NULL if there is none. */
const struct proto *proto_by_name(const char *name);
