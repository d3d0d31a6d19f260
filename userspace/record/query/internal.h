/* Between the files of query. */
#pragma once

#include "base/buf.h"
#include "record/query/query.h"
#include "record/query/match.h"
#include "record/query/rests.h"
#include "record/scan.h"
#include "record/verify/verify.h"

enum filter_text { F_FLOW, F_IDENTITY, F_OWNER, F_RESOURCE, F_ROLE, F_SESSION, F_TYPE, F_TEXTS };
enum query_kind { Q_SESSIONS, Q_EVENTS, Q_EXPORT, Q_VERIFY, Q_PROVE };

struct query {
	enum query_kind kind;
	char *texts[F_TEXTS];			      /* owned, as JSON; NULL: any */
	char *session;				      /* owned, plain */
	uint64_t since_ns, until_ns, from, to, limit; /* 0: none */
	uint64_t event, old;			      /* prove */
	char *fingerprint;			      /* verify; owned */
	struct checkpoint *checkpoints;
	size_t n_checkpoints;
	bool denied, live, follow, keys, sealed;
	bool keeps_hashes; /* export: of what is filtered out (export.c) */
	struct match match;
};

/* A question being answered. */
struct answer {
	const struct query *q;
	const struct query_source *source;
	const struct query_sink *sink;
	uint64_t n;    /* lines so far */
	uint64_t next; /* events: the number to go on from */
	struct buf line;
	struct buf opened;	/* an event whose payload was packed */
	struct segment *last;	/* while the journal is read: the segment before it; borrowed */
	char key_told[24];	/* the last one */
	uint64_t n_sealed;	/* events that a text was not looked for in */
	struct keeper *keeper; /* NULL: what does not match is passed over */
	struct rests *rests;   /* of a part: what its events need; without keeper: it is being found */
};

bool answer_is_stopped(const struct answer *a);
/* The line and its newline. 1: the limit is reached. */
must_check int answer_line(struct answer *a, struct span line);
/* The same for what is no event, and does not count. */
must_check int answer_aside(struct answer *a, struct span line);

/* --- sealed.c --- */
/* Does the event match, what of it is packed included? 1, 0, ERR_VERIFY. */
must_check int answer_match(struct answer *a, struct span stored, struct span *ret_seen);
/* The event as a line; before it the key that it is sealed with, where keys are asked for. g NULL: it is only in the
 * journal. */
must_check int answer_event(struct answer *a, struct segment *g, struct span stored);
/* A key's line, once. */
must_check int answer_key(struct answer *a, struct span id, struct span to);
must_check int answer_n_sealed(struct answer *a);

must_check int answer_sessions(struct answer *a);
must_check int answer_events(struct answer *a);
/* False: the event cannot match; one pass over its bytes, no parsing. */
bool query_match_bytes(const struct query *q, struct span stored);
must_check int answer_verify(struct answer *a);
must_check int answer_prove(struct answer *a);
/* Lines of checkpoints; false: one is none. */
bool query_read_checkpoints(struct query *q, const char *text);
/* The name of a text filter's field. */
const char *query_text_key(size_t i);
struct range {
	uint64_t first, last;
};
struct ranges {
	struct range *at; /* the caller's to free, also after an error */
	size_t n, cap;
};
must_check int query_all(struct ranges *ranges);
/* Appends, ascending, what of a segment may match. */
must_check int query_ranges(const struct query *q, struct segment *g, struct ranges *ranges);

/* --- export.c: what of a part leads to the signed checkpoints ---
 *
 * Lines between the events: {"_store":{"edge","first","key","node","prev","schema"},"type":"store"}
 * before all others (hex; FORMAT.md, meta); {"_omitted":{"first","hash","level"},"type":"omitted"}: a
 * node of the tree over the 2^level events from first, which are left out; checkpoints as in the other
 * exports, those that tell of an event that is there, and the last. */
must_check int keeper_new(struct answer *a, struct keeper **ret_k);
void keeper_free(struct keeper *k);
/* Takes the next event; writes it or remembers what stands for it. g NULL: it is only in the journal. */
must_check int keeper_event(struct answer *a, struct segment *g, uint64_t seq, struct span stored);
/* After the last one. */
must_check int keeper_end(struct answer *a);
/* The checkpoint at this event, where there is one, as a line. */
must_check int answer_checkpoint(struct answer *a, struct segment *g, uint64_t seq);

bool query_match_event(const struct query *q, const struct scan *e);
bool query_match_session(const struct query *q, const struct scan *s);
/* Is nothing filtered out? */
bool query_is_whole(const struct query *q);
