/* The client's side of SCRAM-SHA-256, with and without channel binding. Sans-I/O. RFC 5802, 7677,
 * 5929 (tls-server-end-point); PostgreSQL documentation, "SASL Authentication". */
#pragma once

#include "base/buf.h"

#define SCRAM_NONCE_MAX	  40
#define SCRAM_FIRST_MAX	  64
#define SCRAM_SERVER_MAX  1024 /* of the server's first message */
#define SCRAM_HASH	  32
#define SCRAM_BINDING_MAX 64

struct scram {
	const char *gs2; /* its header: "n,,", "y,,", "p=tls-server-end-point,," */
	uint8_t binding[SCRAM_BINDING_MAX];
	size_t n_binding;
	char nonce[SCRAM_NONCE_MAX];
	char bare[SCRAM_FIRST_MAX]; /* client-first-message-bare */
	uint8_t server_signature[SCRAM_HASH];
};

/* How the channel is bound. */
enum scram_channel {
	SCRAM_NO_CHANNEL, /* there is none to bind to */
	SCRAM_UNBOUND, /* we could, and the server does not offer it: it will say if that is a lie
			*/
	SCRAM_BOUND,
};

/* Appends the client's first message. binding: of the server's certificate, for SCRAM_BOUND. nonce:
 * NULL for a random one. ERR_LIMIT, -EIO. */
must_check int scram_first(struct scram *s, enum scram_channel channel, struct span binding,
			   const char *nonce, struct buf *out);
/* From the server's first message: appends the client's final one, with its proof. Its iterations
 * are at least 1 and at most 1,000,000. password: UTF-8, or bytes as they are if it is none.
 * ERR_MALFORMED, ERR_LIMIT, -ENOMEM. */
must_check int scram_final(struct scram *s, struct span server, const char *password,
			   struct buf *out);
/* Has the server shown that it knows the password, too? 0, ERR_VERIFY. */
must_check int scram_check(const struct scram *s, struct span server);
void scram_wipe(struct scram *s);
