/* Words in events: the fast search against the plain one, and what counts as told. */
#include "record/query/match.c"

#include "../../../tap.h"

static bool finds(const char *phrase, const char *text, size_t len)
{
	struct match m;
	match_init(&m);
	bool is_read = match_read_text(&m, phrase);
	bool found = is_read && phrase_find(&m.phrases[0], span_of(text, len)) != NULL;
	match_done(&m);
	return found;
}

static void folds_ascii(void)
{
	CHECK(finds("drop", "DROP TABLE", 10));
	CHECK(finds("DROP", "xdrop", 5));
	CHECK(!finds("drop", "dro", 3));
	CHECK(!finds("a@b", "A`B", 3)); /* the bit that folds letters folds these as well */
	CHECK(!finds("a[b", "a{b", 3));
	CHECK(finds("\xc3\x84", "x\xc3\x84y", 4));
	CHECK(!finds("\xc3\x84", "x\xc3\xa4y", 4));
	CHECK(finds("say \"x\"", "say \\\"x\\\"", 9)); /* as it stands in JSON */
	CHECK(finds("x", "0123456789abcdefX", 17));
	CHECK(!finds("x", "", 0));
}

/* Against strcasestr, at every place and length around the blocks' borders. */
static void agrees_with_the_plain_one(void)
{
	static const char letters[] = "abAB@`[{ z";
	char text[100], needle[8];
	unsigned seed = 99;
	int wrong = 0;
	for (int n = 0; n < 200000; n++) {
		size_t len = (size_t)rand_r(&seed) % 70, k = 1 + (size_t)rand_r(&seed) % 5;
		for (size_t i = 0; i < len; i++)
			text[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
		text[len] = 0;
		for (size_t i = 0; i < k; i++)
			needle[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
		needle[k] = 0;
		wrong += finds(needle, text, len) != (strcasestr(text, needle) != NULL);
	}
	CHECK_INT(wrong, 0);
}

static const char event[] =
    "{\"decision\":\"deny\",\"flow\":\"f-1\",\"id\":1,\"identity\":\"crew\",\"needs\":[{\"kind\":\"relation\",\"name\":"
    "\"orders\",\"schema\":\"public\",\"verb\":\"drop\"}],\"rule\":\"default\",\"text\":\"DROP TABLE x\","
    "\"time\":5,\"type\":\"op\"}";

static bool matches(const char *event_json, const char *text, const char *verdict, const char *relation)
{
	struct match m;
	struct scan e;
	match_init(&m);
	bool ok = (!text || match_read_text(&m, text)) && (!verdict || match_read_verdict(&m, verdict)) &&
		  (!relation || match_read_relation(&m, relation)) && scan_event(span_str(event_json), true, &e) == 0;
	bool is_match = ok && match_event(&m, &e);
	/* The look at the bytes may find too much, never too little. */
	CHECK(!is_match || match_bytes(&m, span_str(event_json)));
	match_done(&m);
	return is_match;
}

/* An operation's end does not name what the operation needs. */
static void knows_the_end_of_what_it_saw(void)
{
	static const char ends[][120] = {"{\"flow\":\"f-1\",\"id\":1,\"sqlstate\":\"22012\",\"type\":\"op.end\"}",
					 "{\"flow\":\"f-1\",\"id\":2,\"sqlstate\":\"22012\",\"type\":\"op.end\"}",
					 "{\"flow\":\"f-11\",\"id\":1,\"sqlstate\":\"22012\",\"type\":\"op.end\"}"};
	struct match m;
	struct scan e;
	match_init(&m);
	CHECK(match_read_relation(&m, "orders") && match_read_verdict(&m, "error"));
	CHECK(match_bytes(&m, span_str(event)));
	CHECK(scan_event(span_str(event), true, &e) == 0 && !match_event(&m, &e)); /* no error itself */
	for (int i = 0; i < 3; i++) {
		CHECK(match_bytes(&m, span_str(ends[i])));
		CHECK(scan_event(span_str(ends[i]), true, &e) == 0 && match_event(&m, &e) == (i == 0));
	}
	match_done(&m);
}

static void quotes_names(void)
{
	struct match m;
	match_init(&m);
	CHECK(match_read_relation(&m, "\"My \"\"own\"\".Schema\".\"a.b\""));
	CHECK_STR(m.schema, "\"My \\\"own\\\".Schema\"");
	CHECK_STR(m.name, "\"a.b\"");
	match_done(&m);
}

static void knows_what_is_told(void)
{
	static const char refused[] = "{\"dst\":\"1.2.3.4:80\",\"type\":\"connect.refused\"}";
	static const char failed[] = "{\"error\":\"division by zero\",\"sqlstate\":\"22012\",\"type\":\"op.end\"}";
	CHECK(matches(event, "table X", NULL, NULL));
	CHECK(matches(event, "drop\ncrew", NULL, NULL)); /* both */
	CHECK(!matches(event, "drop\nnobody", NULL, NULL));
	CHECK(matches(event, "ORDERS", NULL, NULL));
	CHECK(!matches(event, "decision", NULL, NULL)); /* a key */
	CHECK(!matches(event, "relation", NULL, NULL)); /* a kind */
	CHECK(!matches(event, "deny", NULL, NULL));	/* a verdict */
	CHECK(matches(event, NULL, "deny", NULL));
	CHECK(!matches(event, NULL, "allow", NULL));
	CHECK(matches(refused, NULL, "deny", NULL));
	CHECK(matches(refused, NULL, "refused", NULL));
	CHECK(!matches(event, NULL, "refused", NULL));
	CHECK(matches(failed, NULL, "error", NULL));
	CHECK(!matches(event, NULL, "observed", NULL));
	CHECK(matches(event, NULL, NULL, "orders"));
	CHECK(matches(event, NULL, NULL, "public.orders"));
	CHECK(!matches(event, NULL, NULL, "other.orders"));
	CHECK(matches(event, NULL, NULL, "\"public\".orders"));
	CHECK(matches(event, NULL, NULL, "public.\"orders\""));
	CHECK(!matches(event, NULL, NULL, "\"public.orders\""));
	CHECK(!matches(event, NULL, NULL, "\"orders"));
	CHECK(!matches(event, NULL, NULL, "public.orders.x"));
	CHECK(!matches(event, NULL, NULL, "."));
	CHECK(!matches(event, "f-1", NULL, NULL)); /* a flow's name is no word of anybody */
	CHECK(!matches(event, NULL, NULL, "order"));
	CHECK(matches(event, "drop", "deny", "public.orders"));
}

static void refuses_what_is_none(void)
{
	struct match m;
	match_init(&m);
	CHECK(match_is_any(&m));
	CHECK(!match_read_text(&m, ""));
	CHECK(!match_read_text(&m, "\n\n"));
	CHECK(!match_read_text(&m, "\xff"));
	CHECK(!match_read_text(&m, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17"));
	CHECK(!match_read_verdict(&m, "perhaps"));
	CHECK(match_read_verdict(&m, "ask"));
	CHECK(!match_read_verdict(&m, "deny")); /* twice */
	CHECK(match_read_relation(&m, "a.b"));
	CHECK(!match_read_relation(&m, "c"));
	CHECK(!match_is_any(&m));
	match_done(&m);
	CHECK(!match_read_relation(&m, ".b"));
	match_done(&m);
	CHECK(!match_read_relation(&m, "a."));
	match_done(&m);
}

int main(void)
{
	knows_the_end_of_what_it_saw();
	quotes_names();
	folds_ascii();
	agrees_with_the_plain_one();
	knows_what_is_told();
	refuses_what_is_none();
	return tap_done();
}
