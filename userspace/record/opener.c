#include "record/opener.h"

#include <errno.h>
#include <stdio.h>

#include "base/ossl.h"

#include "base/macro.h"

#define KEYS_MAX 4096 /* segments that are read in one go */

struct key {
	char id[SEAL_ID_TEXT];
	bool is_ours;
	uint8_t key[SEAL_KEY_LEN];
};

struct opener {
	EVP_PKEY *pkey;
	char fingerprint[HASH_HEX + 1];
	EVP_CIPHER_CTX *aes;
	struct key *keys;
	size_t n, cap;
	struct buf sealed, plain, payload;
};

struct span sealed_with(struct span stored)
{
	static const char mark[] = "\"sealed\":\"";
	const uint8_t *at = memmem(stored.p, stored.len, mark, sizeof(mark) - 1),
		      *end = stored.p + stored.len;
	if (!at || (size_t)(end - at) < sizeof(mark) - 1 + SEAL_ID_TEXT)
		return (struct span){0};
	return span_of(at + sizeof(mark) - 1, SEAL_ID_TEXT);
}

bool sealed_to(struct span id, struct span to)
{
	char own[SEAL_ID_TEXT + 1];
	return seal_id(to, own) == 0 && span_is(id, own);
}

int opener_new(const char *file, struct opener **ret_o)
{
	FILE *f = fopen(file, "re");
	if (!f)
		return -errno;
	EVP_PKEY *pkey = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	ERR_clear_error();
	struct opener *o = pkey && EVP_PKEY_is_a(pkey, "RSA") ? calloc(1, sizeof(*o)) : NULL;
	if (!o) {
		EVP_PKEY_free(pkey);
		return ERR_MALFORMED;
	}
	o->pkey = pkey;
	o->aes = EVP_CIPHER_CTX_new();
	buf_init(&o->sealed, PAYLOAD_MAX);
	buf_init(&o->plain, PAYLOAD_MAX);
	buf_init(&o->payload, PAYLOAD_MAX);
	int r = o->aes ? seal_fingerprint(pkey, o->fingerprint) : -ENOMEM;
	if (r < 0)
		opener_free(o);
	else
		*ret_o = o;
	return r;
}

void opener_free(struct opener *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n; i++)
		OPENSSL_cleanse(o->keys[i].key, SEAL_KEY_LEN);
	free(o->keys);
	EVP_CIPHER_CTX_free(o->aes);
	EVP_PKEY_free(o->pkey);
	buf_done(&o->sealed);
	buf_wipe(&o->plain);
	buf_wipe(&o->payload);
	free(o);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static int unwrap(struct opener *o, struct span wrapped, uint8_t ret_key[SEAL_KEY_LEN])
{
	struct buf in;
	uint8_t out[2048];
	size_t n = sizeof(out);
	buf_init(&in, SEAL_TO_MAX);
	int r = payload_base64(wrapped, &in);
	EVP_PKEY_CTX *c = r == 0 ? EVP_PKEY_CTX_new(o->pkey, NULL) : NULL;
	bool is_done = c && EVP_PKEY_decrypt_init(c) > 0 &&
		       EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha256()) > 0 &&
		       EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha256()) > 0 &&
		       EVP_PKEY_decrypt(c, out, &n, buf_span(&in).p, buf_len(&in)) > 0 &&
		       n == SEAL_KEY_LEN;
	if (is_done)
		memcpy(ret_key, out, SEAL_KEY_LEN);
	OPENSSL_cleanse(out, sizeof(out));
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	buf_done(&in);
	return is_done ? 0 : ERR_VERIFY;
}

static struct key *find(struct opener *o, struct span id)
{
	for (size_t i = o->n; i-- > 0;)
		if (!memcmp(o->keys[i].id, id.p, SEAL_ID_TEXT))
			return &o->keys[i];
	return NULL;
}

static struct key *room(struct opener *o)
{
	if (o->n == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : 16;
		struct key *more = cap > KEYS_MAX ? NULL : calloc(cap, sizeof(*more));
		if (!more)
			return NULL;
		if (o->n)
			memcpy(more, o->keys, o->n * sizeof(*more));
		OPENSSL_cleanse(o->keys, o->n * sizeof(*more));
		free(o->keys);
		o->keys = more;
		o->cap = cap;
	}
	return &o->keys[o->n];
}

int opener_take(struct opener *o, const struct scan *line)
{
	struct span to = scan_get(line, "_key"), item;
	char id[SEAL_ID_TEXT + 1];
	struct scan e;
	if (!to.len || seal_id(to, id) < 0)
		return ERR_MALFORMED;
	if (find(o, span_of((const uint8_t *)id, SEAL_ID_TEXT)))
		return 0;
	struct key *k = room(o);
	if (!k)
		return ERR_LIMIT;
	memcpy(k->id, id, SEAL_ID_TEXT);
	k->is_ours = false;
	for (size_t at = 0; !k->is_ours && scan_item(to, &at, &item);) {
		if (scan_event(item, false, &e) < 0)
			return ERR_MALFORMED;
		if (span_is(scan_plain(&e, "fingerprint"), o->fingerprint))
			k->is_ours = unwrap(o, scan_plain(&e, "wrapped"), k->key) == 0;
	}
	o->n++;
	return 0;
}

/* --- payloads -----------------------------------------------------------------------------------
 */

static int decrypt(struct opener *o, const struct key *k)
{
	struct span s = buf_span(&o->sealed);
	uint8_t iv[12] = {0};
	int n = 0, rest = 0;
	if (s.len < SEAL_HEAD_LEN + SEAL_TAG_LEN)
		return ERR_VERIFY;
	struct span text = span_of(s.p + SEAL_HEAD_LEN, s.len - SEAL_HEAD_LEN - SEAL_TAG_LEN);
	memcpy(iv + 4, s.p + SEAL_ID_LEN, 8);
	uint8_t *to = buf_reserve(&o->plain, text.len + 1);
	if (!to)
		return buf_err(&o->plain);
	if (!EVP_DecryptInit_ex(o->aes, EVP_aes_256_gcm(), NULL, k->key, iv) ||
	    !EVP_DecryptUpdate(o->aes, NULL, &n, s.p, SEAL_HEAD_LEN) ||
	    !EVP_DecryptUpdate(o->aes, to, &n, text.p, (int)text.len) ||
	    !EVP_CIPHER_CTX_ctrl(o->aes, EVP_CTRL_GCM_SET_TAG, SEAL_TAG_LEN,
				 (void *)(text.p + text.len)) ||
	    EVP_DecryptFinal_ex(o->aes, to + n, &rest) <= 0)
		return ERR_VERIFY;
	buf_commit(&o->plain, text.len);
	if (!(s.p[SEAL_HEAD_LEN - 1] & SEAL_PACKED))
		return 0;
	return payload_unpack(buf_span(&o->plain), &o->payload);
}

int opener_open(struct opener *o, struct span stored, struct buf *out)
{
	struct scan e;
	if (!sealed_with(stored).len)
		return 0;
	int r = scan_event(stored, true, &e);
	struct span text = r == 0 ? scan_plain(&e, "sealed") : (struct span){0};
	if (text.len < SEAL_ID_TEXT)
		return r;
	const struct key *k = find(o, text);
	if (!k || !k->is_ours)
		return ERR_NOT_FOUND;
	buf_reset(&o->sealed);
	buf_reset(&o->plain);
	buf_reset(&o->payload);
	r = payload_base64(text, &o->sealed);
	if (r == 0)
		r = decrypt(o, k);
	if (r == 0)
		r = payload_restore(&e, buf_span(buf_len(&o->payload) ? &o->payload : &o->plain),
				    out);
	return r < 0 ? r : 1;
}
