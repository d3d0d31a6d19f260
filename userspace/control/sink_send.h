/* One line to one place off the node, within seconds or not at all. */
#pragma once

#include "config.h"

enum sink_kind { SINK_HTTPS, SINK_UDP, SINK_TCP, SINK_UNIX };

struct sink_target {
	enum sink_kind kind;
	char url[1024];
	char host[256], port[8]; /* UDP, TCP; of a Unix socket its path is in host */
	const char *node, *ca_file;
	int fd; /* a connection that is kept; -1 */
};

/* What the configuration says: sinks.h has the forms. ERR_CONFIG. */
must_check int sink_target_read(const char *url, const struct config *cfg, struct sink_target *ret_t,
				char *ret_why, size_t why_size);
void sink_target_done(struct sink_target *t);
/* A negative code, and why. */
must_check int sink_send(struct sink_target *t, const char *line, char *ret_why, size_t why_size);
