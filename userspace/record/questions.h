/* Questions about the live store: a few reader threads, each with a read transaction of its own, so that
 * no reader holds the writer up. */
#pragma once

#include <jansson.h>

#include "base/err.h"

struct config;
struct questions;
struct store;

/* store: the recorder's own (LMDB forbids to open one twice in a process), borrowed. */
must_check int questions_new(struct store *store, const struct config *cfg, struct questions **ret_q);
/* Waits for the threads that still answer. */
void questions_free(struct questions *q);
/* Answers q (borrowed) into fd (taken), or closes it at once when too many are under way. */
void questions_ask(struct questions *q, json_t *question, int fd);
