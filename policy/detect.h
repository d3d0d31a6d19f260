/* Values that give themselves away by their form, found in running text. */
#pragma once

#include "base/span.h"

/* name in policies */
#define DETECT_LIST(X)                                                                             \
	X(SSN, "ssn")     /* US social security number with separators, in the ranges that are given out */ \
	X(CARD, "card")   /* payment card number: 13 to 19 digits, single separators, Luhn */      \
	X(EMAIL, "email")

enum detect_kind {
#define X(name, text) DETECT_##name,
	DETECT_LIST(X)
#undef X
		DETECT_COUNT
};

extern const char *const detect_names[DETECT_COUNT];

/* The first find at or behind from, of the kinds in the bits (1 << kind). False: there is none. */
bool detect_next(uint32_t kinds, struct span text, size_t from, size_t *ret_at, size_t *ret_len);
