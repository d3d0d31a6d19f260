/* Between the files that act on the server's answers. */
#pragma once

#include "proto/postgres/work.h"

/* rows.c: result columns and rows for the record; malformed ones are left to the client to judge.
 */
void rows_described(struct pg *pg, struct track *t, struct span head, struct sink *out);
void rows_data(struct pg *pg, struct track *t, struct span head, struct sink *out);
void rows_copy(struct track *t, struct span head, struct sink *out);

/* effects.c: what a completed statement did to the session: settings, names, transaction.
 * tag: CommandComplete's. 0, -ENOMEM, ... */
must_check int effects_of_query(struct pg *pg, struct track *t, const char *tag);
must_check int effects_of_execute(struct pg *pg, struct track *t, const char *tag);

/* The operation of a portal ends, once: by its tag, by an error (whole), or, both NULL, because the
 * portal is gone. */
void portal_end(struct name *portal, const char *tag, const struct op_result *error,
		struct sink *out);
