/* To whom a request was shown whole. Nobody answers what they have not been shown. */
#include "approval/book_internal.h"

#include "base/macro.h"
#include "base/ossl.h"

/* A reader's name by its hash: so that names of any length take a fixed room. */
static bool reader_key(const char *reader, uint8_t key[SHOWN_KEY])
{
	return EVP_Digest(reader, strlen(reader), key, NULL, EVP_sha256(), NULL) == 1;
}

void request_show(struct request *r, const char *reader)
{
	uint8_t key[SHOWN_KEY];
	if (request_is_shown(r, reader) || !reader_key(reader, key))
		return;
	if (!r->shown)
		r->shown = arena_array(&r->arena, SHOWN_MAX, SHOWN_KEY);
	if (r->shown)
		memcpy(r->shown[r->n_shown++ % SHOWN_MAX], key, SHOWN_KEY);
}

bool request_is_shown(const struct request *r, const char *reader)
{
	uint8_t key[SHOWN_KEY];
	if (!reader_key(reader, key))
		return false;
	for (uint32_t i = 0; i < MIN(r->n_shown, SHOWN_MAX); i++)
		if (!memcmp(r->shown[i], key, SHOWN_KEY))
			return true;
	return false;
}
