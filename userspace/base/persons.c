#include "base/persons.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

/* Without case and form; NULL: out of memory. Twice: a form may bring a capital letter with it
 * (U+2102), and folding a form. = Unicode, 3.13, D146 (identifier caseless match). */
static uint8_t *fold(const char *s, size_t n, size_t *ret_n)
{
	size_t once_n;
	uint8_t *once = u8_casefold((const uint8_t *)s, n, NULL, UNINORM_NFKC, NULL, &once_n);
	uint8_t *twice = once ? u8_casefold(once, once_n, NULL, UNINORM_NFKC, NULL, ret_n) : NULL;
	free(once);
	return twice;
}

bool is_same_name(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b), n_fa = 0, n_fb = 0;
	if (na == nb && !memcmp(a, b, na))
		return true;
	if (!na || !nb || u8_check((const uint8_t *)a, na) || u8_check((const uint8_t *)b, nb))
		return false;
	uint8_t *fa = fold(a, na, &n_fa), *fb = fold(b, nb, &n_fb);
	/* It fails for want of memory only: then nobody is told apart. */
	bool is_same = !fa || !fb || (n_fa == n_fb && !memcmp(fa, fb, n_fa));
	free(fa);
	free(fb);
	return is_same;
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
