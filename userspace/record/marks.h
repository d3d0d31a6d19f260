/* Where the few fields stand in an event that more than one part of the recorder looks at. The main
 * thread marks them while it checks the event; the writer makes summaries and blocks from the marks
 * and looks at the text no second time. */
#pragma once

#include "record/chain.h"
#include "record/scan.h"

/* The first ones are in the blocks' filters, by these numbers: add behind the last. */
enum mark {
	MARK_FLOW,
	MARK_IDENTITY,
	MARK_OWNER,
	MARK_RESOURCE,
	MARK_ROLE,
	MARK_SESSION,
	MARK_TYPE,
	MARK_TIME,
	MARK_DECISION,
	MARK_OBSERVED,
	MARK_SQLSTATE,
	MARK_NODE,
	MARK_RULE,
	MARK_COMMAND,
	MARK_HOW,
	MARK_ISSUER,
	MARK_REASON,
	MARK_EXIT_CODE,
	MARK_COUNT,
	MARK_DST,
	MARK_NAME,
	MARK_PROTOCOL,
	MARK_OUTCOME,
	MARK_ASKED,
	MARK_MASKED,
	MARKS /* none */
};

struct marks {
	uint8_t prev[HASH_LEN]; /* that the event holds of the one before; set with its number */
	uint32_t shift;		/* added to each place */
	uint32_t at[MARKS], len[MARKS]; /* of the value; length 0: there is none */
};

/* An event and its marks; borrows both. */
struct marked {
	struct span text;
	const struct marks *marks;
};

/* MARKS: of no interest. */
enum mark mark_of(struct span key);
/* text: what was scanned, at most 4 GiB. */
void marks_take(struct marks *m, const struct scan *s, struct span text);
/* Of stored bytes, as the main thread would have marked them. ERR_MALFORMED. */
must_check int marks_read(struct marks *m, struct span stored);

static inline struct span mark_get(const struct marked *e, enum mark f)
{
	uint32_t len = e->marks->len[f];
	return len ? span_of(e->text.p + e->marks->shift + e->marks->at[f], len) : (struct span){0};
}

/* As scan_plain. */
static inline struct span mark_plain(const struct marked *e, enum mark f)
{
	return scan_unquote(mark_get(e, f));
}

static inline uint64_t mark_u64(const struct marked *e, enum mark f)
{
	return scan_number(mark_get(e, f));
}
