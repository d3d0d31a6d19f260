/* OpenSSL has a type of the name of one of our error codes. */
#define ERR_STATE openssl_err_state
#include <openssl/evp.h>
#undef ERR_STATE

#include "flow/rows.h"

#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"
#include "record/conceal.h"

#define COLUMNS_MAX (16 * 1024)
#define ROWS_MAX    (160 * 1024) /* an event holds at most RING_EVENT_MAX */
#define ROW_SLACK   (64 * 1024)

struct rows *rows_new(uint64_t op_id, const struct resource *res, bool is_masked)
{
	struct rows *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->op_id = op_id;
	r->conceals = is_masked ? CONCEAL_ALL : CONCEAL_SECRETS;
	r->limit = res->record == RECORD_ROWS ? MIN(res->record_limit, (uint64_t)ROWS_MAX) : 0;
	buf_init(&r->columns, COLUMNS_MAX);
	buf_init(&r->json, r->limit + ROW_SLACK);
	if (res->record == RECORD_HASH) {
		r->hash = EVP_MD_CTX_new();
		if (!r->hash || !EVP_DigestInit_ex(r->hash, EVP_sha256(), NULL)) {
			rows_free(r);
			return NULL;
		}
	}
	return r;
}

void rows_free(struct rows *r)
{
	if (!r)
		return;
	EVP_MD_CTX_free(r->hash);
	buf_done(&r->columns);
	buf_done(&r->json);
	free(r);
}

void rows_columns(struct rows *r, const struct span *names, const uint16_t *formats, int n)
{
	struct jw w;
	r->n_formats = MIN(n, (int)ARRAY_LEN(r->formats));
	memcpy(r->formats, formats, (size_t)r->n_formats * sizeof(*formats));
	if (r->has_columns)
		return; /* of several results the first names the columns */
	r->has_columns = true;
	jw_begin(&w, &r->columns);
	jw_array(&w, NULL);
	for (int i = 0; i < n; i++)
		jw_text(&w, NULL, NULL, names[i]);
	jw_array_end(&w);
	if (buf_err(&r->columns)) {
		buf_reset(&r->columns);
		buf_add_str(&r->columns, "[]");
		r->is_cut = true;
	}
}

/* Text is a string; what is binary or not UTF-8 is {"b64": ...}, so that the two cannot be
 * confused. */
static void add_shown(struct jw *w, struct span field, bool is_text)
{
	if (!field.p) {
		jw_null(w, NULL);
	} else if (is_text && utf8_valid(field)) {
		jw_text(w, NULL, NULL, field);
	} else {
		struct buf b64;
		buf_init(&b64, 2 * field.len + 8);
		buf_add_u8(&b64, '"');
		buf_add_base64(&b64, field);
		buf_add_u8(&b64, '"');
		jw_object(w, NULL);
		jw_raw(w, "b64", buf_span(&b64));
		jw_object_end(w);
		buf_done(&b64);
	}
}

/* Keys and tokens are in no record, whatever column they are in; where something is masked nothing is that a detector
 * finds: it may be what the statement's own text says. */
static void add_field(struct jw *w, uint64_t kinds, struct span field, bool is_text)
{
	struct buf b;
	buf_init(&b, 2 * field.len + 64);
	add_shown(w, conceal(kinds, field, &b), is_text);
	buf_done(&b);
}

/* Each field as its length (32 bits, all ones for NULL) and its bytes; each row led by its count.
 */
static void hash_row(struct rows *r, const struct span *fields, int n)
{
	uint32_t count = __builtin_bswap32((uint32_t)n);
	EVP_DigestUpdate(r->hash, &count, 4);
	for (int i = 0; i < n; i++) {
		uint32_t len = __builtin_bswap32(fields[i].p ? (uint32_t)fields[i].len : ~0u);
		EVP_DigestUpdate(r->hash, &len, 4);
		if (fields[i].len)
			EVP_DigestUpdate(r->hash, fields[i].p, fields[i].len);
	}
}

void rows_add(struct rows *r, const struct span *fields, int n)
{
	struct jw w;
	if (r->hash)
		hash_row(r, fields, n);
	if (!r->limit || r->is_cut)
		return;
	size_t before = buf_len(&r->json);
	buf_add_u8(&r->json, before ? ',' : '[');
	jw_begin(&w, &r->json);
	jw_array(&w, NULL);
	for (int i = 0; i < n; i++)
		add_field(&w, r->conceals, fields[i], i >= r->n_formats || r->formats[i] == 0);
	jw_array_end(&w);
	if (buf_err(&r->json) || buf_len(&r->json) > r->limit) {
		r->json.err = 0;
		r->json.end = r->json.start + before; /* a row is whole or not there */
		r->is_cut = true;
	}
}

bool rows_end(struct rows *r, uint8_t sha256[32])
{
	if (r->limit)
		buf_add_str(&r->json, buf_len(&r->json) ? "]" : "[]");
	return r->hash && EVP_DigestFinal_ex(r->hash, sha256, NULL);
}
