/* The whole record checked, and proofs of parts of it. */
#include <errno.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"
#include "record/query/internal.h"
#include "record/tree_read.h"

#define CHECKPOINTS_MAX 16

bool query_read_checkpoints(struct query *q, const char *text)
{
	if (q->checkpoints)
		return false;
	q->checkpoints = calloc(CHECKPOINTS_MAX, sizeof(*q->checkpoints));
	while (q->checkpoints && *text) {
		char line[NOTE_MAX];
		size_t len = strcspn(text, "\n");
		if (len >= sizeof(line) || q->n_checkpoints == CHECKPOINTS_MAX)
			return false;
		memcpy(line, text, len);
		line[len] = 0;
		if (checkpoint_read_line(line, &q->checkpoints[q->n_checkpoints++]) < 0)
			return false;
		text += len + (text[len] == '\n');
	}
	return q->n_checkpoints > 0;
}

static bool verify_is_stopped(void *ctx)
{
	struct answer *a = ctx;
	return answer_is_stopped(a) || a->sink->line(a->sink->ctx, (struct span){0}) < 0;
}

int answer_verify(struct answer *a)
{
	uint8_t key[KEY_LEN];
	bool has_key = a->source->key_file && key_read(a->source->key_file, key) == 0;
	struct verify_options o = {.key = has_key ? key : NULL,
				   .fingerprint = a->q->fingerprint,
				   .checkpoints = a->q->checkpoints,
				   .n_checkpoints = a->q->n_checkpoints,
				   .is_stopped = verify_is_stopped,
				   .ctx = a};
	struct verify_result v;
	struct segment *live = a->source->live ? a->source->live(a->source->ctx) : NULL;
	int err = verify_store(a->source->path, live, &o, &v);
	segment_unref(live);
	if (err == -ECANCELED)
		return err;
	buf_reset(&a->line);
	verify_json(&a->line, &v, err);
	err = buf_err(&a->line);
	return err < 0 ? err : a->sink->line(a->sink->ctx, buf_span(&a->line));
}

/* --- proofs -------------------------------------------------------------------------------------
 */

static int make_proof(const struct query *q, struct tree_reader *reader, struct chain *c,
		      struct proof_text *t)
{
	struct tree_nodes nodes = tree_reader_nodes(reader);
	int r = tree_reader_checkpoint(reader, q->to, &t->checkpoint);
	if (r < 0)
		return r;
	t->is_consistency = q->old != 0;
	t->index = q->old ? q->old : q->event - 1;
	if (q->old)
		return proof_consistency(&nodes, c, q->old, t->checkpoint.seq, &t->proof);
	r = tree_reader_event(reader, q->event, &t->event);
	if (r == 0)
		r = proof_inclusion(&nodes, c, t->index, t->checkpoint.seq, &t->proof);
	return r;
}

static int put_proof(struct answer *a, const struct proof_text *t)
{
	struct buf text, line;
	struct jw w;
	buf_init(&text, PROOF_TEXT_MAX);
	buf_init(&line, 2 * PROOF_TEXT_MAX);
	proof_write(&text, t);
	jw_begin(&w, &line);
	jw_object(&w, NULL);
	jw_text(&w, "proof", "proof_b64", buf_span(&text));
	jw_object_end(&w);
	int r = buf_err(&text) ? buf_err(&text) : buf_err(&line);
	if (r == 0)
		r = answer_line(a, buf_span(&line));
	buf_done(&text);
	buf_done(&line);
	return r;
}

/* One line, {"proof": its text}: of an event, or of an older checkpoint (old), in the tree of the
 * checkpoint "to", of the last one where there is no such filter. */
int answer_prove(struct answer *a)
{
	struct segment *live = a->source->live ? a->source->live(a->source->ctx) : NULL;
	struct tree_reader *reader = NULL;
	struct chain *c = NULL;
	struct proof_text t;
	proof_text_init(&t);
	int r = (a->q->event == 0) == (a->q->old == 0) ? ERR_MALFORMED : chain_new(&c);
	if (r == 0)
		r = tree_reader_open(a->source->path, live, &reader);
	if (r == 0)
		r = make_proof(a->q, reader, c, &t);
	if (r == 0)
		r = put_proof(a, &t);
	tree_reader_close(reader);
	chain_free(c);
	segment_unref(live);
	proof_text_done(&t);
	return r;
}
