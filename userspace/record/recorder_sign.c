/* Checkpoints: asked of the monitor without waiting for it. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "record/recorder_internal.h"

static bool is_due(const struct recorder *r)
{
	uint64_t seq = store_seq(r->store);
	if (seq <= r->signed_seq)
		return false;
	return seq - r->signed_seq >= (uint64_t)r->cfg->checkpoint_events ||
	       clock_mono_ns() - r->signed_ns >= (uint64_t)r->cfg->checkpoint_seconds * NS_PER_SEC;
}

void sign_if_due(struct recorder *r, bool is_last)
{
	char hash[HASH_HEX + 1];
	if (!r->store || r->asked.seq || r->is_orphan || (is_last ? store_seq(r->store) <= r->signed_seq : !is_due(r)))
		return;
	r->asked = (struct checkpoint){.seq = store_seq(r->store), .time = (int64_t)clock_real_ns()};
	memcpy(r->asked.hash, store_hash(r->store), HASH_LEN);
	snprintf(r->asked.node, sizeof(r->asked.node), "%s", r->cfg->node);
	hex_encode(r->asked.hash, HASH_LEN, hash);
	json_t *j = json_pack("{s:s,s:I,s:s,s:I}", "t", "sign", "seq", (json_int_t)r->asked.seq, "hash", hash, "time",
			      (json_int_t)r->asked.time);
	int err = j ? msg_send(r->env->call_fd, j, NULL, 0) : -ENOMEM;
	json_decref(j);
	if (err < 0) {
		log_warn("the monitor was not asked for a signature: %s", err_text(err));
		r->asked.seq = 0;
	}
	r->signed_ns = clock_mono_ns(); /* asked: the next one is due a period later, whatever comes */
}

static int store_checkpoint(struct recorder *r, const struct checkpoint *c)
{
	uint8_t key[8];
	struct buf b;
	buf_init(&b, 4096);
	checkpoint_write(&b, c);
	seq_encode(c->seq, key);
	int err = buf_err(&b);
	if (err == 0)
		err = store_begin(r->store);
	if (err == 0 && c->seq < store_first(r->store)) {
		/* A checkpoint lies beside its event, and that segment was sealed meanwhile: the next one
		 * vouches for it as well. */
		store_abort(r->store);
	} else if (err == 0) {
		err = store_put(r->store, DB_CHECKPOINTS, span_of(key, 8), buf_span(&b));
		if (err == 0)
			err = store_commit(r->store);
		store_abort(r->store);
	}
	buf_done(&b);
	return err;
}

static int take_signature(struct recorder *r, const struct msg *m)
{
	const char *sig = json_string_value(json_object_get(m->json, "sig"));
	const char *key = json_string_value(json_object_get(m->json, "key"));
	const char *why = json_string_value(json_object_get(m->json, "why"));
	struct checkpoint c = r->asked;
	r->asked.seq = 0;
	if (!sig || !key) {
		log_warn("event %llu is not signed: %s", (unsigned long long)c.seq, why ? why : "no signature came");
		return 0;
	}
	if (!c.seq || hex_decode(span_str(sig), c.sig, SIG_LEN) < 0 || hex_decode(span_str(key), c.key, KEY_LEN) < 0 ||
	    checkpoint_check(&c, c.key) < 0)
		return ERR_VERIFY;
	r->signed_seq = MAX(c.seq, r->signed_seq);
	return r->store ? store_checkpoint(r, &c) : 0;
}

void on_signature(struct recorder *r)
{
	struct msg m;
	int err = msg_recv(r->env->call_fd, &m);
	if (err == -EAGAIN)
		return;
	if (err < 0) {
		r->is_orphan = true; /* the monitor is gone */
		return;
	}
	err = take_signature(r, &m);
	msg_done(&m);
	if (err < 0)
		log_warn("a checkpoint is not stored: %s", err_text(err));
}
