/* What is sealed must be there to be opened: the key that its payload names stands beside it,
 * wrapped, and is the one that was meant, because its name is the hash of that. Nothing is opened.
 */
#include "record/opener.h"
#include "record/verify/internal.h"

int verify_sealed(struct walk *w, uint64_t seq, const struct scan *event)
{
	struct span text = scan_plain(event, "sealed");
	if (!text.len)
		return 0;
	if (text.len < SEAL_ID_TEXT)
		return verify_bad(w, seq, "is sealed with no key");
	if (!memcmp(text.p, w->sealed_with, SEAL_ID_TEXT))
		return 0;
	struct span id = span_of(text.p, SEAL_ID_TEXT), to = segment_key(w->cur.g, w->cur.txn, id);
	if (!to.len)
		return verify_bad(w, seq, "is sealed with a key that is not here");
	if (!sealed_to(id, to))
		return verify_bad(w, seq, "is sealed with a key that was changed since");
	memcpy(w->sealed_with, text.p, SEAL_ID_TEXT);
	return 0;
}
