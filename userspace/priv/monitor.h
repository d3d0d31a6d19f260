/* The monitor: the one process that stays root. It loads the kernel side, opens listeners, makes
 * cgroups, keeps the keys, starts and watches the others, and answers a closed table of requests. */
#pragma once

#include "base/span.h"

struct config;

struct monitor_options {
	const char *config_name; /* of the file, for the children's errors */
	struct span config_text; /* what they read anew */
};

/* Runs until a signal or a fault ends it. Returns the exit code. */
int monitor_run(const struct config *cfg, const struct monitor_options *o);
/* Removes what a former daemon of this instance left in the kernel: links, maps, workloads. */
int monitor_cleanup(const struct config *cfg);
