#include "record/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "record/event_internal.h"

#define ORIGIN	 "sluice/"
#define DASH	 "\xe2\x80\x94 "
#define LINE	 "checkpoint "
#define ED25519	 "\n\x01" /* c2sp.org/signed-note: the newline, and the algorithm's byte */
#define ROOT_B64 44
#define BLOB_LEN (4 + SIG_LEN)
#define BLOB_B64 92

/* --- writing ------------------------------------------------------------------------------------
 */

static void add_blob(struct buf *out, const struct checkpoint *c)
{
	uint8_t blob[BLOB_LEN];
	memcpy(blob, c->key_id, 4);
	memcpy(blob + 4, c->sig, SIG_LEN);
	buf_add_base64(out, span_of(blob, BLOB_LEN));
}

void checkpoint_text(struct buf *out, const struct checkpoint *c)
{
	buf_printf(out, ORIGIN "%s\n%" PRIu64 "\n", c->node, c->seq);
	buf_add_base64(out, span_of(c->root, HASH_LEN));
	buf_add_str(out, "\nchain ");
	buf_add_hex(out, span_of(c->hash, HASH_LEN));
	buf_printf(out, "\ntime %" PRId64 "\n", c->time);
}

void checkpoint_write(struct buf *out, const struct checkpoint *c)
{
	checkpoint_text(out, c);
	buf_printf(out, "\n" DASH ORIGIN "%s ", c->node);
	add_blob(out, c);
	buf_add_u8(out, '\n');
}

void checkpoint_line(struct buf *out, const struct checkpoint *c)
{
	buf_printf(out, LINE ORIGIN "%s %" PRIu64 " ", c->node, c->seq);
	buf_add_base64(out, span_of(c->root, HASH_LEN));
	buf_add_u8(out, ' ');
	buf_add_hex(out, span_of(c->hash, HASH_LEN));
	buf_printf(out, " %" PRId64 " ", c->time);
	add_blob(out, c);
}

/* --- reading: loosely, and then it must be what would be written
 * ------------------------------------ */

/* len must be what the text decodes to. */
static bool read_base64(const char *text, size_t text_len, uint8_t *out, size_t len)
{
	uint8_t room[96];
	int n =
	    text_len <= BLOB_B64 ? EVP_DecodeBlock(room, (const uint8_t *)text, (int)text_len) : -1;
	if (n < (int)len)
		return false;
	memcpy(out, room, len);
	return true;
}

struct texts {
	char node[NODE_MAX], root[ROOT_B64 + 1], hash[HASH_HEX + 1], blob[BLOB_B64 + 1];
	uint64_t seq, time;
};

static int from_texts(const struct texts *t, struct checkpoint *ret_c)
{
	uint8_t blob[BLOB_LEN];
	struct checkpoint c = {.seq = t->seq, .time = (int64_t)t->time};
	if (!c.seq || c.seq > INT64_MAX || c.time < 0 ||
	    !read_base64(t->root, strlen(t->root), c.root, HASH_LEN) ||
	    hex_decode(span_str(t->hash), c.hash, HASH_LEN) < 0 ||
	    !read_base64(t->blob, strlen(t->blob), blob, BLOB_LEN))
		return ERR_MALFORMED;
	memcpy(c.node, t->node, sizeof(c.node));
	memcpy(c.key_id, blob, 4);
	memcpy(c.sig, blob + 4, SIG_LEN);
	*ret_c = c;
	return 0;
}

/* Does it read the same once it is written? */
static int is_same(struct span text, const struct checkpoint *c,
		   void (*write)(struct buf *out, const struct checkpoint *c))
{
	struct buf b;
	buf_init(&b, NOTE_MAX);
	write(&b, c);
	bool same = buf_err(&b) == 0 && span_eq(text, buf_span(&b));
	buf_done(&b);
	return same ? 0 : ERR_MALFORMED;
}

int checkpoint_read(struct span note, struct checkpoint *ret_c)
{
	char text[NOTE_MAX], again[NODE_MAX];
	struct texts t = {0};
	struct checkpoint c;
	if (note.len >= sizeof(text))
		return ERR_MALFORMED;
	memcpy(text, note.p, note.len);
	text[note.len] = 0;
	/* The dash apart: what scanf takes for a character hangs on the locale. */
	char *dash = strstr(text, "\n\n" DASH);
	if (!dash)
		return ERR_MALFORMED;
	*dash = 0;
	if (sscanf(text,
		   ORIGIN "%255[^ \n]\n%" SCNu64 "\n%44[^ \n]\nchain %64[0-9a-f]\ntime %" SCNu64,
		   t.node, &t.seq, t.root, t.hash, &t.time) != 5 ||
	    sscanf(dash + strlen("\n\n" DASH), ORIGIN "%255[^ \n] %92[^ \n]", again, t.blob) != 2)
		return ERR_MALFORMED;
	int r = from_texts(&t, &c);
	if (r == 0)
		r = is_same(note, &c, checkpoint_write);
	if (r == 0)
		*ret_c = c;
	return r;
}

int checkpoint_read_line(const char *line, struct checkpoint *ret_c)
{
	struct texts t = {0};
	struct checkpoint c;
	const char *at = strstr(line, LINE ORIGIN);
	if (!at ||
	    sscanf(at,
		   LINE ORIGIN "%255[^ \n] %" SCNu64 " %44[^ \n] %64[0-9a-f] %" SCNu64 " %92[^ \n]",
		   t.node, &t.seq, t.root, t.hash, &t.time, t.blob) != 6)
		return ERR_MALFORMED;
	size_t len = strlen(at);
	while (len && strchr(" \t\r\n", at[len - 1]))
		len--;
	int r = from_texts(&t, &c);
	if (r == 0)
		r = is_same(span_of(at, len), &c, checkpoint_line);
	if (r == 0)
		*ret_c = c;
	return r;
}

/* --- keys ---------------------------------------------------------------------------------------
 */

void checkpoint_key_id(const char *node, const uint8_t key[KEY_LEN], uint8_t out[4])
{
	uint8_t text[sizeof(ORIGIN) + NODE_MAX + 2 + KEY_LEN], hash[HASH_LEN];
	int n = snprintf((char *)text, sizeof(text) - KEY_LEN, ORIGIN "%.255s" ED25519, node);
	memcpy(text + n, key, KEY_LEN);
	EVP_Digest(text, (size_t)n + KEY_LEN, hash, NULL, EVP_sha256(), NULL);
	memcpy(out, hash, 4);
}

int checkpoint_check(const struct checkpoint *c, const uint8_t key[KEY_LEN])
{
	struct buf text;
	uint8_t id[4];
	checkpoint_key_id(c->node, key, id);
	if (memcmp(id, c->key_id, 4) != 0)
		return ERR_VERIFY;
	buf_init(&text, NOTE_MAX);
	checkpoint_text(&text, c);
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, KEY_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = k && ctx && buf_err(&text) == 0 &&
		  EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestVerify(ctx, c->sig, SIG_LEN, buf_span(&text).p, buf_len(&text)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	buf_done(&text);
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
	bool ok = k && EVP_PKEY_id(k) == EVP_PKEY_ED25519 &&
		  EVP_PKEY_get_raw_public_key(k, ret_key, &len) == 1 && len == KEY_LEN;
	EVP_PKEY_free(k);
	return ok ? 0 : ERR_MALFORMED;
}
