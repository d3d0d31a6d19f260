/* Several hosts of one upstream, and which of them will do: "host:port,host:port" and libpq's
 * target_session_attrs, decided by what the server reports at login (PostgreSQL 14 and up). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

#define HOST_PORT_MAX 300

/* The next entry of *list, which moves on; false at the end, or if an entry is too long. */
bool hosts_next(const char **list, char ret[HOST_PORT_MAX]);
/* The host of "host:port" or "[IPv6]:port", as a certificate names it. */
void hosts_name(const char *entry, char *ret, size_t size);
/* greeting: the server's ParameterStatus messages. want: NULL or "any": all will do. May the
 * reported default_transaction_read_only be the gateway's own doing? Then is_ro_ours. NULL: this
 * one will do; else why not. prefer-standby asks for standby while is_last_round is false. */
const char *hosts_mismatch(struct span greeting, const char *want, bool is_ro_ours,
			   bool is_last_round);
