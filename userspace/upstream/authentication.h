/* Answers a server's requests to authenticate, so that libpq never sees a password: it is told of
 * their end. The password stays in the credential's locked page. PostgreSQL documentation, 55.2.1
 * (Start-up), 55.3 (SASL). */
#pragma once

#include "base/buf.h"
#include "upstream/scram.h"

struct credential;
struct tls;

enum authentication_state {
	AUTHENTICATION_NONE,
	AUTHENTICATION_ASKED,  /* SCRAM's first message is sent */
	AUTHENTICATION_PROVED, /* its final one is */
	AUTHENTICATION_DONE,   /* all is given and checked: AuthenticationOk may come */
};

struct authentication {
	const char *user;
	const struct credential *credential;
	struct tls *tls;  /* to the server, or NULL */
	bool is_verified; /* it is sure whose that is: the password may go in clear */
	enum authentication_state state;
	struct scram scram;
};

/* What is wrong, for the client: no secret. */
struct authentication_fault {
	const char *sqlstate, *why;
};

/* body: of an Authentication message ('R'); the answer is appended to out, whole. 0: go on; 1:
 * AuthenticationOk. ERR_DENIED, ERR_UNSUPPORTED, ERR_MALFORMED, ERR_VERIFY, ERR_LIMIT, -ENOMEM,
 * with *ret. */
must_check int authentication_take(struct authentication *a, struct span body, struct buf *out,
				   struct authentication_fault *ret);
void authentication_done(struct authentication *a);
