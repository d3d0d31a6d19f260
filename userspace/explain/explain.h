/* What a policy says to an operation, need by need, and where its values come from: for people, as
 * JSON. Pure. One shape for the command line, which asks about a file, and for the console, which
 * asks about the policy in force. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/arena.h"

struct catalog;
struct need;
struct plan;
struct resource;
struct sql_result;

struct question {
	const struct plan *plan;
	const struct resource *resource;
	const char *role, *owner; /* owner may be "" */
	int64_t now;		  /* Unix seconds */
	struct arena *arena;
};

/* {"decision": "allow" | "mask" | "ask" | "deny" | "observe", "rule", "reason", "hint", "needs":
 * [{"decision", "rule", "verb", "kind": "relation" | "function" | "object" | "setting" | "plain" |
 * "opaque", "schema", "name", "columns": [..], "class", "implied", "why"}]}; what does not apply is
 * "". NULL: out of memory. */
json_t *explain_needs(const struct question *q, const struct need *needs, int n);
/* The same of statements: "statements": [{"tag", "class", "needs": as above, "result": {"known",
 * "why", "columns":
 * [{"mask": the way, "" for none, "from": [..], "kind": "none" | "copy" | "derived" | "unknown",
 * "why", "detect": [..]}], "conditions": [..], "unknown_condition", "unmaskable"} or null}] in
 * place of "needs". sql->status is SQL_OK or SQL_FACTS. */
json_t *explain_sql(const struct question *q, const struct sql_result *sql);
/* The same of a text, which is read under the catalogue and its login's own search_path. NULL: it
 * cannot be, and why; that may lie in the arena. */
json_t *explain_text(const struct question *q, struct span text, const struct catalog *c,
		     const char **ret_why);
