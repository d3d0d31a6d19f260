#include "../../tap.h"
#include "record/chain.h"

static void hashes_what_stands_in_the_store(void)
{
	struct chain *c;
	uint8_t zero[HASH_LEN] = {0}, hash[HASH_LEN];
	char hex[HASH_HEX + 1];
	CHECK_INT(chain_new(&c), 0);
	/* printf '\0...(32)abc' | sha256sum */
	CHECK_INT(chain_hash(c, zero, span_str("abc"), hash), 0);
	hex_encode(hash, HASH_LEN, hex);
	CHECK_STR(hex, "365aa7d8f7f9402c4b9434502b4cc89ddb09fe50d7cd95b493b834c62d5a5370");
	CHECK_INT(chain_hash(c, hash, span_str("abc"), hash), 0); /* in place */
	hex_encode(hash, HASH_LEN, hex);
	CHECK_STR(hex, "0f25de757a05fdcd69becaeb50675b3d752b78fd31929cdbc8352b5defb683a1");
	chain_free(c);
	chain_free(NULL);
}

static void writes_and_reads_the_prefix(void)
{
	static const uint64_t seqs[] = {1, 9, 10, 123456789, 9223372036854775807u};
	uint8_t prev[HASH_LEN], back[HASH_LEN], text[200];
	uint64_t seq;
	for (int i = 0; i < HASH_LEN; i++)
		prev[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		size_t n = chain_prefix_len(seqs[i]);
		memset(text, '#', sizeof(text));
		chain_prefix(prev, seqs[i], text);
		CHECK(text[n - 1] == ',' && text[n] == '#');
		CHECK_INT(chain_prefix_read(span_of(text, n), back, &seq), 0);
		CHECK_INT(seq, seqs[i]);
		CHECK(!memcmp(prev, back, HASH_LEN));
		for (size_t k = 0; k < n; k++)
			CHECK_INT(chain_prefix_read(span_of(text, k), back, &seq), ERR_MALFORMED);
	}
}

static void refuses_other_prefixes(void)
{
#define H "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	static const char *const rows[] = {
		"", "{}", "{\"_prev\":\"\",\"_seq\":1,", "{\"_prev\":\"" H "\",\"_seq\":0,", "{\"_prev\":\"" H "\",\"_seq\":01,",
		"{\"_prev\":\"" H "\",\"_seq\":-1,", "{\"_prev\":\"" H "\",\"_seq\":1}", "{\"_prev\":\"" H "\",\"_seq\":12345678901234567890,",
		"{\"_prev\":\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\",\"_seq\":1,",
		"{\"_seq\":1,\"_prev\":\"" H "\",",
	};
	uint8_t prev[HASH_LEN];
	uint64_t seq;
	CHECK_INT(chain_prefix_read(span_str("{\"_prev\":\"" H "\",\"_seq\":1,"), prev, &seq), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_INT(chain_prefix_read(span_str(rows[i]), prev, &seq), ERR_MALFORMED);
}

static void reads_hex_strictly(void)
{
	uint8_t b[2];
	CHECK_INT(hex_decode(span_str("00ff"), b, 2), 0);
	CHECK(b[0] == 0 && b[1] == 255);
	CHECK_INT(hex_decode(span_str("00f"), b, 2), ERR_MALFORMED);
	CHECK_INT(hex_decode(span_str("00fff"), b, 2), ERR_MALFORMED);
	CHECK_INT(hex_decode(span_str("00FF"), b, 2), ERR_MALFORMED);
	CHECK_INT(hex_decode(span_str("00fg"), b, 2), ERR_MALFORMED);
}

int main(void)
{
	hashes_what_stands_in_the_store();
	writes_and_reads_the_prefix();
	refuses_other_prefixes();
	reads_hex_strictly();
	return tap_done();
}
