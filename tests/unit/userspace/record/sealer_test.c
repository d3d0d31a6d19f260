/* What the recorder seals: with which keys, and that no number is used twice under one.
 * (opener_test.c opens it.) */
#include "../../tap.h"
#include "base/macro.h"
#include "record/opener.h"
#include "seal_keys.h"

static struct seal_keys keys;
static const char event[] =
    "{\"node\":\"n\",\"session\":\"s\",\"text\":\"SELECT secret\",\"time\":1,\"type\":\"op\"}";

static struct span seal(struct sealer *s, const char *text, struct marks *ret_m)
{
	struct scan e;
	struct marks m;
	const struct marks *got;
	struct span out;
	CHECK_INT(scan_event(span_str(text), false, &e), 0);
	marks_take(&m, &e, span_str(text));
	CHECK_INT(sealer_seal(s, span_str(text), &m, &out, &got), 0);
	*ret_m = *got;
	return out;
}

static void needs_good_keys(void)
{
	static const struct {
		const char *name, *algorithm;
		int result;
	} rows[] = {{"rsa", SEAL_RSA, 0},
		    {"small", "RSA -pkeyopt rsa_keygen_bits:2048", ERR_CONFIG},
		    {"x25519", "X25519", ERR_CONFIG},
		    {"p256", "EC -pkeyopt ec_paramgen_curve:P-256", ERR_CONFIG}};
	char why[PATH_MAX + 200];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sealer *s = NULL;
		seal_keys_make(&keys, rows[i].name, rows[i].algorithm);
		const char *files[] = {keys.public};
		CHECK_INT(sealer_new(files, 1, 0, &s, why, sizeof(why)), rows[i].result);
		CHECK(rows[i].result == 0 || strstr(why, keys.public));
		sealer_free(s);
	}
	struct sealer *s = NULL;
	const char *missing[] = {"/nonexistent.pem"};
	CHECK_INT(sealer_new(missing, 1, 0, &s, why, sizeof(why)), ERR_CONFIG);
	CHECK(strstr(why, "/nonexistent.pem: No such file") != NULL);
	seal_keys_make(&keys, "rsa2", SEAL_RSA);
	const char *private[] = {keys.private}; /* the wrong half lies on the node: no */
	CHECK_INT(sealer_new(private, 1, 0, &s, why, sizeof(why)), ERR_CONFIG);
	CHECK_INT(sealer_new(NULL, 0, 0, &s, why, sizeof(why)), 0);
	CHECK(s == NULL);
}

static void tells_each_key_once(struct sealer *s)
{
	bool owes = false;
	struct buf one, two;
	struct scan e;
	buf_init(&one, 65536);
	buf_init(&two, 65536);
	CHECK_INT(sealer_owes_key(s, &owes), 0);
	CHECK(owes);
	sealer_key_event(s, &one, "node", 7);
	CHECK_INT(scan_event(buf_span(&one), false, &e), 0);
	CHECK(sealed_to(scan_plain(&e, "key"), scan_get(&e, "to")));
	CHECK_INT(sealer_owes_key(s, &owes), 0);
	CHECK(!owes);
	sealer_settle(s, false); /* the group was not written */
	CHECK_INT(sealer_owes_key(s, &owes), 0);
	CHECK(owes);
	sealer_key_event(s, &two, "node", 7);
	CHECK(span_eq(buf_span(&one), buf_span(&two)));
	sealer_settle(s, true);
	CHECK_INT(sealer_owes_key(s, &owes), 0);
	CHECK(!owes);
	sealer_forget(s);
	CHECK_INT(sealer_owes_key(s, &owes), 0);
	CHECK(owes);
	buf_reset(&two);
	sealer_key_event(s, &two, "node", 7);
	CHECK(!span_eq(buf_span(&one), buf_span(&two)));
	sealer_settle(s, true);
	buf_done(&one);
	buf_done(&two);
}

static void seals(struct sealer *s)
{
	struct marks m;
	uint8_t first[512], second[512];
	struct span out = seal(s, event, &m);
	struct marked e = {out, &m};
	CHECK(!memmem(out.p, out.len, "SELECT", 6));
	CHECK_INT(sealed_with(out).len, SEAL_ID_TEXT);
	CHECK(span_is(mark_plain(&e, MARK_TYPE), "op") &&
	      span_is(mark_plain(&e, MARK_SESSION), "s"));
	memcpy(first, out.p, MIN(out.len, sizeof(first)));
	size_t len = out.len;
	sealer_settle(s, false); /* what was not written is sealed anew, with another number */
	out = seal(s, event, &m);
	CHECK_INT(out.len, len);
	memcpy(second, out.p, MIN(out.len, sizeof(second)));
	CHECK(memcmp(first, second, len) != 0);
	static const char none[] = "{\"session\":\"s\",\"time\":1,\"type\":\"flow.open\"}";
	out = seal(s, none, &m);
	CHECK(span_is(out, none));
}

/* Without a key that is told nothing is sealed, and nothing passes as it is. */
static void refuses_without_a_key(struct sealer *s)
{
	struct scan e;
	struct marks m;
	const struct marks *got;
	struct span out;
	sealer_forget(s);
	CHECK_INT(scan_event(span_str(event), false, &e), 0);
	marks_take(&m, &e, span_str(event));
	CHECK_INT(sealer_seal(s, span_str(event), &m, &out, &got), ERR_STATE);
}

int main(void)
{
	char why[PATH_MAX + 200];
	struct sealer *s = NULL;
	needs_good_keys();
	seal_keys_make(&keys, "auditor", SEAL_RSA);
	const char *files[] = {keys.public};
	CHECK_INT(sealer_new(files, 1, 0, &s, why, sizeof(why)), 0);
	tells_each_key_once(s);
	seals(s);
	refuses_without_a_key(s);
	sealer_free(s);
	seal_keys_remove(&keys);
	return tap_done();
}
