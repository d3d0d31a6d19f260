/* Needs in words, as golden cases and "sluice policy explain --needs" write them:
 *
 *   select:public.orders             a verb on a relation (names as in a pattern, without '*')
 *   update:public.orders(total,note) with the columns that are written
 *   execute:public.f  call:public.p  a function, a procedure
 *   set:work_mem                     a setting
 *   drop@public.f  create@           an object that is no relation, with or without a name
 *   transaction  connect             the verb alone
 *   opaque  opaque:what it was       a text that could not be read
 *
 * "~" in front marks what any allowed verb implies; "/class" behind the verb sets the class where
 * it is not the verb's usual one. */
#pragma once

#include "base/arena.h"
#include "policy/op.h"

#define NEEDS_MAX 64

/* Words between white space (quoted names may hold some), 1 to NEEDS_MAX of them, into an array in
 * a. Returns how many, or ERR_MALFORMED with a reason that says what was expected (static string),
 * ERR_LIMIT. */
must_check int needs_parse(struct arena *a, const char *text, const struct need **ret_needs,
			   const char **ret_why);
