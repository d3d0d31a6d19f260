/* Between the files that act on the server's answers. */
#pragma once

#include "proto/postgres/work.h"

/* rows.c: result columns and rows, masked and for the record; where nothing is masked, malformed ones are
 * left to the client to judge. */
/* ERR_DENIED: a result that may not be shown, or that is not what was decided on. -ENOMEM. */
must_check int rows_described(struct pg *pg, struct track *t, struct span head, struct sink *out);
/* What the rows that t is answered with need: ret_m->r NULL: nothing; ret_m->n 0: not to be rewritten.
 * ERR_DENIED: they may not be shown. */
must_check int rows_begin(struct pg *pg, const struct track *t, struct row_mask *ret_m);
/* A DataRow (m->r is there): written as the client may see it where m->n is not 0. ERR_DENIED, ERR_MALFORMED. */
must_check int rows_mask(struct pg *pg, struct track *t, const struct row_mask *m, struct span body,
			 struct sink *out);
/* What was decided on the result that t is answered with now; NULL: nothing is masked. */
const struct mask_result *rows_result(const struct track *t);
void rows_data(struct pg *pg, struct track *t, struct span head, struct sink *out);
void rows_copy(struct pg *pg, struct track *t, struct span head, struct sink *out);

/* effects.c: what a completed statement did to the session: settings, names, transaction.
 * tag: CommandComplete's. 0, -ENOMEM, ... */
must_check int effects_of_query(struct pg *pg, struct track *t, const char *tag);
must_check int effects_of_execute(struct pg *pg, struct track *t, const char *tag);
