/* What the commands on sessions share. */
#pragma once

#include <jansson.h>

#include "base/buf.h"

/* "/v1/sessions/ID" and what follows it, into ret (256 bytes). ERR_MALFORMED, said on stderr, if id is none. */
must_check int session_path(const char *id, const char *suffix, char ret[256]);
/* The value as text, or other if it is not there or no string. Borrowed. */
const char *json_text(const json_t *object, const char *key, const char *other);
/* The integer at key, 0 if there is none. */
long long json_number(const json_t *object, const char *key);

/* Words of a command line as they may be recorded: UTF-8, cut, without the passwords of URLs and
 * connection strings. Owned by the caller; NULL: out of memory. */
json_t *command_json(char *const *argv);

/* "telemetry.crewai.com:443" -> "telemetry-crewai-com-443": a name for a resource or a rule. */
void id_text(const char *target, char *out, size_t size);
/* "51m", "2h 5m", "3d 4h", "expired": what is left until then (Unix seconds). Returns out. */
char *left_text(int64_t until, int64_t now, char *out, size_t size);

/* After a run: one line of what happened, and what to paste into the policy for what was refused. */
void summary_print(const json_t *summary, const char *role);
