/* A result that may not be shown any further, or at all: where the protocol allows it its statement fails and the
 * session goes on. What the server still says of it is dropped, and the error stands where the server's own would:
 * in a transaction block the server is made to fail, too. Where more was sent than reads of this one pipeline the
 * flow ends instead: what the client would be told to have failed would have happened. PostgreSQL documentation,
 * "Message Flow". */
#pragma once

#include "proto/postgres/answer.h"

/* err: of a step of the server's side. 0: what pg_fails noted is an error of the statement now; else err, or another
 * one, ends the flow. */
must_check int cut_begin(struct pg *pg, int err, struct sink *out);
/* While cut.is_on: a message of the server for t. *ret_is_taken false: it is to be acted on as ever. */
must_check int cut_take(struct pg *pg, uint8_t type, struct track *t, bool *ret_is_taken);
/* Is a message of the server to be kept from the client? */
bool cut_drops(const struct pg *pg, uint8_t type);
/* ReadyForQuery was acted on: the client is told. *ret_is_shown: and is shown it. */
must_check int cut_end(struct pg *pg, struct sink *out, bool *ret_is_shown);
