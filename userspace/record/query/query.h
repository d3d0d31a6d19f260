/* Questions about a record, answered line by line: of the live store by the recorder, of a folder
 * by the command line. Kinds: "sessions" (summaries), "events" (as stored), "export" (the same,
 * with the checkpoints in their places where nothing is filtered out), "verify" (one line,
 * record/verify/verify.h), "prove" (one line, {"proof": its text}, record/proof.h).
 *
 * Filters, all strings: session, flow, type, identity, role, owner, resource (equal); verdict,
 * relation, text (phrases, one a line: record/query/match.h); since, until
 * (Unix seconds); from, to (event numbers); denied ("1"); live ("1", sessions that are not over);
 * event, old (prove: an event in the tree of the checkpoint at to, or an older tree's size);
 * fingerprint, checkpoints (verify: lines of them);
 * keys ("1": before an event whose payload is sealed, its key's line, {"_key":[...],"type":"key"}: opener.h);
 * sealed ("1": at the end {"_sealed":n,"type":"sealed"}: in how many sealed events the text was not looked for);
 * limit (lines); follow ("1", events: goes on with what is still to come); format (export: "jsonl",
 * "csv", "ocsf", "asciicast": the events; "lmdb": with all that a part needs to be verified,
 * EVENTS.md). A line {"error": "..."} says that the answer is not whole. */
#pragma once

#include <jansson.h>

#include "record/segment.h"

struct query;

/* ERR_MALFORMED: an unknown kind or filter, or a value that is none. */
must_check int query_read(const json_t *json, struct query **ret_q);
void query_free(struct query *q);

struct query_source {
	const char *path;
	const char *key_file; /* verify: the node's public key; NULL or not there: the one that the
				 store names */
	/* A reference to the segment that this process writes to, or NULL. May be NULL itself. */
	struct segment *(*live)(void *ctx);
	bool (*is_stopped)(void *ctx); /* may be NULL */
	void *ctx;
};

struct query_sink {
	/* One line with its newline; an empty span only asks whether anybody is still there.
	 * Negative ends the answer. */
	int (*line)(void *ctx, struct span line);
	void *ctx;
};

must_check int query_answer(const struct query *q, const struct query_source *source,
			    const struct query_sink *sink);
/* The line that tells an error, to a sink. */
void query_error(const struct query_sink *sink, int err);
