/* Checkpoints: asked of the monitor without waiting for it. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "record/recorder_internal.h"

static bool is_due(const struct recorder *r, uint64_t seq)
{
	bool is_awaited = r->tombstone_seq && r->signed_seq < r->tombstone_seq;
	return writer_is_sealing(r->writer) || (is_awaited && seq >= r->tombstone_seq) ||
	       seq - r->signed_seq >= (uint64_t)r->cfg->checkpoint_events ||
	       clock_mono_ns() - r->signed_ns >= (uint64_t)r->cfg->checkpoint_seconds * NS_PER_SEC;
}

static json_t *request(const struct checkpoint *c)
{
	char hash[HASH_HEX + 1], root[HASH_HEX + 1];
	hex_encode(c->hash, HASH_LEN, hash);
	hex_encode(c->root, HASH_LEN, root);
	return json_pack("{s:s,s:I,s:s,s:s,s:I}", "t", "sign", "seq", (json_int_t)c->seq, "root",
			 root, "hash", hash, "time", (json_int_t)c->time);
}

/* Only what is in LMDB is signed: a checkpoint never speaks of more than the store holds. */
void sign_if_due(struct recorder *r, bool is_last)
{
	struct checkpoint c;
	if (!r->writer || r->asked.seq || r->is_orphan)
		return;
	writer_position(r->writer, &c);
	if (c.seq <= r->signed_seq || !(is_last || is_due(r, c.seq)))
		return;
	c.time = (int64_t)clock_real_ns();
	snprintf(c.node, sizeof(c.node), "%s", r->cfg->node);
	json_t *j = request(&c);
	int err = j ? msg_send(r->env->call_fd, j, NULL, 0) : -ENOMEM;
	json_decref(j);
	if (err < 0)
		log_warn("the monitor was not asked for a signature: %s", err_text(err));
	else
		r->asked = c;
	r->signed_ns =
	    clock_mono_ns(); /* asked: the next one is due a period later, whatever comes */
}

static int take_signature(struct recorder *r, const struct msg *m)
{
	const char *sig = json_string_value(json_object_get(m->json, "sig"));
	const char *key = json_string_value(json_object_get(m->json, "key"));
	const char *why = json_string_value(json_object_get(m->json, "why"));
	struct checkpoint c = r->asked;
	uint8_t public[KEY_LEN];
	r->asked.seq = 0;
	if (!sig || !key) {
		log_warn("event %llu is not signed: %s", (unsigned long long)c.seq,
			 why ? why : "no signature came");
		return 0;
	}
	if (!c.seq || !r->writer || hex_decode(span_str(sig), c.sig, SIG_LEN) < 0 ||
	    hex_decode(span_str(key), public, KEY_LEN) < 0)
		return ERR_VERIFY;
	checkpoint_key_id(c.node, public, c.key_id);
	if (checkpoint_check(&c, public) < 0)
		return ERR_VERIFY;
	r->signed_seq = MAX(c.seq, r->signed_seq);
	writer_sign(r->writer, &c, public);
	return 0;
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
