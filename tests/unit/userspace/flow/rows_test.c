/* Rows on record: what is kept is whole rows, and what is cut is bound by the hash of the array that all of them
 * would have made, however large a field is. */
#include "flow/rows.h"

#include <stdlib.h>

#include "../../tap.h"
#include "base/jw.h"
#include "base/macro.h"
#include "base/ossl.h"

#define HUGE (5 * 1024 * 1024)
#define JWT                                                         \
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0" \
	".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

static const uint16_t formats[] = {0, 1, 0};
static const struct span names[] = {SPAN_LITERAL("a"), SPAN_LITERAL("b"), SPAN_LITERAL("c")};

static struct rows *begin(enum record_rows record, uint64_t limit, bool is_masked)
{
	const struct resource res = {.record = record, .record_limit = limit};
	struct rows *r = rows_new(7, &res, is_masked);
	CHECK(r != NULL);
	rows_columns(r, names, formats, 3);
	return r;
}

/* The array of the rows without any limit, written the plain way. */
static void whole(struct buf *out, const struct span (*rows)[3], int n)
{
	struct jw w;
	buf_init(out, SIZE_MAX);
	jw_begin(&w, out);
	jw_array(&w, NULL);
	for (int i = 0; i < n; i++) {
		jw_array(&w, NULL);
		for (int k = 0; k < 3; k++) {
			struct span f = rows[i][k];
			if (!f.p) {
				jw_null(&w, NULL);
			} else if (formats[k] == 0 && utf8_valid(f)) {
				jw_text(&w, NULL, NULL, f);
			} else {
				jw_object(&w, NULL);
				jw_base64(&w, "b64", f);
				jw_object_end(&w);
			}
		}
		jw_array_end(&w);
	}
	jw_array_end(&w);
}

static bool is_hash_of(const uint8_t hash[32], struct span s)
{
	uint8_t own[32];
	return EVP_Digest(s.p, s.len, own, NULL, EVP_sha256(), NULL) && !memcmp(hash, own, 32);
}

/* All limits around what the rows need: kept whole without a hash, or cut with one. */
static void at_each_limit(const struct span (*rows)[3], int n)
{
	struct buf all;
	whole(&all, rows, n);
	for (uint64_t limit = 1; limit <= buf_len(&all) + 2; limit++) {
		uint8_t hash[32];
		struct rows *r = begin(RECORD_ROWS, limit, false);
		for (int i = 0; i < n; i++)
			rows_add(r, rows[i], 3, true);
		bool has_hash = rows_end(r, hash);
		struct span kept = buf_span(&r->json);
		CHECK(has_hash == r->is_cut && r->is_cut == (limit + 1 < buf_len(&all)));
		CHECK(kept.len <= limit + 1 || span_is(kept, "[]"));
		CHECK(span_is(kept, "[]") || !memcmp(kept.p, buf_span(&all).p, kept.len - 1));
		CHECK(r->is_cut ? is_hash_of(hash, buf_span(&all)) : span_eq(kept, buf_span(&all)));
		rows_free(r);
	}
	buf_done(&all);
}

static void keeps_or_binds(void)
{
	static const struct span rows[][3] = {
	    {SPAN_LITERAL("one"), SPAN_LITERAL("\x01\x02"), SPAN_LITERAL("")},
	    {{0}, {0}, SPAN_LITERAL("quote\" slash\\ line\n")},
	    {SPAN_LITERAL("\xff\xfe no text"), SPAN_LITERAL(""), SPAN_LITERAL("\xe2\x82\xac\xf0\x9f\x98\x80")},
	    {SPAN_LITERAL("last"), SPAN_LITERAL("b"), SPAN_LITERAL("c")},
	};
	for (int n = 1; n <= 4; n++)
		at_each_limit(rows, n);
}

/* Bytes of each kind, in fields of about the size of the pieces that they are hashed in, and huge ones. */
static void binds_huge_fields(void)
{
	static const struct {
		const char *unit;
		size_t len;
		int column;
	} rows[] = {
	    {"x", 48 * 1024, 0},	{"x", 48 * 1024 + 1, 0}, {"\xe2\x82\xac", 48 * 1024 + 2, 0},
	    {"\xf0\x9f\x98\x80", HUGE, 2}, {"a\x01", HUGE, 0},	 {"\"\\", HUGE, 2},
	    {"x", 48 * 1024 - 1, 1},	{"xyz", 48 * 1024 + 1, 1}, {"\xff", HUGE, 1},
	    {"\xff", HUGE + 1, 0}, /* no text */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span fields[2][3] = {{SPAN_LITERAL("before")}, {{0}}};
		size_t unit = strlen(rows[i].unit), len = rows[i].len / unit * unit;
		uint8_t *text = malloc(len), hash[32];
		struct buf all;
		for (size_t at = 0; at < len; at += unit)
			memcpy(text + at, rows[i].unit, unit);
		fields[1][rows[i].column] = span_of(text, len);
		struct rows *r = begin(RECORD_ROWS, 1000, false);
		rows_add(r, fields[0], 3, true);
		rows_add(r, fields[1], 3, true);
		rows_add(r, fields[0], 3, true);
		CHECK(r->is_cut && rows_end(r, hash));
		CHECK(span_is(buf_span(&r->json), "[[\"before\",null,null]]"));
		CHECK(r->json.cap <= 256 * 1024);
		const struct span again[3][3] = {
		    {fields[0][0]}, {fields[1][0], fields[1][1], fields[1][2]}, {fields[0][0]}};
		whole(&all, again, 3);
		CHECK(is_hash_of(hash, buf_span(&all)));
		buf_done(&all);
		rows_free(r);
		free(text);
	}
}

/* The hash is over what the record would show: it is no way to try what was concealed. */
static void hashes_what_it_would_show(void)
{
	static const struct span row[3] = {SPAN_LITERAL("mail pat@example.com " JWT), {0}, {0}};
	for (int is_masked = 0; is_masked < 2; is_masked++) {
		struct rows *kept = begin(RECORD_ROWS, 1000, is_masked), *none = begin(RECORD_ROWS, 10, is_masked);
		uint8_t hash[32];
		rows_add(kept, row, 3, true);
		rows_add(none, row, 3, true);
		CHECK(!rows_end(kept, hash) && rows_end(none, hash));
		CHECK(is_hash_of(hash, buf_span(&kept->json)));
		CHECK(span_is(buf_span(&none->json), "[]"));
		CHECK(!memmem(buf_span(&kept->json).p, buf_len(&kept->json), "eyJ", 3));
		bool has_mail = memmem(buf_span(&kept->json).p, buf_len(&kept->json), "pat@", 4) != NULL;
		CHECK(has_mail == !is_masked);
		rows_free(kept);
		rows_free(none);
	}
}

static void without_rows(void)
{
	uint8_t hash[32];
	struct rows *r = begin(RECORD_ROWS, 1000, false);
	CHECK(!rows_end(r, hash));
	CHECK(span_is(buf_span(&r->json), "[]") && span_is(buf_span(&r->columns), "[\"a\",\"b\",\"c\"]"));
	rows_free(r);
}

/* Names that are too large leave no rows behind that nobody could read: the hash is of all of them. */
static void cuts_columns(void)
{
	static char name[20000];
	const struct resource res = {.record = RECORD_ROWS, .record_limit = 1000};
	uint8_t hash[32];
	memset(name, 'n', sizeof(name));
	for (int n = 0; n < 2; n++) {
		struct rows *r = rows_new(7, &res, false);
		struct span names_[] = {span_of((uint8_t *)name, sizeof(name))}, row[] = {SPAN_LITERAL("1")};
		rows_columns(r, names_, formats, 1);
		for (int i = 0; i < n; i++)
			rows_add(r, row, 1, true);
		CHECK(r->is_cut && rows_end(r, hash));
		CHECK(span_is(buf_span(&r->columns), "[]") && span_is(buf_span(&r->json), "[]"));
		CHECK(is_hash_of(hash, span_str(n ? "[[\"1\"]]" : "[]")));
		rows_free(r);
	}
}

/* Where the resource keeps hashes: each row's count, each field's length and bytes, as they went to the client. */
static void hashes_fields(void)
{
	static const struct span row[3] = {SPAN_LITERAL("ab"), {0}, SPAN_LITERAL("")};
	static const char bytes[] = "\0\0\0\3\0\0\0\2ab\377\377\377\377\0\0\0\0";
	uint8_t hash[32];
	struct rows *r = begin(RECORD_HASH, 0, false);
	rows_add(r, row, 3, true);
	CHECK(rows_end(r, hash) && !buf_len(&r->json) && !r->is_cut);
	CHECK(is_hash_of(hash, span_of((const uint8_t *)bytes, sizeof(bytes) - 1)));
	rows_free(r);
	rows_free(NULL);
}

/* Of a message that is larger than what is looked at only the beginning is there: it is said, and nothing is bound. */
static void keeps_the_beginning_of_a_torn_row(void)
{
	static const struct span row[1] = {SPAN_LITERAL("begins")};
	static const enum record_rows records[] = {RECORD_ROWS, RECORD_HASH};
	static const uint64_t limits[] = {1000, 21, 5};
	static const char *const kept[] = {"[[\"begins\"],[\"begins\"]]", "[[\"begins\"]]", "[]"};
	uint8_t hash[32];
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < ARRAY_LEN(limits); k++) {
			struct rows *r = begin(records[i], limits[k], false);
			rows_add(r, row, 1, true);
			rows_add(r, row, 1, false);
			rows_add(r, row, 1, true);
			CHECK(r->is_cut && !rows_end(r, hash));
			CHECK(span_is(buf_span(&r->json), records[i] == RECORD_ROWS ? kept[k] : ""));
			rows_free(r);
		}
	}
}

int main(void)
{
	keeps_the_beginning_of_a_torn_row();
	keeps_or_binds();
	binds_huge_fields();
	hashes_what_it_would_show();
	without_rows();
	cuts_columns();
	hashes_fields();
	return tap_done();
}
