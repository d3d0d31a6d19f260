/* The texts of proofs: c2sp.org/tlog-proof, and for consistency the same lines with "old" for
 * "index". */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/jw.h"
#include "base/ossl.h"
#include "record/proof.h"

#define TITLE_INCLUSION	  "c2sp.org/tlog-proof@v1\n"
#define TITLE_CONSISTENCY "sluice consistency proof 1\n"
#define HASH_B64	  44

void proof_text_init(struct proof_text *t)
{
	*t = (struct proof_text){0};
	buf_init(&t->event, PROOF_TEXT_MAX);
}

void proof_text_done(struct proof_text *t)
{
	buf_done(&t->event);
}

void proof_write(struct buf *out, const struct proof_text *t)
{
	buf_add_str(out, t->is_consistency ? TITLE_CONSISTENCY : TITLE_INCLUSION);
	if (!t->is_consistency) {
		buf_add_str(out, "extra ");
		buf_add_base64(out, buf_span(&t->event));
		buf_add_u8(out, '\n');
	}
	buf_printf(out, "%s %" PRIu64 "\n", t->is_consistency ? "old" : "index", t->index);
	for (int i = 0; i < t->proof.n; i++) {
		buf_add_base64(out, span_of(t->proof.hashes[i], HASH_LEN));
		buf_add_u8(out, '\n');
	}
	buf_add_u8(out, '\n');
	checkpoint_write(out, &t->checkpoint);
}

static bool skip(struct span *s, const char *text)
{
	size_t n = strlen(text);
	if (s->len < n || memcmp(s->p, text, n) != 0)
		return false;
	*s = span_of(s->p + n, s->len - n);
	return true;
}

/* Up to the newline, which is taken as well. */
static bool line(struct span *s, struct span *ret)
{
	const uint8_t *end = s->len ? memchr(s->p, '\n', s->len) : NULL;
	if (!end)
		return false;
	*ret = span_of(s->p, (size_t)(end - s->p));
	*s = span_of(end + 1, s->len - ret->len - 1);
	return true;
}

static bool base64(struct span text, struct buf *out)
{
	uint8_t *room = buf_reserve(out, text.len / 4 * 3 + 3);
	int n = room && text.len ? EVP_DecodeBlock(room, text.p, (int)text.len) : -1;
	if (n < 0)
		return false;
	for (size_t i = text.len; i > 0 && n > 0 && text.p[i - 1] == '='; i--)
		n--;
	buf_commit(out, (size_t)n);
	return true;
}

static bool hash(struct span text, uint8_t out[HASH_LEN])
{
	struct buf b;
	buf_init(&b, 2 * HASH_LEN);
	bool ok = text.len == HASH_B64 && base64(text, &b) && buf_len(&b) == HASH_LEN;
	if (ok)
		memcpy(out, buf_span(&b).p, HASH_LEN);
	buf_done(&b);
	return ok;
}

static bool number(struct span text, uint64_t *ret)
{
	char digits[24] = "", *end;
	if (text.len == 0 || text.len > 19 || *text.p < '0' || *text.p > '9')
		return false;
	memcpy(digits, text.p, text.len);
	*ret = strtoull(digits, &end, 10);
	return !*end;
}

static bool read_lines(struct span s, struct proof_text *t)
{
	struct span at;
	t->is_consistency = skip(&s, TITLE_CONSISTENCY);
	if (!t->is_consistency && (!skip(&s, TITLE_INCLUSION) || !skip(&s, "extra ") ||
				   !line(&s, &at) || !base64(at, &t->event)))
		return false;
	if (!skip(&s, t->is_consistency ? "old " : "index ") || !line(&s, &at) ||
	    !number(at, &t->index))
		return false;
	while (line(&s, &at) && at.len) {
		if (t->proof.n == PROOF_HASHES || !hash(at, t->proof.hashes[t->proof.n++]))
			return false;
	}
	return checkpoint_read(s, &t->checkpoint) == 0;
}

int proof_read(struct span text, struct proof_text *ret_t)
{
	struct buf again;
	if (text.len > PROOF_TEXT_MAX || !read_lines(text, ret_t))
		return ERR_MALFORMED;
	buf_init(&again, 2 * PROOF_TEXT_MAX);
	proof_write(&again, ret_t);
	bool same = buf_err(&again) == 0 && span_eq(buf_span(&again), text);
	buf_done(&again);
	return same ? 0 : ERR_MALFORMED;
}

static int check_event(const struct proof_text *t, struct chain *c)
{
	const struct checkpoint *cp = &t->checkpoint;
	struct span stored = buf_span(&t->event);
	uint8_t prev[HASH_LEN], hash_[HASH_LEN], leaf[HASH_LEN];
	uint64_t seq;
	if (chain_prefix_read(stored, prev, &seq) < 0 || seq != t->index + 1)
		return ERR_VERIFY;
	int r = chain_hash(c, prev, stored, hash_);
	if (r == 0)
		r = tree_leaf(c, hash_, leaf);
	return r == 0 ? proof_check_inclusion(&t->proof, c, t->index, cp->seq, leaf, cp->root) : r;
}

int proof_check(const struct proof_text *t, struct chain *c, const uint8_t key[KEY_LEN],
		const struct checkpoint *old)
{
	const struct checkpoint *cp = &t->checkpoint;
	if (checkpoint_check(cp, key) < 0)
		return ERR_VERIFY;
	if (!t->is_consistency)
		return check_event(t, c);
	if (!old || old->seq != t->index || strcmp(old->node, cp->node) != 0)
		return ERR_STATE;
	if (checkpoint_check(old, key) < 0)
		return ERR_VERIFY;
	return proof_check_consistency(&t->proof, c, old->seq, cp->seq, old->root, cp->root);
}
