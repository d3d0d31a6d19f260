/* Which key the payloads of a group are sealed with: one for each segment, told before the first
 * event under it. */
#include "base/clock.h"
#include "record/recorder/internal.h"

int seal_begin(struct recorder *r, bool *ret_tells)
{
	*ret_tells = false;
	if (!r->sealer)
		return 0;
	uint32_t segment = writer_segment(r->writer);
	if (segment != r->sealed_in)
		sealer_forget(r->sealer);
	r->sealed_in = segment;
	int err = sealer_owes_key(r->sealer, ret_tells);
	if (err == 0 && *ret_tells) {
		buf_reset(&r->own);
		sealer_key_event(r->sealer, &r->own, r->cfg->node, clock_real_ns());
	}
	return err;
}
