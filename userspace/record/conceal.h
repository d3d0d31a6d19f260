/* What the record may not hold, whatever masks say: keys and passwords; and, of a resource whose
 * record is masked, whatever gives itself away by its form. */
#pragma once

#include "base/buf.h"
#include "policy/mask.h"

/* policy/detect/detect.h: kinds that no record holds, and those that a masked record does not hold.
 * Addresses of hosts are what an audit is about. */
#define CONCEAL_SECRETS (1ull << DETECT_JWT | 1ull << DETECT_PEM | 1ull << DETECT_TOKEN)
#define CONCEAL_ALL	(DETECT_BUILT_INS & ~(1ull << DETECT_IP))

/* The text itself if nothing is found in it; else a copy in scratch, with "****" for each find.
 * Empty if there is no memory for it. */
struct span conceal(uint64_t kinds, struct span text, struct buf *scratch);
/* Does a statement set or hand over a password ("PASSWORD '..'", "OPTIONS (password '..')")? Then
 * its literals are not for the record. */
bool conceal_has_password(struct span sql);
/* Neither a password nor anything of these kinds. looked: what was found to be in it neither, remembered with the
 * text (op.looked); or NULL. */
bool conceal_is_clean(uint64_t kinds, struct span text, uint64_t *looked);
