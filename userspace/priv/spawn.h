/* Starting the unprivileged processes. Each is this program executed anew ("--child NAME"), so that it
 * shares neither memory nor address layout nor a descriptor with the monitor beyond what it is given. */
#pragma once

#include <sys/types.h>

#include "priv/child.h"

struct config;

enum child_kind { CHILD_RECORDER, CHILD_CONTROL, CHILD_PROXY, CHILD_CONSOLE, CHILD_KINDS };
const char *child_name(enum child_kind kind);
/* -1 if there is no such kind. */
int child_by_name(const char *name);

/* What a child is started with. env->health is not used: health_fd is its memory. All borrowed. */
struct spawn {
	enum child_kind kind;
	const char *config_name; /* of the file, for errors */
	struct span config_text;
	int health_fd;
	struct child_env env;
};

/* 0 and the process's id (its pidfd too), or a negative errno. */
must_check int spawn_child(const struct spawn *s, pid_t *ret_pid);

/* In the new process: takes what spawn_child left on descriptor 3, becomes cfg->user, enters the
 * sandbox and runs. Returns the exit code. */
int child_main(const char *name);
