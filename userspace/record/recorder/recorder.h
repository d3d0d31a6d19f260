/* The recorder process: sole writer of the store. Drains the rings, chains, commits in groups, has
 * the monitor sign checkpoints, answers queries about the live store. */
#pragma once

struct config;
struct child_env;

/* Runs until its channels close. Returns the process's exit code. */
int recorder_main(const struct config *cfg, const struct child_env *env);
