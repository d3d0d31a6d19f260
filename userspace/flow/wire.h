/* What a connection carried, by our kernel's own account of it: what the record holds against the other end's account,
 * which the monitor reads (record/ledger.h). TCP payload; TLS, and what was never read, included. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct wire {
	uint64_t up, down; /* from the client; to it, without repeats */
};

/* Takes nothing more from the connection, and counts: right before it is closed. is_reset: it will be closed so. All
 * zeros where there is no connection. */
void wire_end(int fd, bool is_reset, struct wire *ret);
