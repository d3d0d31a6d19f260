/* A vote as people send it: {"verdict": "approve" | "deny", "hash", "words", "choice", "for",
 * "uses", "resource", "relations": [..], "classes": [..]}. What narrows an approval and cannot be
 * read must not widen it: it is refused. */
#pragma once

#include <jansson.h>

#include "approval/request.h"
#include "policy/op.h"

#define VOTE_RELATIONS_MAX 64
#define VOTE_FOR_MAX_S	   (366 * 86400)
#define VOTE_USES_MAX	   1000000

struct vote_lists {
	const char *relations[VOTE_RELATIONS_MAX], *classes[CLASS_COUNT];
};

/* Fills in what the vote says (is_approval, words, narrow; narrow.choice 0: not named); the rest of
 * *ret stays. Borrows from body and lists. NULL, or what is wrong, for people: a static string. */
const char *vote_read(const json_t *body, struct vote_lists *lists, struct vote *ret);
