#include "record/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/ossl.h"

struct walk {
	struct store *store;
	struct verdict *v;
	struct chain chain;
	EVP_PKEY *key;
	json_t *checkpoint; /* the next one, or NULL */
	json_t *checkpoints; /* all, in order */
	size_t next;
};

static int bad(struct walk *w, uint64_t seq, const char *fmt, const char *arg)
{
	w->v->bad = seq;
	w->v->result = ERR_VERIFY;
	snprintf(w->v->why, sizeof(w->v->why), fmt, arg);
	return ERR_VERIFY;
}

static bool is_signed(const struct walk *w, const json_t *c, const char *hash)
{
	char text[512];
	uint8_t sig[64];
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(c, "seq"));
	size_t n = checkpoint_text(store_node(w->store), seq, hash, json_integer_value(json_object_get(c, "time")), text,
				   sizeof(text));
	const char *sig_hex = json_string_value(json_object_get(c, "sig"));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_good = ctx && n && sig_hex && hash_unhex(sig_hex, strlen(sig_hex), sig, sizeof(sig)) == 0 &&
		       EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, w->key) == 1 &&
		       EVP_DigestVerify(ctx, sig, sizeof(sig), (const uint8_t *)text, n) == 1;
	EVP_MD_CTX_free(ctx);
	return is_good;
}

static int check_checkpoint(struct walk *w, const json_t *c)
{
	char hash[2 * HASH_LEN + 1];
	const char *said = json_string_value(json_object_get(c, "hash"));
	hash_hex(w->chain.hash, hash);
	if (!said || strcmp(said, hash))
		return bad(w, w->chain.seq, "%s", "the chain up to it is not the one that its checkpoint was made over");
	if (w->key && !is_signed(w, c, hash))
		return bad(w, w->chain.seq, "%s", "its checkpoint's signature is not by this node's key");
	w->v->signed_to = w->key ? w->chain.seq : 0;
	return 0;
}

static int on_event(void *ctx, struct span key, struct span value)
{
	struct walk *w = ctx;
	const char *why;
	uint64_t seq = key_number(key);
	int r = chain_check(&w->chain, seq, value, &why);
	if (r < 0)
		return bad(w, w->chain.seq + 1 < seq ? w->chain.seq + 1 : seq, "%s", why);
	w->v->first = w->v->first ? w->v->first : seq;
	w->v->last = seq;
	const json_t *c = json_array_get(w->checkpoints, w->next);
	if (!c || (uint64_t)json_integer_value(json_object_get(c, "seq")) != seq)
		return 0;
	w->next++;
	return check_checkpoint(w, c);
}

static int on_checkpoint(void *ctx, struct span key, struct span value)
{
	struct walk *w = ctx;
	json_t *c = json_loadb((const char *)value.p, value.len, JSON_REJECT_DUPLICATES, NULL);
	if (!c || (uint64_t)json_integer_value(json_object_get(c, "seq")) != key_number(key)) {
		json_decref(c);
		return bad(w, key_number(key), "%s", "its checkpoint is malformed");
	}
	return json_array_append_new(w->checkpoints, c) < 0 ? -1 : 0;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return key;
}

/* A checkpoint behind the last event: the tail was cut. */
static void check_end(struct walk *w)
{
	const json_t *c = json_array_get(w->checkpoints, w->next);
	if (c)
		bad(w, w->v->last + 1, "%s", "it is missing: a checkpoint was signed over it");
}

void store_verify(struct store *s, const char *public_pem, struct verdict *ret_v)
{
	struct verdict v = {0};
	struct walk w = {.store = s, .v = &v, .key = read_key(public_pem), .checkpoints = json_array()};
	int r = store_refresh(s);
	if (r == 0)
		r = store_each(s, DB_CHECKPOINTS, span_of(NULL, 0), on_checkpoint, &w);
	if (r == 0)
		r = store_each(s, DB_EVENTS, span_of(NULL, 0), on_event, &w);
	if (r == 0)
		check_end(&w);
	if (r < 0 && !v.result) {
		v.result = r;
		snprintf(v.why, sizeof(v.why), "the store cannot be read: %s", err_text(r));
	}
	if (!v.result && !w.key)
		snprintf(v.why, sizeof(v.why), "no public key: signatures were not checked");
	EVP_PKEY_free(w.key);
	json_decref(w.checkpoints);
	*ret_v = v;
}

json_t *verdict_json(const struct verdict *v, const char *node)
{
	char line[512];
	if (v->result == 0)
		snprintf(line, sizeof(line), "OK %s events %" PRIu64 "..%" PRIu64 " signed-to %" PRIu64 " unsigned-tail %" PRIu64 "%s%s",
			 node, v->first, v->last, v->signed_to, v->last - v->signed_to, *v->why ? "; " : "", v->why);
	else if (v->result == ERR_VERIFY)
		snprintf(line, sizeof(line), "BAD %s event %" PRIu64 ": %s", node, v->bad, v->why);
	else
		snprintf(line, sizeof(line), "CANNOT TELL %s: %s", node, v->why);
	return json_pack("{s:s,s:i}", "line", line, "exit", v->result == 0 ? 0 : v->result == ERR_VERIFY ? 1 : 2);
}
