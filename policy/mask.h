/* What a decision says about values: per result and output column, how it is shown to the client and how
 * it is recorded. Pure values; what a wire module does to a field of a type is its own business. */
#pragma once

#include "base/buf.h"
#include "policy/detect/detect.h"
#include "policy/lineage.h"

/* Ways to mask: name in policies. The ones behind FIRST and LAST take a number. */
#define MASK_WAY_LIST(X)                                                                           \
	X(REDACT, "redact")         /* a constant in place of the value */                         \
	X(FIXED, "fixed")           /* the text that the policy gives */                           \
	X(KEEP_LAST, "keep_last")   /* all but the last n letters and digits become '*' */         \
	X(KEEP_FIRST, "keep_first") /* all but the first n */                                      \
	X(DIGITS, "digits")         /* every digit becomes 0, with a key another digit; the form stays */ \
	X(HASH, "hash")             /* HMAC-SHA-256 under a key: equal values stay equal */        \
	X(NULL, "null")                                                                            \
	X(TRUNCATE, "truncate")     /* the first n characters alone */                             \
	X(YEAR, "year")             /* a date's year, on the first of January */                   \
	X(DROP, "drop")             /* refused wherever it would be shown */                       \
	X(LITERALS, "literals")     /* constants in SQL text: definitions in the catalogue */ \
	X(WHOLE, "whole")           /* of what is computed from masked columns: a constant or NULL */

enum mask_way {
#define X(name, text) MASK_##name,
	MASK_WAY_LIST(X)
#undef X
		MASK_WAY_COUNT
};

/* Within what equal values have equal hashes. */
#define MASK_SCOPE_LIST(X)                                                                         \
	X(POLICY, "policy")                                                                        \
	X(RESOURCE, "resource")                                                                    \
	X(SESSION, "session")

enum mask_scope {
#define X(name, text) MASK_SCOPE_##name,
	MASK_SCOPE_LIST(X)
#undef X
		MASK_SCOPE_COUNT
};

#define MASK_KEY_BYTES 32

struct mask_how {
	enum mask_way way;
	int n;		  /* keep_last, keep_first, truncate */
	const char *text; /* fixed */
	uint64_t detect;  /* not 0: within a text only what is found is masked: kinds of policy/detect/detect.h */
	uint64_t bare;	  /* those of them that need no word in front: the column's name is it */
	const struct detect_patterns *patterns; /* lives as long as the masks' */
	enum mask_scope scope;
	bool has_key; /* hash, digits; key: of the scope, not the one in the file */
	uint8_t key[MASK_KEY_BYTES];
};

struct catalog;

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
	/* What the wire module that keeps it knows of the database's own types. */
	const struct catalog *catalog;
	const struct mask_column *columns; /* NULL: none of them is masked, and the result is not strict */
};

/* Lives as long as the operation's arena. */
struct masks {
	const struct mask_result *results; /* rows of any result beyond are as closed ones */
	int n_results;
	int n_client; /* columns that are masked for the client */
	/* The server's errors and notices may quote what is masked: they are replaced. */
	bool hides_client, hides_record;
	/* What the columns' detectors point at; whoever keeps masks longer than their plan holds a reference.
	 * NULL: there is none. */
	const struct detect_patterns *patterns;
};

const char *mask_way_name(enum mask_way w);
/* The result of a statement that reads no relation at all (SHOW): as many columns as come. */
extern const struct result_lineage lineage_free;

/* A text value, masked, is added to out. False: the value becomes NULL. UTF-8; other bytes are taken one
 * by one. Never more bytes than the value has, but for redact, fixed, hash and whole (with detect: once for
 * each find). */
bool mask_text(const struct mask_how *how, struct span value, struct buf *out);
/* SQL text without its constants: strings, numbers of more than two digits, comments (mask_literals.c). */
void mask_literals(struct span sql, struct buf *out);
/* What a detector has found, masked. */
void mask_find(const struct mask_how *how, struct span found, struct buf *out);

/* The key of a scope from the file's (any length), or from that of the policy. name: of the resource or the
 * session. */
void mask_key_of_file(struct span file, uint8_t ret_key[MASK_KEY_BYTES]);
void mask_key_of_scope(struct mask_how *how, const char *name);
/* 16 bytes that stand for a value under how's key, for types that are no text. */
#define MASK_HASH_BYTES 16
void mask_hash(const struct mask_how *how, struct span value, uint8_t ret_hash[MASK_HASH_BYTES]);

/* A text value that comes in pieces, masked as mask_text would mask it whole. With built-in detectors alone at
 * most DETECT_LONGEST and a piece are held back, with every other way all of it. */
struct mask_stream {
	const struct mask_how *how;
	struct buf held;
	size_t from, at;    /* of what is held: shown up to from, searched up to at */
	enum detect_run run; /* of a find that has been shown as masked and goes on */
	bool is_whole;	    /* all is held */
};

/* limit: of what may be held; at least 2 * DETECT_LONGEST. */
void mask_stream_init(struct mask_stream *s, const struct mask_how *how, size_t limit);
void mask_stream_done(struct mask_stream *s);
/* ERR_LIMIT: the value is longer than this way of masking can hold. */
must_check int mask_stream_feed(struct mask_stream *s, struct span piece, struct buf *out);
/* *ret_is_value false: the value becomes NULL, what was added to out is to be dropped. The stream can be used for the
 * next value. */
must_check int mask_stream_end(struct mask_stream *s, struct buf *out, bool *ret_is_value);
