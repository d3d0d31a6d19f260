/* What a decision says about values: per result and output column, how it is shown to the client and how
 * it is recorded. Pure values; what a wire module does to a field of a type is its own business. */
#pragma once

#include "base/buf.h"
#include "policy/lineage.h"

/* Ways to mask: name in policies. The ones behind FIRST and LAST take a number. */
#define MASK_WAY_LIST(X)                                                                           \
	X(REDACT, "redact")         /* a constant in place of the value */                         \
	X(FIXED, "fixed")           /* the text that the policy gives */                           \
	X(KEEP_LAST, "keep_last")   /* all but the last n letters and digits become '*' */         \
	X(KEEP_FIRST, "keep_first") /* all but the first n */                                      \
	X(DIGITS, "digits")         /* every digit becomes 0, the form stays */                    \
	X(NULL, "null")                                                                            \
	X(TRUNCATE, "truncate")     /* the first n characters alone */                             \
	X(YEAR, "year")             /* a date's year, on the first of January */                   \
	X(DROP, "drop")             /* refused wherever it would be shown */                       \
	X(WHOLE, "whole")           /* of what is computed from masked columns: a constant or NULL */

enum mask_way {
#define X(name, text) MASK_##name,
	MASK_WAY_LIST(X)
#undef X
		MASK_WAY_COUNT
};

struct mask_how {
	enum mask_way way;
	int n;		  /* keep_last, keep_first, truncate */
	const char *text; /* fixed */
	uint32_t detect;  /* not 0: within a text only what is found is masked, policy/detect.h */
};

#define MASK_ORIGINS_MAX 64

/* A column of a relation, by its numbers. */
struct mask_origin {
	uint32_t relation;
	int column;
};

/* NULL: as it is. */
struct mask_column {
	const struct mask_how *client, *record;
	uint32_t type; /* as it was traced; 0: not known */
	/* Of strict results: the columns that it may be, as the analysis has it. */
	const struct mask_origin *origins;
	int n_origins;
};

struct mask_result {
	/* It could not be traced, or was not thought to return rows: none of its rows may be released. */
	bool is_closed;
	bool is_unrecorded; /* nor recorded */
	bool is_strict;	    /* the role has masks: rows of another form than decided on are not released */
	bool is_free;	    /* nothing of any relation is in it; n is not known */
	int n;
	const struct mask_column *columns; /* NULL: none of them is masked, and the result is not strict */
};

/* Lives as long as the operation's arena. */
struct masks {
	const struct mask_result *results; /* rows of any result beyond are as closed ones */
	int n_results;
	int n_client; /* columns that are masked for the client */
	/* The server's errors and notices may quote what is masked: they are replaced. */
	bool hides_client, hides_record;
};

const char *mask_way_name(enum mask_way w);
/* The result of a statement that reads no relation at all (SHOW): as many columns as come. */
extern const struct result_lineage lineage_free;

/* A text value, masked, is added to out. False: the value becomes NULL. UTF-8; other bytes are taken one
 * by one. Never more bytes than the value has, but for redact, fixed and whole (with detect: once for
 * each find). */
bool mask_text(const struct mask_how *how, struct span value, struct buf *out);
