/* The client proves to the server itself who it is: what both say until then passes through here, message by
 * message, and nothing of it is kept. PostgreSQL documentation, 55.2.1 (Start-up), 55.3 (SASL Authentication).
 *
 * Passed: the password in clear, to a server that is sure to be the right one; md5; SCRAM-SHA-256.
 * SCRAM-SHA-256-PLUS is taken out of what the server offers: TLS ends at the gateway, so its binding could not
 * hold. What else the server asks for, and a server that asks for nothing, ends the flow. */
#pragma once

#include "proto/postgres/pg.h"

/* The connection is there: sends d->startup. -ENOMEM. */
must_check int entry_begin(struct pg *pg, const struct dialled *d, struct sink *out);
/* As proto->feed, while the phase is PG_ENTERING. Whole messages are taken, or nothing. */
must_check int entry_client(struct pg *pg, struct cur *in, struct sink *out);
must_check int entry_server(struct pg *pg, struct cur *in, struct sink *out);
/* Of one that is done: ParameterStatus and notices as they came, and search_path as SHOW gives it. */
struct span entry_greeting(const struct entry *e);
const char *entry_search_path(const struct entry *e);
void entry_free(struct entry *e);
