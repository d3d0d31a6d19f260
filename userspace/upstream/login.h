/* Reaching an upstream, in a worker: resolve, connect, and for PostgreSQL log in by libpq over a
 * socket of our own, so that ParameterStatus and BackendKeyData come to us as they are, and the
 * session is ours when libpq is done. PostgreSQL documentation, 55.2.1 (Start-up), 55.3 (SASL). */
#pragma once

#include "base/addr.h"
#include "base/arena.h"
#include "base/buf.h"
#include "upstream/credential.h"

struct msg_line;
struct tls;
struct tls_client;

/* Where to and how; all strings in the arena: a plan may be gone before the login is. */
struct target {
	struct arena arena;
	const char *resource;
	const char *upstream; /* "host:port", or NULL: asked */
	struct addr asked;
	const char *host;	/* by which it was asked for: a name or an address; for TLS */
	const char *credential; /* source; NULL for opaque flows */
	const char *user;     /* the client's own, as the policy lets it; NULL: the credential's */
	const char *database; /* NULL: the credential's */
	const char *place;    /* of options, those that change what names mean; NULL: none */
	const char *replication; /* libpq's "replication"; NULL: an ordinary session */
	const char *options;	 /* libpq's "options" */
	const char *application;
};

/* What came of it. */
struct login {
	int err;
	char why[WHY_MAX]; /* for the client: no secret, nothing of the server's text */
	char sqlstate[6];
	int fd;			   /* non-blocking, connected; the caller's */
	struct tls *tls;	   /* over it, or NULL; the caller's */
	struct tls_client *client; /* how TLS was begun; NULL without; a reference */
	struct addr peer;
	struct buf greeting; /* ParameterStatus messages as they came */
	struct buf leftover; /* what came behind ReadyForQuery */
	uint32_t pid, key;   /* BackendKeyData */
};

void login_init(struct login *l);
void login_done(struct login *l); /* closes fd */

/* Resolves and connects. deadline_ns: CLOCK_MONOTONIC. Sets l->err as well. */
must_check int login_connect(const struct target *t, uint64_t deadline_ns, struct login *l);
/* The whole way for PostgreSQL. */
must_check int login_postgres(struct msg_line *monitor, const struct target *t,
			      uint64_t deadline_ns, struct login *l);
/* The way up to the login: connected to the first host that answers, in TLS as the credential says. */
must_check int login_reach(struct msg_line *monitor, const struct target *t, uint64_t deadline_ns, struct login *l);
/* Sends a CancelRequest and waits for the server to close. client: over TLS; NULL: in clear. */
void login_send_cancel(const struct addr *peer, struct tls_client *client, uint32_t pid,
		       uint32_t key, uint64_t deadline_ns);
/* libpq reads PG* from the environment: none of it may reach a login. Once, before threads. */
void login_scrub_environment(void);
