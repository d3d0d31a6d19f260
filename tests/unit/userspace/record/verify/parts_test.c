/* Texts in parts, whole and not, as the verifier meets them. ' stands for ". */
#include <stdlib.h>

#include "../../../tap.h"
#include "base/ossl.h"
#include "base/macro.h"
#include "record/verify/internal.h"

#define PART_(flow, id, field, at, data)                                                           \
	"{" data ",'field':'" field "','flow':'" flow "','id':" id ",'of':2,'part':" at            \
	",'type':'op.part'}"
#define PART(at, data) PART_("f", "7", "text", at, "'data':'" data "'")
#define SEALED(at)     "{'field':'text','flow':'f','id':7,'of':2,'part':" at ",'sealed':'AAAA','type':'op.part'}"
#define OP(n, hash)    "{'flow':'f','id':7,'text_parts':" n ",'text_sha256':'" hash "','type':'op'}"
#define EVENTS_MAX     6

static const struct {
	const char *what, *events[EVENTS_MAX];
	uint64_t left_out, first; /* first 0: 1 */
	bool is_bad, is_unknown;
	const char *why;
} rows[] = {
    {"as it should be", {PART("0", "one"), PART("1", "two"), OP("2", "$")}},
    {"in base64", {PART("0", "one"), PART_("f", "7", "text", "1", "'data_b64':'dHdv'"), OP("2", "$")}},
    {"with an escape", {PART("0", "one\\n"), PART("1", "two"), OP("2", "@")}},
    {"another text", {PART("0", "one"), PART("1", "twO"), OP("2", "$")}, .is_bad = true, .why = "another text"},
    {"another order", {PART("1", "two"), PART("0", "one"), OP("2", "$")}, .is_bad = true, .why = "not there"},
    {"one is missing", {PART("0", "one"), OP("2", "$")}, .is_bad = true, .why = "in 2 parts before it"},
    {"one too many", {PART("0", "one"), PART("1", "two"), PART("2", "x"), OP("2", "$")},
     .is_bad = true, .why = "not there"},
    {"none", {OP("2", "$")}, .is_bad = true, .why = "not there"},
    {"of another flow",
     {PART_("g", "7", "text", "0", "'data':'one'"), PART_("g", "7", "text", "1", "'data':'two'"), OP("2", "$")},
     .is_bad = true, .why = "not there"},
    {"of another operation",
     {PART_("f", "8", "text", "0", "'data':'one'"), PART_("f", "8", "text", "1", "'data':'two'"), OP("2", "$")},
     .is_bad = true, .why = "not there"},
    {"of another field",
     {PART_("f", "7", "params", "0", "'data':'one'"), PART_("f", "7", "params", "1", "'data':'two'"), OP("2", "$")},
     .is_bad = true, .why = "not there"},
    {"begun anew", {PART("0", "xxx"), PART("0", "one"), PART("1", "two"), OP("2", "$")}},
    {"used twice", {PART("0", "one"), PART("1", "two"), OP("2", "$"), OP("2", "$")},
     .is_bad = true, .why = "not there"},
    {"sealed: only how many",
     {SEALED("0"), SEALED("1"), OP("2", "$")}},
    {"sealed, and too few", {SEALED("0"), OP("2", "$")}, .is_bad = true, .why = "not there"},
    {"some were left out", {PART("1", "two"), OP("2", "$")},
     .left_out = 1, .is_unknown = true, .why = "they are left out"},
    {"changed, though some events are left out", {PART("0", "one"), PART("1", "twO"), OP("2", "$")},
     .left_out = 1, .is_bad = true,
     .why = "another text"},
    {"some were removed", {PART("1", "two"), OP("2", "$")}, .first = 100},
    {"no base64", {PART_("f", "7", "text", "0", "'data_b64':'d'")}, .is_bad = true, .why = "cannot be read"},
    {"an operation without", {"{'flow':'f','id':7,'text':'SELECT 1','type':'op'}"}},
};

/* $ and @ stand for the hashes of onetwo, with a newline within or not. */
static struct span quoted(char out[700], const char *text)
{
	static const char *const whole[] = {"onetwo", "one\ntwo"};
	uint8_t hash[HASH_LEN];
	char *at = out, hex[HASH_HEX + 1];
	for (; *text; text++) {
		if (*text != '$' && *text != '@') {
			*at++ = *text == '\'' ? '"' : *text;
			continue;
		}
		const char *of = whole[*text == '@'];
		if (!EVP_Digest(of, strlen(of), hash, NULL, EVP_sha256(), NULL))
			abort();
		hex_encode(hash, HASH_LEN, hex);
		at = stpcpy(at, hex);
	}
	return span_of(out, (size_t)(at - out));
}

int main(void)
{
	char text[700];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct verify_options o = {0};
		struct verify_result v = {.first = rows[i].first ? rows[i].first : 1, .left_out = rows[i].left_out};
		struct walk w = {.o = &o, .v = &v};
		struct scan s;
		CHECK_INT(verify_parts_new(&w.parts), 0);
		for (int k = 0; k < EVENTS_MAX && rows[i].events[k] && !v.is_bad; k++) {
			CHECK_INT(scan_event(quoted(text, rows[i].events[k]), true, &s), 0);
			CHECK_INT(verify_parts(&w, (uint64_t)k + 1, &s), 0);
		}
		bool is_right = v.is_bad == rows[i].is_bad && v.is_unknown == rows[i].is_unknown &&
				(!rows[i].why || strstr(v.why, rows[i].why));
		CHECK(is_right);
		if (!is_right)
			printf("  %s: %d %d %s\n", rows[i].what, v.is_bad, v.is_unknown, v.why);
		verify_parts_free(w.parts);
	}
	verify_parts_free(NULL);
	return tap_done();
}
