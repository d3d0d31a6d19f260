/* Are two names those of one person? Where people are told apart so that nobody counts twice, a difference that no
 * reader sees, or that a provider may not make, is none. */
#pragma once

#include <stdbool.h>

/* The same but for upper and lower case, and for how Unicode composes or varies a letter (NFKC). Not UTF-8: the bytes
 * count. */
bool is_same_name(const char *a, const char *b);

/* Who answers, as tokens and events have it; no string is NULL, owner may be "". */
struct identity {
	const char *issuer, *subject, *owner;
};
/* One subject of one issuer, or tied by an owner, whatever issuer says that name: one acts for the other, or both for
 * the same. */
bool is_same_person(const struct identity *a, const struct identity *b);
