/* The startup packet of a login that the client goes on with itself. PostgreSQL documentation, 55.7
 * (StartupMessage). */
#pragma once

#include "upstream/login.h"

#define STARTUP_PACKET_MAX 10000 /* MAX_STARTUP_PACKET_LENGTH */

/* Protocol 3.0, with the target's user, database, options, application_name and replication. ERR_LIMIT: the server
 * would not take it; -ENOMEM. */
must_check int startup_packet(const struct target *t, struct buf *out);
