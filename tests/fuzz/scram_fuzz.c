/* What a server says while it logs us in: SCRAM's messages, and requests to authenticate of any
 * kind. */
#include <stdlib.h>

#include "upstream/authentication.h"
#include "upstream/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_message(const uint8_t *data, size_t size)
{
	struct scram s;
	struct buf out;
	buf_init(&out, 4096);
	if (scram_first(&s, SCRAM_UNBOUND, (struct span){0}, "nonce", &out))
		abort();
	buf_reset(&out);
	if (scram_final(&s, span_of(data, size), "p", &out) && buf_len(&out))
		abort(); /* nothing of a proof that was not made */
	if (!scram_check(&s, span_of(data, size)) && buf_len(&out))
		abort(); /* whoever passes has the key */
	scram_wipe(&s);
	buf_done(&out);
}

/* Messages of up to 255 bytes, each behind its length. */
static void whole_login(const struct credential *c, const uint8_t *data, size_t size)
{
	struct authentication a = {.user = "u", .credential = c};
	struct authentication_fault fault = {0};
	struct buf out;
	bool has_asked = false;
	int err = 0;
	buf_init(&out, 64 * 1024);
	while (!err && size > 0 && size > data[0]) {
		err = authentication_take(&a, span_of(data + 1, data[0]), &out, &fault);
		has_asked |= a.state == AUTHENTICATION_ASKED;
		size -= 1u + data[0];
		data += 1u + data[0];
	}
	if (err == 1 && has_asked)
		abort(); /* SCRAM's end cannot be guessed */
	if (err < 0 && !fault.why)
		abort();
	authentication_done(&a);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct credential c;
	char text[] = "user=u password=p", why[WHY_MAX];
	if (!c.options && credential_parse(text, &c, why))
		abort();
	if (size > 0 && data[0] & 1)
		one_message(data + 1, size - 1);
	else if (size > 0)
		whole_login(&c, data + 1, size - 1);
	return 0;
}
