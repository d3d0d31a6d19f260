#include "record/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/jw.h"
#include "base/ossl.h"
#include "record/event_internal.h"
#include "record/scan.h"

static void put_hex(struct jw *w, const char *key, const uint8_t *p, size_t len)
{
	char hex[2 * SIG_LEN + 1];
	hex_encode(p, len, hex);
	jw_str(w, key, hex);
}

void checkpoint_write(struct buf *out, const struct checkpoint *c)
{
	struct jw w;
	jw_begin(&w, out);
	jw_object(&w, NULL);
	put_hex(&w, "hash", c->hash, HASH_LEN);
	put_hex(&w, "key", c->key, KEY_LEN);
	jw_str(&w, "node", c->node);
	jw_int(&w, "seq", (int64_t)c->seq);
	put_hex(&w, "sig", c->sig, SIG_LEN);
	jw_int(&w, "time", c->time);
	jw_object_end(&w);
}

int checkpoint_read(struct span json, struct checkpoint *ret_c)
{
	struct checkpoint c = {0};
	struct scan s;
	int r = scan_event(json, false, &s);
	if (r < 0)
		return r;
	struct span node = scan_plain(&s, "node");
	c.seq = scan_u64(&s, "seq");
	c.time = (int64_t)scan_u64(&s, "time");
	if (!c.seq || !node.len || node.len >= sizeof(c.node) || hex_decode(scan_plain(&s, "hash"), c.hash, HASH_LEN) < 0 ||
	    hex_decode(scan_plain(&s, "key"), c.key, KEY_LEN) < 0 ||
	    hex_decode(scan_plain(&s, "sig"), c.sig, SIG_LEN) < 0)
		return ERR_MALFORMED;
	memcpy(c.node, node.p, node.len);
	*ret_c = c;
	return 0;
}

int checkpoint_check(const struct checkpoint *c, const uint8_t key[KEY_LEN])
{
	char text[NODE_MAX + 200], hash[HASH_HEX + 1];
	hex_encode(c->hash, HASH_LEN, hash);
	int n = snprintf(text, sizeof(text), "sluice checkpoint\n%s\n%" PRIu64 "\n%s\n%" PRId64 "\n", c->node, c->seq,
			 hash, c->time);
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, KEY_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = k && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestVerify(ctx, c->sig, SIG_LEN, (const uint8_t *)text, (size_t)n) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return ok ? 0 : ERR_VERIFY;
}

void key_fingerprint(const uint8_t key[KEY_LEN], char out[HASH_HEX + 1])
{
	sha256_hex(span_of(key, KEY_LEN), out);
}

int key_read(const char *file_or_hex, uint8_t ret_key[KEY_LEN])
{
	size_t len = KEY_LEN;
	if (hex_decode(span_str(file_or_hex), ret_key, KEY_LEN) == 0)
		return 0;
	FILE *f = fopen(file_or_hex, "re");
	if (!f)
		return -errno;
	EVP_PKEY *k = PEM_read_PUBKEY(f, NULL, NULL, NULL);
	fclose(f);
	bool ok = k && EVP_PKEY_id(k) == EVP_PKEY_ED25519 && EVP_PKEY_get_raw_public_key(k, ret_key, &len) == 1 &&
		  len == KEY_LEN;
	EVP_PKEY_free(k);
	return ok ? 0 : ERR_MALFORMED;
}
