/* Between the record's lines and whoever reads them: payloads that are packed or sealed are opened,
 * where that can be done, and it is said where it cannot. */
#pragma once

#include "cli/record_source.h"

/* A private key's file -> an opener, the caller's (record/opener.h). Says on stderr what is wrong
 * with it. file NULL: *ret_o is NULL. */
must_check int opened_key(const char *file, struct opener **ret_o);
/* As record_ask, for events and exports. With an opener, "text" and "limit" count for what was
 * opened. */
must_check int opened_ask(struct record_source *s, const char *kind, const json_t *filters,
			  record_line on_line, void *ctx);
