/* What a question looks for inside events: verdicts, relations, words. First a look at the bytes,
 * which is fast and only ever errs by finding too much; then at the fields. */
#pragma once

#include "record/scan.h"

#define MATCH_PHRASES 16

/* Text in which ASCII letters of either case are the same. */
struct phrase {
	char *lower; /* owned; as it stands in JSON, without quotes */
	size_t len;
};

struct match {
	struct phrase phrases[MATCH_PHRASES]; /* all must occur, in what the event tells */
	int n_phrases;
	int verdict;	 /* its place in the table; -1: any */
	char *schema;	 /* owned, as JSON with quotes; NULL: any */
	char *name;	 /* the same; NULL: any relation */
	struct match_runs *runs; /* owned: the operations that need it, for their ends, which do not name it */
};

void match_init(struct match *m);
void match_done(struct match *m);
/* Phrases, one a line. False: too many, or none. */
must_check bool match_read_text(struct match *m, const char *value);
/* "allow", "mask", "ask", "deny" (with connects refused), "refused", "observed", "error". */
must_check bool match_read_verdict(struct match *m, const char *value);
/* "schema.name" or "name", each as it is or in double quotes: of a need, whatever its kind. An operation's end
 * matches where the operation was looked at before and needs it. */
must_check bool match_read_relation(struct match *m, const char *value);

bool match_is_any(const struct match *m);
/* False: the event cannot match. One pass over its bytes, no parsing. */
bool match_bytes(const struct match *m, struct span stored);
bool match_event(const struct match *m, const struct scan *e);
/* Where the phrase occurs in the text, or NULL. */
const uint8_t *phrase_find(const struct phrase *p, struct span text);
