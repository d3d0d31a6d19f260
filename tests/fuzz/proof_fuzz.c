/* The text of a proof from anywhere: what is accepted is what would be written. */
#include <stdlib.h>

#include "record/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[KEY_LEN] = {1};
	static struct chain *chain;
	struct proof_text t;
	if (!chain && chain_new(&chain) < 0)
		abort();
	proof_text_init(&t);
	if (proof_read(span_of(data, size), &t) == 0 &&
	    proof_check(&t, chain, key, &t.checkpoint) == 0)
		abort(); /* nobody has that key */
	proof_text_done(&t);
	return 0;
}
