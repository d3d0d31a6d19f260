#include "record/sealer.h"

#include <errno.h>
#include <stdio.h>
#include <zstd.h>

#include "base/ossl.h"
#include <openssl/rand.h>

#include "base/macro.h"
#include "record/event_internal.h"
#include "record/segment.h"

#define AUDITORS_MAX 16
#define EVENT_MAX    (1024 * 1024)

enum key_state { KEY_NONE, KEY_UNTOLD, KEY_TELLING, KEY_TOLD };

struct auditor {
	EVP_PKEY *key;
	char fingerprint[HASH_HEX + 1];
};

struct sealer {
	struct auditor auditors[AUDITORS_MAX];
	int n_auditors, level;
	ZSTD_CCtx *zstd;
	EVP_CIPHER_CTX *aes;
	enum key_state state;
	uint8_t head[SEAL_HEAD_LEN]; /* of the next payload */
	uint64_t used;		     /* under this key */
	char id[SEAL_ID_TEXT + 1];
	struct buf to; /* the key, wrapped: JSON */
	struct buf payload, packed, sealed, base64, event;
	struct marks marks;
};

/* --- the auditors -------------------------------------------------------------------------------
 */

int seal_fingerprint(const EVP_PKEY *key, char ret[HASH_HEX + 1])
{
	uint8_t *der = NULL, hash[HASH_LEN];
	int n = i2d_PUBKEY(key, &der);
	bool is_done = n > 0 && EVP_Digest(der, (size_t)n, hash, NULL, EVP_sha256(), NULL);
	OPENSSL_free(der);
	if (is_done)
		hex_encode(hash, HASH_LEN, ret);
	return is_done ? 0 : -ENOMEM;
}

static int read_auditor(const char *file, struct auditor *a, char *ret_why, size_t why_size)
{
	FILE *f = fopen(file, "re");
	if (!f) {
		snprintf(ret_why, why_size,
			 "audit.encrypt_to: %s: %s (the recorder's user must be able to read it)",
			 file, strerror(errno));
		return ERR_CONFIG;
	}
	a->key = PEM_read_PUBKEY(f, NULL, NULL, NULL);
	fclose(f);
	ERR_clear_error();
	if (!a->key || !EVP_PKEY_is_a(a->key, "RSA") || EVP_PKEY_get_bits(a->key) < SEAL_RSA_BITS) {
		snprintf(ret_why, why_size,
			 "audit.encrypt_to: %s: expected an RSA public key (PEM) of at least %d "
			 "bits: openssl pkey -in "
			 "auditor.key -pubout",
			 file, SEAL_RSA_BITS);
		return ERR_CONFIG;
	}
	return seal_fingerprint(a->key, a->fingerprint);
}

static int start(struct sealer *s, const char *const *files, int n, char *ret_why, size_t why_size)
{
	for (int i = 0; i < n; i++) {
		int r = read_auditor(files[i], &s->auditors[s->n_auditors++], ret_why, why_size);
		if (r < 0)
			return r;
	}
	s->zstd = ZSTD_createCCtx();
	s->aes = EVP_CIPHER_CTX_new();
	snprintf(ret_why, why_size, "out of memory");
	/* At once, for a buffer that grows leaves what it held behind. */
	bool has_room = buf_reserve(&s->payload, EVENT_MAX) && buf_reserve(&s->packed, EVENT_MAX);
	return s->zstd && s->aes && has_room ? 0 : -ENOMEM;
}

int sealer_new(const char *const *files, int n, int level, struct sealer **ret_s, char *ret_why,
	       size_t why_size)
{
	*ret_s = NULL;
	if (n == 0 && level == 0)
		return 0;
	struct sealer *s = n > AUDITORS_MAX ? NULL : calloc(1, sizeof(*s));
	if (!s) {
		snprintf(ret_why, why_size, "audit.encrypt_to: %s",
			 n > AUDITORS_MAX ? "too many" : "out of memory");
		return -ENOMEM;
	}
	s->level = level;
	buf_init(&s->to, SEAL_TO_MAX);
	struct buf *all[] = {&s->payload, &s->packed, &s->sealed, &s->base64, &s->event};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		buf_init(all[i], EVENT_MAX);
	int r = start(s, files, n, ret_why, why_size);
	if (r < 0)
		sealer_free(s);
	else
		*ret_s = s;
	return r;
}

bool sealer_seals(const struct sealer *s)
{
	return s && s->n_auditors;
}

void sealer_free(struct sealer *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->n_auditors; i++)
		EVP_PKEY_free(s->auditors[i].key);
	ZSTD_freeCCtx(s->zstd);
	EVP_CIPHER_CTX_free(s->aes);
	buf_wipe(&s->payload);
	buf_wipe(&s->packed);
	struct buf *all[] = {&s->to, &s->sealed, &s->base64, &s->event};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		buf_done(all[i]);
	free(s);
}

/* --- the key ------------------------------------------------------------------------------------
 */

static int wrap(const struct auditor *a, const uint8_t key[SEAL_KEY_LEN], struct jw *w)
{
	uint8_t out[1024 * 2];
	size_t n = sizeof(out);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(a->key, NULL);
	bool is_done = c && EVP_PKEY_encrypt_init(c) > 0 &&
		       EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha256()) > 0 &&
		       EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha256()) > 0 &&
		       EVP_PKEY_encrypt(c, out, &n, key, SEAL_KEY_LEN) > 0;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	if (!is_done)
		return ERR_RECORD;
	jw_object(w, NULL);
	jw_str(w, "fingerprint", a->fingerprint);
	jw_base64(w, "wrapped", span_of(out, n));
	jw_object_end(w);
	return 0;
}

int seal_id(struct span to, char ret_id[SEAL_ID_TEXT + 1])
{
	uint8_t hash[HASH_LEN];
	if (!EVP_Digest(to.p, to.len, hash, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	EVP_EncodeBlock((uint8_t *)ret_id, hash, SEAL_ID_LEN);
	return 0;
}

/* {"fingerprint","wrapped"} of each auditor; the key's name is its hash, so that whoever has a
 * sealed payload can tell that this is what opens it. */
static int tell_to(struct sealer *s, const uint8_t key[SEAL_KEY_LEN])
{
	struct jw w;
	int r = 0;
	buf_reset(&s->to);
	jw_begin(&w, &s->to);
	jw_array(&w, NULL);
	for (int i = 0; i < s->n_auditors && r == 0; i++)
		r = wrap(&s->auditors[i], key, &w);
	jw_array_end(&w);
	if (r < 0 || buf_err(&s->to))
		return r < 0 ? r : buf_err(&s->to);
	r = seal_id(buf_span(&s->to), s->id);
	/* 24 characters without padding: no byte more than the name has. */
	return r < 0 ||
		       EVP_DecodeBlock(s->head, (const uint8_t *)s->id, SEAL_ID_TEXT) == SEAL_ID_LEN
		   ? r
		   : ERR_RECORD;
}

static int make_key(struct sealer *s)
{
	uint8_t key[SEAL_KEY_LEN];
	int r = RAND_priv_bytes(key, sizeof(key)) == 1 ? tell_to(s, key) : ERR_RECORD;
	if (r == 0 && !EVP_EncryptInit_ex(s->aes, EVP_aes_256_gcm(), NULL, key, NULL))
		r = -ENOMEM;
	OPENSSL_cleanse(key, sizeof(key));
	if (r < 0)
		return r;
	s->used = 0;
	s->state = KEY_UNTOLD;
	return 0;
}

void sealer_forget(struct sealer *s)
{
	if (!s || s->state == KEY_NONE)
		return;
	EVP_CIPHER_CTX_reset(s->aes); /* cleanses */
	s->state = KEY_NONE;
}

int sealer_owes_key(struct sealer *s, bool *ret_owes)
{
	int r = s && s->n_auditors && s->state == KEY_NONE ? make_key(s) : 0;
	*ret_owes = r == 0 && s && s->state == KEY_UNTOLD;
	return r;
}

void sealer_key_event(struct sealer *s, struct buf *out, const char *node, uint64_t now_ns)
{
	struct event_ctx c = {.node = node, .time_ns = now_ns};
	struct event_writer e;
	ev_begin(&e, out, &c, "record.key");
	ev_str(&e, "algorithm", "AES-256-GCM, RSAES-OAEP-SHA256");
	ev_str(&e, "key", s->id);
	jw_raw(&e.w, ev_key(&e, "to"), buf_span(&s->to));
	ev_end(&e);
	s->state = KEY_TELLING;
}

void sealer_settle(struct sealer *s, bool is_durable)
{
	if (s && s->state == KEY_TELLING)
		s->state = is_durable ? KEY_TOLD : KEY_UNTOLD;
}

/* --- a payload ----------------------------------------------------------------------------------
 */

static int encrypt(struct sealer *s, struct span plain, bool is_packed)
{
	uint8_t iv[12] = {0};
	int n = 0, rest = 0;
	if (s->state == KEY_NONE || s->state == KEY_UNTOLD)
		return ERR_STATE;
	seq_encode(++s->used, s->head + SEAL_ID_LEN);
	s->head[SEAL_HEAD_LEN - 1] = is_packed ? SEAL_PACKED : 0;
	memcpy(iv + 4, s->head + SEAL_ID_LEN, 8);
	buf_reset(&s->sealed);
	uint8_t *to = buf_reserve(&s->sealed, SEAL_HEAD_LEN + plain.len + SEAL_TAG_LEN);
	if (!to)
		return buf_err(&s->sealed);
	memcpy(to, s->head, SEAL_HEAD_LEN);
	if (!EVP_EncryptInit_ex(s->aes, NULL, NULL, NULL, iv) ||
	    !EVP_EncryptUpdate(s->aes, NULL, &n, s->head, SEAL_HEAD_LEN) ||
	    !EVP_EncryptUpdate(s->aes, to + SEAL_HEAD_LEN, &n, plain.p, (int)plain.len) ||
	    !EVP_EncryptFinal_ex(s->aes, to + SEAL_HEAD_LEN + n, &rest) ||
	    !EVP_CIPHER_CTX_ctrl(s->aes, EVP_CTRL_GCM_GET_TAG, SEAL_TAG_LEN,
				 to + SEAL_HEAD_LEN + plain.len))
		return ERR_RECORD;
	buf_commit(&s->sealed, SEAL_HEAD_LEN + plain.len + SEAL_TAG_LEN);
	return 0;
}

static int base64(struct sealer *s, struct span bytes)
{
	buf_reset(&s->base64);
	uint8_t *to = buf_reserve(&s->base64, (bytes.len + 2) / 3 * 4 + 1);
	if (!to)
		return buf_err(&s->base64);
	buf_commit(&s->base64, (size_t)EVP_EncodeBlock(to, bytes.p, (int)bytes.len));
	return 0;
}

static void wipe(struct buf *b)
{
	explicit_bzero(b->mem + b->start, buf_len(b));
	buf_reset(b);
}

static int seal(struct sealer *s, struct span event, const struct marks *m, struct span *ret_event,
		const struct marks **ret_m)
{
	struct marked e = {event, m};
	struct span type = mark_plain(&e, MARK_TYPE);
	*ret_event = event;
	*ret_m = m;
	int r = payload_take(event, 1, type, &s->payload);
	if (r <= 0)
		return r;
	int is_packed =
	    s->level ? payload_pack(s->zstd, s->level, buf_span(&s->payload), &s->packed) : 0;
	struct span plain = buf_span(is_packed > 0 ? &s->packed : &s->payload);
	if (is_packed < 0 || (!is_packed && !s->n_auditors))
		return is_packed;
	r = s->n_auditors ? encrypt(s, plain, is_packed) : 0;
	if (r == 0)
		r = base64(s, s->n_auditors ? buf_span(&s->sealed) : plain);
	buf_reset(&s->event);
	if (r == 0)
		r = payload_replace(event, type, s->n_auditors ? "sealed" : "packed",
				    buf_span(&s->base64), &s->event, &s->marks);
	*ret_event = buf_span(&s->event);
	*ret_m = &s->marks;
	return r;
}

int sealer_seal(struct sealer *s, struct span event, const struct marks *m, struct span *ret_event,
		const struct marks **ret_m)
{
	int r = seal(s, event, m, ret_event, ret_m);
	wipe(&s->payload);
	wipe(&s->packed);
	return r;
}
