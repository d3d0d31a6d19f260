/* A resource's credential: fetched from the monitor for one login, in memory that is locked and is
 * wiped. */
#pragma once

#include <libpq-fe.h>

#include "base/err.h"

struct msg_line;

struct credential {
	PQconninfoOption *options; /* as libpq parsed them, without the secrets */
	char *secrets;		   /* a secret_page(): what libpq never sees */
};

#define WHY_MAX 200

/* source: as the policy names it. It may name no user: the client may be the one who does. ret_why
 * says what is wrong, without anything of the content.
 * ERR_DENIED (the monitor refuses), ERR_MALFORMED (neither a URL nor key=value), ERR_UNSUPPORTED
 * (it demands what cannot be given: GSSAPI encryption), ERR_CLOSED. Blocks: for workers. */
must_check int credential_fetch(struct msg_line *monitor, const char *source,
				struct credential *ret, char ret_why[WHY_MAX]);
/* Opened by the monitor: a credential, or a file that one names. */
must_check int credential_file(struct msg_line *monitor, const char *source, int *ret_fd,
			       char ret_why[WHY_MAX]);
/* The same from text: for tests and for credential_fetch. text is not kept. */
must_check int credential_parse(char *text, struct credential *ret, char ret_why[WHY_MAX]);
/* NULL if it is not set. Lives as long as the credential. */
const char *credential_get(const struct credential *c, const char *keyword);
void credential_done(struct credential *c);

/* A page of zeros that is not swapped out nor dumped, if the limits allow; wiped when it is freed.
 * NULL: out of memory. */
char *secret_page(void);
void secret_page_free(char *page);
/* The content of a source, at most 4000 bytes, into such a page. As credential_fetch, without
 * reading what it says. */
must_check int secret_fetch(struct msg_line *monitor, const char *source, char *page,
			    size_t *ret_len, char ret_why[WHY_MAX]);
/* The same of a key to hash with, without the line's end. ERR_LIMIT: it is too short; ret_why says what makes one. */
must_check int secret_key_fetch(struct msg_line *monitor, const char *source, char *page,
				size_t *ret_len, char ret_why[WHY_MAX]);
