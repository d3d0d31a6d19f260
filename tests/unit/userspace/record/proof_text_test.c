/* A proof's text: read back as written; every line of it must be exact. */
#include "../../tap.h"
#include "base/macro.h"
#include "record/proof.h"

static struct proof_text sample(bool is_consistency)
{
	struct proof_text t;
	proof_text_init(&t);
	t.is_consistency = is_consistency;
	t.index = is_consistency ? 5 : 4;
	t.proof.n = 3;
	for (int i = 0; i < t.proof.n; i++)
		memset(t.proof.hashes[i], 16 + i, HASH_LEN);
	if (!is_consistency)
		buf_add_str(&t.event, "{\"_prev\":\"\",\"text\":\"\n\xff\"}");
	t.checkpoint = (struct checkpoint){.seq = 9, .time = 1234567890};
	snprintf(t.checkpoint.node, sizeof(t.checkpoint.node), "node-07");
	memset(t.checkpoint.root, 7, HASH_LEN);
	memset(t.checkpoint.hash, 8, HASH_LEN);
	memset(t.checkpoint.sig, 9, sizeof(t.checkpoint.sig));
	return t;
}

static void reads_what_it_wrote(bool is_consistency)
{
	struct proof_text t = sample(is_consistency), back;
	struct buf text;
	buf_init(&text, PROOF_TEXT_MAX);
	proof_write(&text, &t);
	CHECK_INT(buf_err(&text), 0);
	proof_text_init(&back);
	CHECK_INT(proof_read(buf_span(&text), &back), 0);
	CHECK_INT(back.is_consistency, is_consistency);
	CHECK_INT(back.index, t.index);
	CHECK_INT(back.proof.n, t.proof.n);
	CHECK(!memcmp(back.proof.hashes, t.proof.hashes, sizeof(t.proof.hashes[0]) * 3));
	CHECK(span_eq(buf_span(&back.event), buf_span(&t.event)));
	CHECK_INT(back.checkpoint.seq, 9);
	CHECK_STR(back.checkpoint.node, "node-07");
	CHECK(!memcmp(back.checkpoint.root, t.checkpoint.root, HASH_LEN));
	proof_text_done(&back);
	for (size_t cut = 0; cut < buf_len(&text); cut++) {
		proof_text_init(&back);
		CHECK_INT(proof_read(span_of(buf_span(&text).p, cut), &back), ERR_MALFORMED);
		proof_text_done(&back);
	}
	proof_text_done(&t);
	buf_done(&text);
}

/* What stands once in a proof's text, and what it is replaced by. */
static const struct {
	const char *from, *to;
} changes[] = {
    {"c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v2\n"},
    {"extra ", "extras "},
    {"index 4\n", "index 04\n"},
    {"index 4\n", "index -4\n"},
    {"index 4\n", "index +4\n"},
    {"index 4\n", "index 4 \n"},
    {"index 4\n", "index\n"},
    {"index 4\n", "index 99999999999999999999999\n"},
    {"index 4\n", "index 4\nEBA=\n"}, /* too short for a hash */
    {"index 4\n", "index 4\n????????????????????????????????????????????\n"},
    {"\n\nsluice/", "\nsluice/"},
    {"\xe2\x80\x94 ", "- "},
};

static void wants_every_line_exact(void)
{
	struct proof_text t = sample(false);
	struct buf text, changed;
	buf_init(&text, PROOF_TEXT_MAX);
	buf_init(&changed, PROOF_TEXT_MAX);
	proof_write(&text, &t);
	buf_add_u8(&text, 0);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		const char *all = (const char *)buf_span(&text).p;
		const char *at = strstr(all, changes[i].from);
		struct proof_text back;
		CHECK(at != NULL);
		if (!at)
			continue;
		buf_reset(&changed);
		buf_add(&changed, all, (size_t)(at - all));
		buf_add_str(&changed, changes[i].to);
		buf_add_str(&changed, at + strlen(changes[i].from));
		proof_text_init(&back);
		int r = proof_read(buf_span(&changed), &back);
		if (r != ERR_MALFORMED)
			printf("# taken: %s -> %s\n", changes[i].from, changes[i].to);
		CHECK_INT(r, ERR_MALFORMED);
		proof_text_done(&back);
	}
	proof_text_done(&t);
	buf_done(&text);
	buf_done(&changed);
}

int main(void)
{
	reads_what_it_wrote(false);
	reads_what_it_wrote(true);
	wants_every_line_exact();
	return tap_done();
}
