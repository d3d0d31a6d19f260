#include "base/persons.h"

#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

bool is_same_name(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	const uint8_t *ua = (const uint8_t *)a, *ub = (const uint8_t *)b;
	int result;
	if (na == nb && !memcmp(a, b, na))
		return true;
	if (u8_check(ua, na) || u8_check(ub, nb))
		return false;
	/* It fails for want of memory only: then nobody is told apart. */
	return u8_casecmp(ua, na, ub, nb, NULL, UNINORM_NFKC, &result) < 0 || !result;
}

static bool is_tied(const char *owner, const char *name)
{
	return *owner && *name && is_same_name(owner, name);
}

bool is_same_person(const struct identity *a, const struct identity *b)
{
	if (!strcmp(a->issuer, b->issuer) && is_same_name(a->subject, b->subject))
		return true;
	return is_tied(a->owner, b->subject) || is_tied(b->owner, a->subject) || is_tied(a->owner, b->owner);
}
