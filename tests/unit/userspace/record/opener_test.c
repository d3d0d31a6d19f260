/* What is sealed is opened by each of its auditors and nobody else, and not where a bit of it was
 * changed. */
#include "../../tap.h"
#include "base/macro.h"
#include "record/opener.h"
#include "seal_keys.h"

static struct seal_keys one, two, other;
static const char event[] =
    "{\"node\":\"n\",\"session\":\"s\",\"text\":\"SELECT secret\",\"time\":1,\"type\":\"op\"}";

static struct buf sealed, key_line; /* the event, and its key's line */

static void make(int level, const char *text)
{
	char why[PATH_MAX + 200];
	struct sealer *s = NULL;
	struct buf told;
	struct scan e;
	struct marks m;
	const struct marks *got;
	struct span out;
	bool owes;
	const char *files[] = {one.public, two.public};
	buf_init(&told, 65536);
	CHECK_INT(sealer_new(files, 2, level, &s, why, sizeof(why)), 0);
	CHECK_INT(sealer_owes_key(s, &owes), 0);
	sealer_key_event(s, &told, "node", 7);
	sealer_settle(s, true);
	CHECK_INT(scan_event(span_str(text), false, &e), 0);
	marks_take(&m, &e, span_str(text));
	CHECK_INT(sealer_seal(s, span_str(text), &m, &out, &got), 0);
	buf_reset(&sealed);
	buf_add_span(&sealed, out);
	CHECK_INT(scan_event(buf_span(&told), false, &e), 0);
	buf_reset(&key_line);
	buf_add_str(&key_line, "{\"_key\":");
	buf_add_span(&key_line, scan_get(&e, "to"));
	buf_add_str(&key_line, ",\"type\":\"key\"}");
	buf_done(&told);
	sealer_free(s);
}

/* With that key, after its line was taken: what opening says, and whether it is the text. */
static int open_with(const char *key, struct span line, const char *text)
{
	struct opener *o = NULL;
	struct scan e;
	struct buf out;
	buf_init(&out, 2 * PAYLOAD_MAX);
	CHECK_INT(opener_new(key, &o), 0);
	CHECK_INT(opener_open(o, buf_span(&sealed), &out),
		  ERR_NOT_FOUND); /* before the key is there */
	CHECK_INT(scan_event(line, true, &e), 0);
	CHECK_INT(opener_take(o, &e), 0);
	CHECK_INT(opener_take(o, &e), 0);
	int r = opener_open(o, buf_span(&sealed), &out);
	CHECK(r != 1 || span_is(buf_span(&out), text));
	opener_free(o);
	buf_done(&out);
	return r;
}

static void opens(void)
{
	char long_text[4000];
	snprintf(long_text, sizeof(long_text),
		 "{\"session\":\"s\",\"text\":\"%0*d\",\"time\":1,\"type\":\"op\"}", 3000, 7);
	make(0, event);
	CHECK_INT(open_with(one.private, buf_span(&key_line), event), 1);
	CHECK_INT(open_with(two.private, buf_span(&key_line), event), 1);
	CHECK_INT(open_with(other.private, buf_span(&key_line), event), ERR_NOT_FOUND);
	make(3, long_text);
	CHECK(buf_len(&sealed) < 300);
	CHECK_INT(open_with(two.private, buf_span(&key_line), long_text), 1);
}

/* Each character of the sealed text, changed. */
static void finds_changes(void)
{
	struct opener *o = NULL;
	struct scan e;
	struct buf out;
	buf_init(&out, PAYLOAD_MAX);
	make(0, event);
	CHECK_INT(opener_new(one.private, &o), 0);
	CHECK_INT(scan_event(buf_span(&key_line), true, &e), 0);
	CHECK_INT(opener_take(o, &e), 0);
	CHECK_INT(scan_event(buf_span(&sealed), true, &e), 0);
	struct span text = scan_plain(&e, "sealed");
	CHECK(text.len > 60);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t *at = (uint8_t *)text.p + i, was = *at;
		*at = was == 'A' ? 'B' : 'A';
		buf_reset(&out);
		int r = opener_open(o, buf_span(&sealed), &out);
		CHECK(r == (i < SEAL_ID_TEXT ? ERR_NOT_FOUND : ERR_VERIFY) || r == ERR_MALFORMED ||
		      (*at == was && r == 1) ||
		      (r == 1 && i >= text.len - 3)); /* padding's spare bits */
		*at = was;
	}
	opener_free(o);
	buf_done(&out);
}

static void refuses_other_keys(void)
{
	struct seal_keys k = {.dir = ""};
	struct opener *o = NULL;
	struct scan e;
	seal_keys_make(&k, "x", "X25519");
	CHECK_INT(opener_new(k.private, &o), ERR_MALFORMED);
	CHECK_INT(opener_new(k.public, &o), ERR_MALFORMED);
	CHECK_INT(opener_new("/nonexistent", &o), -2);
	CHECK_INT(opener_new(one.private, &o), 0);
	CHECK_INT(scan_event(span_str("{\"_other\":1}"), true, &e), 0);
	CHECK_INT(opener_take(o, &e), ERR_MALFORMED);
	struct buf out;
	buf_init(&out, 100);
	CHECK_INT(opener_open(o, span_str("{\"type\":\"op\"}"), &out), 0);
	CHECK_INT(opener_open(o, span_str("{\"sealed\":\"short\",\"type\":\"op\"}"), &out), 0);
	buf_done(&out);
	opener_free(o);
	seal_keys_remove(&k);
}

int main(void)
{
	buf_init(&sealed, PAYLOAD_MAX);
	buf_init(&key_line, 65536);
	seal_keys_make(&one, "one", SEAL_RSA);
	seal_keys_make(&two, "two", SEAL_RSA);
	seal_keys_make(&other, "other", SEAL_RSA);
	opens();
	finds_changes();
	refuses_other_keys();
	buf_done(&sealed);
	buf_done(&key_line);
	seal_keys_remove(&one);
	seal_keys_remove(&two);
	seal_keys_remove(&other);
	return tap_done();
}
