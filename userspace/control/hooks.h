/* Webhooks: notices go out, signed, and are tried again; what nobody takes goes to a file of its
 * own. Answers come in by the console, signed with the same secret. */
#pragma once

#include <jansson.h>

#include "base/loop.h"
#include "control/notice.h"

#define HOOK_QUEUE_MAX 1000
#define HOOK_TRIES     6

struct control;
struct conn;
struct http_request;

struct hook_state {
	const struct hook *hook;
	char *secret; /* NULL: it cannot be read; then nothing is sent and nothing taken */
};

struct hook_queue {
	struct control *c;
	struct hook_state at[HOOKS_MAX];
	int n;
	struct delivery *first;
	int n_waiting;
	struct timer due;
	struct notice_replays *seen;
	uint64_t n_sent, n_dead;
};

void hooks_init(struct control *c);
void hooks_done(struct control *c);
/* To each webhook that is named: names is a list of strings. */
void hooks_tell(struct control *c, const json_t *names, const char *type, const json_t *about);
/* To those of them that take JSON: a chat is not told twice of one request. */
void hooks_tell_programs(struct control *c, const json_t *names, const char *type, const json_t *about);
/* POST /hooks/NAME of the console: an answer, signed. */
void hooks_answer(struct conn *conn, const struct http_request *r);
