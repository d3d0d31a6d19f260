/* Values that give themselves away by their form, found in running text. Bytes are classified 64 at
 * a time (AVX2, SSSE3 or plain C, by what the processor has); where something may begin or an '@'
 * stands, an exact check decides. Pure, without memory of its own but for the operator's patterns.
 */
#pragma once

#include "base/span.h"

/* name in policies */
#define DETECT_LIST(X)                                                                             \
	X(SSN, "ssn")	/* US social security number: with separators; nine bare digits behind a   \
			   word for it */                                                          \
	X(CARD, "card") /* payment card: 13 to 19 digits, issuer's range and length, Luhn */       \
	X(EMAIL, "email")                                                                          \
	X(IBAN, "iban")	  /* ISO 13616: length of the country, mod 97 */                           \
	X(PHONE, "phone") /* "+" and a country's code; the North American form; others behind a    \
			     word for it */                                                        \
	X(IP, "ip")	  /* v4 dotted, v6 */                                                      \
	X(JWT, "jwt")	  /* RFC 7515 and 7516, compact */                                         \
	X(PEM, "private_key")  /* RFC 7468 and its like, to the END line */                        \
	X(TOKEN, "token")      /* keys of clouds, forges and services, by their prefixes */        \
	X(BIRTH, "birth_date") /* a date behind a word for it */

enum detect_kind {
#define X(name, text) DETECT_##name,
	DETECT_LIST(X)
#undef X
	    DETECT_COUNT
};

extern const char *const detect_names[DETECT_COUNT];

#define DETECT_PATTERN_0 32 /* bit of the first pattern */
#define DETECT_PATTERNS	 32
#define DETECT_BUILT_INS ((1ull << DETECT_COUNT) - 1)
/* What a find is decided by lies in this many bytes behind its start. A longer find is one run of
 * the bytes that tokens and keys are made of, and goes on to the run's end. */
#define DETECT_LONGEST 16384
/* A find's start lies at most this far before what was noticed first, and so does the word in front
 * of it. */
#define DETECT_BEHIND 80

/* An operator's patterns (PCRE2), compiled; shared by reference count, never changed once in use.
 */
struct detect_patterns;

/* What is searched for. */
struct detect {
	uint64_t kinds; /* 1 << kind; 1 << (DETECT_PATTERN_0 + i): the pattern i */
	uint64_t bare;	/* kinds that need no word in front of them: the column's name is it */
	const struct detect_patterns *patterns;
};

/* Runs of which a find longer than DETECT_LONGEST is one. */
enum detect_run { RUN_NONE, RUN_JWT, RUN_PEM, RUN_BASE64URL, RUN_BASE64, RUN_ALNUM };

struct find {
	size_t at, len;
	int kind; /* enum detect_kind, or DETECT_PATTERN_0 + i */
	enum detect_run run;
};

/* A walk over the finds of a text, from its start to its end; they do not overlap. */
struct detect_walk {
	const struct detect *d;
	struct span text;
	size_t from; /* nothing begins before; may be moved forward */
	struct find built_in, patterns[DETECT_PATTERNS]; /* found ahead; len 0: none is left */
	bool is_begun;
};

void detect_begin(struct detect_walk *w, const struct detect *d, struct span text);
/* False: there is none any more. A pattern that takes more than its share of steps finds all the
 * rest. */
bool detect_next(struct detect_walk *w, struct find *ret);
/* Of a text that is there in part: the first built-in find that begins at or behind from and was
 * noticed between the bytes at and until. What it is decided by must be there: DETECT_LONGEST +
 * DETECT_BEYOND behind until, and DETECT_BEHIND before from, or the text's ends. */
#define DETECT_BEYOND 512
bool detect_part(const struct detect *d, struct span text, size_t from, size_t at, size_t until,
		 struct find *ret);
/* Does c belong to such a run? */
bool detect_run_has(enum detect_run r, uint8_t c);
/* The kinds whose word in front is this column's name ("dob", "home_phone"). */
uint64_t detect_context(const char *column);

/* n patterns of at most 400 bytes each, in UTF-8 mode, case matters, "(?i)" and the like may stand
 * in them. ERR_MALFORMED: ret_bad is the one, ret_why (of at least 120 bytes) says what and where.
 * -ENOMEM. */
must_check int detect_patterns_new(const char *const *patterns, int n, struct detect_patterns **ret,
				   int *ret_bad, char *ret_why);
struct detect_patterns *detect_patterns_ref(const struct detect_patterns *p);
void detect_patterns_unref(const struct detect_patterns *p);

/* For tests and measurements: how bytes are classified from now on in this process. False: this
 * processor cannot. NULL: the best that it can. */
bool detect_use(const char *how);
const char *detect_uses(void);
