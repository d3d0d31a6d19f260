/* TLS to an upstream, as libpq's sslmode and its relatives in a credential ask for it. PostgreSQL
 * documentation, "SSL Support" of libpq (34.19), "SSL Session Encryption" (55.2.10). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "upstream/credential.h"

struct msg_line;
struct ssl_ctx_st;
struct tls;

enum tls_mode { TLS_DISABLE, TLS_PREFER, TLS_REQUIRE, TLS_VERIFY_CA, TLS_VERIFY_FULL };

/* Shared by a session and its cancel requests, and by sessions that came within a minute with the same settings and
 * the same files: the certificates of a store are larger than all that a session needs beside them. */
struct tls_client {
	struct tls_client *next; /* of those that are shared: tls_share.c */
	int refs;
	uint8_t sum[32]; /* of all that it is made from */
	uint64_t made_ns;
	enum tls_mode mode;
	bool is_direct; /* sslnegotiation=direct: no SSLRequest before it */
	bool has_sni;
	struct ssl_ctx_st *ctx;
	char host[256]; /* whom the certificate has to name: a DNS name or an address */
};

/* From a credential; its files are read through the monitor. *ret_c is NULL for sslmode=disable.
 * host: "" if it is not known by a name. Without sslrootcert, verify-ca and verify-full trust the
 * system's store; with it, require checks as verify-ca does. ERR_CONFIG, ERR_DENIED,
 * ERR_UNSUPPORTED with ret_why. Blocks: for workers. */
must_check int tls_client_new(struct msg_line *monitor, const struct credential *c,
			      const char *host, struct tls_client **ret_c, char ret_why[WHY_MAX]);
/* t, which was just made, or one that is the same and not older than a minute: then t is freed. */
struct tls_client *tls_client_share(struct tls_client *t);
struct tls_client *tls_client_ref(struct tls_client *c);
void tls_client_unref(struct tls_client *c);

/* Turns a fresh connection into TLS. *ret_t stays NULL if the server has none and mode lets that
 * be. deadline_ns: CLOCK_MONOTONIC. ERR_UPSTREAM (it has no TLS), ERR_VERIFY, -ETIMEDOUT, -EPROTO,
 * ... with ret_why. */
must_check int tls_client_start(struct tls_client *c, int fd, uint64_t deadline_ns,
				struct tls **ret_t, char ret_why[WHY_MAX]);
/* The same connection is sure to be who it should be. */
bool tls_client_is_verified(const struct tls_client *c);
