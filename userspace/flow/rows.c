#include "flow/rows.h"

#include <stdlib.h>

#include "base/jw.h"
#include "base/ossl.h"
#include "base/macro.h"
#include "record/conceal.h"

#define COLUMNS_MAX (16 * 1024)
#define ROWS_MAX    (160 * 1024) /* an event holds at most RING_EVENT_MAX */
#define ROW_SLACK   (64 * 1024)
#define PIECE	    (48 * 1024) /* of a field, at a time; base64 has no padding within */

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
	EVP_MD_CTX_free(r->rest);
	buf_done(&r->columns);
	buf_done(&r->json);
	free(r);
}

static void rest_drop(struct rows *r)
{
	EVP_MD_CTX_free(r->rest);
	r->rest = NULL;
}

/* From here on nothing is kept, and all of it hashed: what is kept already, then row by row. Without memory there is
 * no hash. */
static void cut(struct rows *r)
{
	struct span kept = buf_span(&r->json);
	r->is_cut = true;
	r->rest = EVP_MD_CTX_new();
	if (r->rest && EVP_DigestInit_ex(r->rest, EVP_sha256(), NULL) && EVP_DigestUpdate(r->rest, kept.p, kept.len))
		return;
	rest_drop(r);
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
		if (r->limit)
			cut(r);
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

/* Behind what is kept; false: there is no room, and nothing of it is left there. */
static bool write_row(struct rows *r, const struct span *fields, int n)
{
	struct jw w;
	size_t before = buf_len(&r->json);
	buf_add_u8(&r->json, r->n ? ',' : '[');
	jw_begin(&w, &r->json);
	jw_array(&w, NULL);
	for (int i = 0; i < n; i++)
		add_field(&w, r->conceals, fields[i], i >= r->n_formats || r->formats[i] == 0);
	jw_array_end(&w);
	if (!buf_err(&r->json))
		return true;
	r->json.err = 0;
	r->json.end = r->json.start + before;
	return false;
}

/* False: it does not fit. A row is whole or not there. */
static bool keep_row(struct rows *r, const struct span *fields, int n)
{
	size_t before = buf_len(&r->json);
	if (write_row(r, fields, n) && buf_len(&r->json) <= r->limit)
		return true;
	r->json.end = r->json.start + before;
	return false;
}

/* --- the JSON of rows that are not kept --- */

static void rest_add(struct rows *r, const void *p, size_t len)
{
	if (r->rest)
		EVP_DigestUpdate(r->rest, p, len);
}

/* How much of it makes a piece: a character is not torn. */
static size_t piece_len(struct span s, bool is_text)
{
	size_t n = MIN(s.len, (size_t)PIECE);
	while (is_text && n < s.len && (s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* As add_shown writes it, a piece at a time: a field may be as large as a message. */
static void rest_shown(struct rows *r, struct span field, bool is_text)
{
	struct buf b;
	struct jw w;
	if (!field.p) {
		rest_add(r, "null", 4);
		return;
	}
	is_text = is_text && utf8_valid(field);
	rest_add(r, is_text ? "\"" : "{\"b64\":\"", is_text ? 1 : 8);
	buf_init(&b, 8 * PIECE);
	for (size_t n; r->rest && field.len; field = span_of(field.p + n, field.len - n)) {
		n = piece_len(field, is_text);
		buf_reset(&b);
		jw_begin(&w, &b);
		if (is_text)
			jw_text(&w, NULL, NULL, span_of(field.p, n));
		else
			jw_base64(&w, NULL, span_of(field.p, n));
		struct span json = buf_span(&b); /* in quotes */
		if (buf_err(&b))
			rest_drop(r);
		else
			rest_add(r, json.p + 1, json.len - 2);
	}
	buf_done(&b);
	rest_add(r, "\"}", is_text ? 1 : 2);
}

static void rest_large_row(struct rows *r, const struct span *fields, int n)
{
	rest_add(r, r->n ? ",[" : "[[", 2);
	for (int i = 0; i < n; i++) {
		struct buf b;
		if (i)
			rest_add(r, ",", 1);
		buf_init(&b, 2 * fields[i].len + 64);
		rest_shown(r, conceal(r->conceals, fields[i], &b), i >= r->n_formats || r->formats[i] == 0);
		buf_done(&b);
	}
	rest_add(r, "]", 1);
}

/* Most are small: these are written where there is room behind what is kept, and taken away again. */
static void rest_row(struct rows *r, const struct span *fields, int n)
{
	size_t before = buf_len(&r->json);
	if (write_row(r, fields, n))
		rest_add(r, buf_span(&r->json).p + before, buf_len(&r->json) - before);
	else
		rest_large_row(r, fields, n);
	r->json.end = r->json.start + before;
}

static void tear(struct rows *r)
{
	r->is_cut = true;
	rest_drop(r);
	EVP_MD_CTX_free(r->hash);
	r->hash = NULL;
}

void rows_add(struct rows *r, const struct span *fields, int n, bool is_whole)
{
	if (r->hash && is_whole)
		hash_row(r, fields, n);
	if (r->limit && !r->is_cut && !keep_row(r, fields, n))
		cut(r);
	if (!is_whole)
		tear(r);
	if (r->rest)
		rest_row(r, fields, n);
	r->n++;
}

bool rows_end(struct rows *r, uint8_t sha256[32])
{
	if (r->rest)
		rest_add(r, r->n ? "]" : "[]", r->n ? 1 : 2);
	if (r->limit)
		buf_add_str(&r->json, buf_len(&r->json) ? "]" : "[]");
	EVP_MD_CTX *of = r->hash ? r->hash : r->rest;
	return of && EVP_DigestFinal_ex(of, sha256, NULL);
}
