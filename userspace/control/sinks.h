/* Checkpoints to places off the node, so that whoever rewrites a record here cannot rewrite what was said
 * there. A thread a sink: none waits for another, and nothing waits for any of them. Each holds back the last
 * 256 lines until they are taken; what is older is dropped and said to be: a later checkpoint vouches for it.
 *
 * Sinks: "https://host/path" (a POST of the line, text/plain; http only to loopback), "syslog+udp://host:514",
 * "syslog+tcp://host:601" (RFC 5424, over TCP framed by RFC 6587 3.4.1), "syslog+unix:///dev/log". */
#pragma once

#include "config.h"

struct sinks;

/* No sink: *ret_s is NULL. ERR_CONFIG: ret_why says which one is none. */
must_check int sinks_start(const struct config *cfg, struct sinks **ret_s, char *ret_why, size_t why_size);
/* One line, copied. s may be NULL. */
void sinks_put(struct sinks *s, const char *line);
/* Tries once more what is left, and ends. */
void sinks_stop(struct sinks *s);
