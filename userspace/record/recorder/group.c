/* From the rings into the journal, in groups. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "record/event.h"
#include "record/recorder/internal.h"

#define GROUP_EVENTS	 10000
#define GROUP_BYTES	 (4 * 1024 * 1024)
#define PENDING_BYTES	 (8 * 1024 * 1024) /* more than this waits in the rings */
#define GARBAGE_EVERY_NS NS_PER_SEC

static const char *const producer_names[] = {"control", "proxy", "monitor"};

/* Who may say what: a proxy that was taken over can neither end a session nor load a policy on
 * record. */
static const struct {
	struct span type;
	unsigned producers; /* 1 << enum producer */
} types[] = {
    {SPAN_LITERAL("op"), 1 << PRODUCER_PROXY},
    {SPAN_LITERAL("op.end"), 1 << PRODUCER_PROXY},
    {SPAN_LITERAL("op.part"), 1 << PRODUCER_PROXY},
    {SPAN_LITERAL("flow.open"), 1 << PRODUCER_PROXY},
    {SPAN_LITERAL("flow.close"), 1 << PRODUCER_PROXY},
    {SPAN_LITERAL("mask.applied"), 1 << PRODUCER_PROXY},
    {SPAN_LITERAL("connect.refused"), 1 << PRODUCER_PROXY | 1 << PRODUCER_MONITOR | 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("bypass.attempt"), 1 << PRODUCER_MONITOR},
    {SPAN_LITERAL("session.start"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.guard"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.strays"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.freeze"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.thaw"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.kill"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.release"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.renew"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.expire"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.revoke"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.end"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("session.kernel"), 1 << PRODUCER_MONITOR},
    {SPAN_LITERAL("policy.load"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("admin.login"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("admin.logout"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("admin.call"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("approval.request"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("approval.estimate"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("approval.join"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("approval.vote"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("approval.escalate"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("approval.release"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("approval.end"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("approver.revoke"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("grant.start"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("grant.end"), 1 << PRODUCER_CONTROL},
    {SPAN_LITERAL("node.start"), 1 << PRODUCER_MONITOR},
    {SPAN_LITERAL("node.stop"), 1 << PRODUCER_MONITOR},
    {SPAN_LITERAL("node.fault"), 1 << PRODUCER_MONITOR},
};

int lanes_open(struct recorder *r)
{
	int n = r->env->n_rings;
	if (n < 1 || n > LANES_MAX)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		struct lane *l = &r->lanes[i];
		l->event = malloc(RING_EVENT_MAX);
		if (!l->event)
			return -ENOMEM;
		int err = ring_consumer_open(&r->env->rings[i], &l->ring);
		if (err < 0)
			return err;
		l->producer = i == 0	   ? PRODUCER_CONTROL
			      : i == n - 1 ? PRODUCER_MONITOR
					   : PRODUCER_PROXY;
		if (sealer_seals(r->sealer))
			ring_consumer_wipes(l->ring);
		r->n_lanes = i + 1;
	}
	return 0;
}

void lanes_close(struct recorder *r)
{
	for (int i = 0; i < LANES_MAX; i++) {
		ring_consumer_free(r->lanes[i].ring);
		free(r->lanes[i].event);
		r->lanes[i] = (struct lane){0};
	}
	r->n_lanes = 0;
}

static struct span ring_key(const struct lane *l)
{
	return span_of(ring_consumer_id(l->ring), 16);
}

static void resume_at(struct lane *l, struct span stored)
{
	if (stored.len == 8 && ring_consumer_seek(l->ring, seq_decode(stored.p)) < 0)
		log_warn(
		    "the ring of %s is not where the store left it: going on where the ring is",
		    producer_names[l->producer]);
	l->committed = l->taken = ring_consumer_pos(l->ring);
	l->has_event = false;
	ring_consumer_commit(l->ring, l->committed);
}

/* The store's position is the truth: a recorder that died between its commit and the ring's mark
 * would else write events twice. */
int lanes_resume(struct recorder *r)
{
	struct buf b;
	buf_init(&b, 64);
	int err = store_begin(r->store);
	for (int i = 0; i < r->n_lanes && err == 0; i++) {
		buf_reset(&b);
		err = store_get(r->store, DB_RINGS, ring_key(&r->lanes[i]), &b);
		if (err == 0 || err == ERR_NOT_FOUND)
			resume_at(&r->lanes[i], buf_span(&b));
		err = err == ERR_NOT_FOUND ? 0 : err;
	}
	store_abort(r->store);
	buf_done(&b);
	return err;
}

bool lanes_urgent(const struct recorder *r)
{
	for (int i = 0; i < r->n_lanes; i++)
		if (ring_consumer_is_urgent(r->lanes[i].ring))
			return true;
	return false;
}

void lanes_say(struct recorder *r, enum ring_health health)
{
	for (int i = 0; i < r->n_lanes; i++)
		ring_consumer_say(r->lanes[i].ring, health);
}

/* --- one event ----------------------------------------------------------------------------------
 */

static struct marked lane_event(const struct lane *l)
{
	return (struct marked){span_of(l->event, l->len), &l->marks};
}

static bool is_event(const struct lane *l)
{
	struct marked e = lane_event(l);
	struct span type = mark_plain(&e, MARK_TYPE);
	if (!mark_get(&e, MARK_SESSION).len || !mark_get(&e, MARK_TIME).len)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (span_eq(type, types[i].type))
			return types[i].producers & 1u << l->producer;
	return false;
}

/* The one look at its text: strict, and everything that is needed of it later is marked. */
static int look(struct span event, struct marks *m)
{
	struct scan s;
	int err = scan_event(event, false, &s);
	if (err == 0)
		marks_take(m, &s, event);
	return err;
}

/* It is in the group: sealed, where it had a payload. */
static void forget(struct recorder *r, struct lane *l)
{
	if (sealer_seals(r->sealer))
		explicit_bzero(l->event, l->len);
	l->has_event = false;
}

/* Looks at the ring's next event, if it has one within this round. */
static void peek(struct lane *l)
{
	while (!l->has_event) {
		uint64_t before = ring_consumer_pos(l->ring);
		int n = ring_consumer_next(l->ring, l->event, &l->len);
		if (n == 0)
			return;
		bool is_framed = n > 0;
		if (is_framed && look(span_of(l->event, l->len), &l->marks) == 0 && is_event(l)) {
			struct marked e = lane_event(l);
			l->time = mark_u64(&e, MARK_TIME);
			l->has_event = true;
			return;
		}
		l->garbage++;
		l->garbage_bytes += is_framed ? l->len : ring_consumer_pos(l->ring) - before;
		l->taken = ring_consumer_pos(l->ring);
	}
}

static struct lane *earliest(struct recorder *r)
{
	struct lane *best = NULL;
	for (int i = 0; i < r->n_lanes; i++) {
		struct lane *l = &r->lanes[i];
		peek(l);
		if (l->has_event && (!best || l->time < best->time))
			best = l;
	}
	return best;
}

/* Chains one event into the group. */
static int append(struct recorder *r, struct span event, const struct marks *m)
{
	int err = r->sealer ? sealer_seal(r->sealer, event, m, &event, &m) : 0;
	if (err < 0)
		return err;
	size_t prefix = chain_prefix_len(r->seq + 1), len = prefix + event.len - 1;
	uint8_t *to = batch_add(&r->pending, r->seq + 1, len);
	if (!to)
		return buf_err(&r->pending.events);
	chain_prefix(r->hash, r->seq + 1, to);
	memcpy(to + prefix, event.p + 1, event.len - 1);
	err = batch_mark(&r->pending, m, r->hash, prefix - 1);
	if (err < 0)
		return err;
	r->seq++;
	return chain_hash(r->chain, r->hash, span_of(to, len), r->hash);
}

static int append_own(struct recorder *r)
{
	struct marks m;
	int err = buf_err(&r->own);
	if (err == 0)
		err = look(buf_span(&r->own), &m);
	return err < 0 ? err : append(r, buf_span(&r->own), &m);
}

/* --- what the recorder itself has to say
 * ---------------------------------------------------------- */

static void own_event(struct recorder *r, const char *type, const char *producer,
		      const char *reason, uint64_t count, uint64_t bytes)
{
	struct event_ctx c = {.node = r->cfg->node, .time_ns = clock_real_ns()};
	buf_reset(&r->own);
	event_record(&r->own, &c, type, producer, reason, count, bytes);
}

static bool garbage_is_due(const struct recorder *r)
{
	if (r->garbage_ns && clock_mono_ns() - r->garbage_ns < GARBAGE_EVERY_NS)
		return false;
	for (int i = 0; i < r->n_lanes; i++)
		if (r->lanes[i].garbage)
			return true;
	return false;
}

static int tell_garbage(struct recorder *r)
{
	int err = 0;
	for (int i = 0; i < r->n_lanes && err == 0; i++) {
		struct lane *l = &r->lanes[i];
		if (!l->garbage)
			continue;
		own_event(r, "record.garbage", producer_names[l->producer],
			  "not an event of this producer", l->garbage, l->garbage_bytes);
		err = append_own(r);
	}
	return err;
}

static int tell_tombstone(struct recorder *r)
{
	buf_reset(&r->own);
	retention_event(&r->own, r->cfg->node, clock_real_ns(), &r->tombstone);
	return append_own(r);
}

static int tell_resume(struct recorder *r)
{
	own_event(r, "record.resume", "recorder", "the record could not be written",
		  (clock_mono_ns() - r->broken_ns) / NS_PER_SEC, 0);
	return append_own(r);
}

static void tell_control(struct recorder *r, const char *session, enum ledger_result result)
{
	json_t *j = json_pack("{s:s,s:s,s:s}", "t", "reconciled", "session", session, "result",
			      ledger_result_name(result));
	int err = !r->n_peers ? 0 : j ? msg_send(r->peers[r->n_peers - 1], j, NULL, 0) : -ENOMEM;
	json_decref(j);
	if (err < 0)
		log_error("control cannot be told how session %s was reconciled: %s", session, err_text(err));
}

/* The sessions whose figures are there: does the record have all of what the kernel saw? */
static int tell_ledger(struct recorder *r)
{
	char why[200];
	struct ledger_entry *e;
	int err = 0;
	while (err == 0 && (e = ledger_due(r->ledger, clock_mono_ns()))) {
		enum ledger_result result = ledger_compare(e, why);
		buf_reset(&r->own);
		ledger_event(&r->own, e, r->cfg->node, clock_real_ns(), result, why);
		err = append_own(r);
		e->is_told = true;
		if (result == LEDGER_MISMATCH)
			log_error("session %s: the record is not complete: %s", e->session, why);
		tell_control(r, e->session, result);
	}
	return err;
}

/* --- the group ----------------------------------------------------------------------------------
 */

/* Control is told the numbers of what it depends on, once they are on disk. */
static void note_place(struct recorder *r, const struct lane *l)
{
	struct marked e = lane_event(l);
	struct span type = mark_plain(&e, MARK_TYPE);
	bool is_told = (type.len > 9 && !memcmp(type.p, "approval.", 9)) ||
		       (type.len > 6 && !memcmp(type.p, "grant.", 6));
	if (l->producer == PRODUCER_CONTROL && is_told)
		r->places[r->n_places++] = (struct place){l->taken, r->seq};
}

static void tell_places(struct recorder *r)
{
	for (int i = 0; i < r->n_places && r->n_peers; i++) {
		json_t *j = json_pack("{s:s,s:I,s:I}", "t", "written", "ticket",
				      (json_int_t)r->places[i].ticket, "seq", (json_int_t)r->places[i].seq);
		int err = j ? msg_send(r->peers[r->n_peers - 1], j, NULL, 0) : -ENOMEM;
		json_decref(j);
		if (err < 0)
			log_error("control cannot be told where its event %llu is: %s",
				  (unsigned long long)r->places[i].seq, err_text(err));
	}
	r->n_places = 0;
}

/* A few types only, and those are rare beside operations: looked at once more. */
static void keep_account(struct recorder *r, const struct lane *l)
{
	struct marked m = lane_event(l);
	struct scan s;
	if (ledger_wants(mark_plain(&m, MARK_TYPE)) && scan_event(span_of(l->event, l->len), false, &s) == 0)
		ledger_take(r->ledger, &s, clock_mono_ns());
}

static int take_events(struct recorder *r)
{
	size_t bytes = 0;
	int n = 0;
	struct lane *l;
	r->n_places = 0;
	r->is_drained = false;
	while (n < GROUP_EVENTS && bytes < GROUP_BYTES) {
		l = earliest(r);
		if (!l) {
			r->is_drained = true;
			break;
		}
		int err = append(r, span_of(l->event, l->len), &l->marks);
		if (err < 0)
			return err;
		keep_account(r, l);
		l->taken = ring_consumer_pos(l->ring);
		note_place(r, l);
		forget(r, l);
		bytes += l->len;
		n++;
		if (r->n_places == PLACES_MAX)
			break; /* the rest comes with the next group */
	}
	return n;
}

static void note_positions(struct recorder *r)
{
	for (int i = 0; i < r->n_lanes; i++) {
		memcpy(r->pending.positions[i].ring, ring_consumer_id(r->lanes[i].ring), 16);
		r->pending.positions[i].pos = r->lanes[i].taken;
	}
	r->pending.n_positions = (uint32_t)r->n_lanes;
	memcpy(r->pending.hash, r->hash, HASH_LEN);
}

static int write_all(struct recorder *r, bool tells_garbage)
{
	struct batch group;
	bool tells_key;
	int n = 0, err = seal_begin(r, &tells_key);
	if (err == 0 && tells_key)
		err = append_own(r);
	if (err == 0)
		n = take_events(r);
	err = n < 0 ? n : err;
	if (err == 0 && tells_garbage)
		err = tell_garbage(r);
	if (err == 0 && r->owes_resume)
		err = tell_resume(r);
	if (err == 0)
		err = tell_ledger(r);
	if (err == 0 && r->owes_tombstone) /* the last of the group: settle knows its number */
		err = tell_tombstone(r);
	if (err < 0 || r->pending.last == r->group.last)
		return err < 0 ? err : n;
	note_positions(r);
	batch_since(&r->pending, &r->group, &group);
	atomic_store(&r->is_writing, true);
	err = journal_write(r->journal, &group, r->cfg->is_durable);
	atomic_store(&r->is_writing, false);
	return err < 0 ? err : n;
}

static void settle(struct recorder *r, bool has_told_garbage)
{
	r->owes_resume = false;
	sealer_settle(r->sealer, true);
	ledger_settle(r->ledger, true);
	if (r->owes_tombstone)
		r->tombstone_seq = r->seq;
	r->owes_tombstone = false;
	if (has_told_garbage)
		r->garbage_ns = clock_mono_ns();
	for (int i = 0; i < r->n_lanes; i++) {
		struct lane *l = &r->lanes[i];
		if (has_told_garbage && l->garbage) {
			log_error("%llu pieces of what the %s wrote are no events",
				  (unsigned long long)l->garbage, producer_names[l->producer]);
			l->garbage = l->garbage_bytes = 0;
		}
		if (l->taken != l->committed)
			ring_consumer_commit(l->ring, l->taken);
		l->committed = l->taken;
	}
}

/* Nothing of the group is stored: the rings are read again from where the journal stands. */
static void undo(struct recorder *r, uint64_t seq, const uint8_t hash[HASH_LEN])
{
	r->seq = seq;
	memcpy(r->hash, hash, HASH_LEN);
	sealer_settle(r->sealer, false);
	ledger_settle(r->ledger, false);
	ledger_excuse(r->ledger, "the record could not be written for a time");
	for (int i = 0; i < r->n_lanes; i++) {
		struct lane *l = &r->lanes[i];
		l->has_event = false;
		l->taken = l->committed;
		if (ring_consumer_seek(l->ring, l->committed) < 0)
			l->committed = l->taken =
			    ring_consumer_pos(l->ring); /* skipped as garbage */
	}
}

static bool has_anything(struct recorder *r)
{
	bool has_any = r->owes_resume || r->owes_tombstone || ledger_due(r->ledger, clock_mono_ns());
	for (int i = 0; i < r->n_lanes; i++) {
		ring_consumer_mark(r->lanes[i].ring);
		peek(&r->lanes[i]);
		has_any =
		    has_any || r->lanes[i].has_event || r->lanes[i].taken != r->lanes[i].committed;
	}
	return has_any;
}

int group_write(struct recorder *r)
{
	uint64_t seq = r->seq;
	uint8_t hash[HASH_LEN];
	bool has_any = has_anything(r), tells_garbage = garbage_is_due(r);
	memcpy(hash, r->hash, HASH_LEN);
	r->is_drained = !has_any;
	r->is_blocked = buf_len(&r->pending.events) > PENDING_BYTES;
	if ((!has_any && !tells_garbage) || r->is_blocked)
		return 0;
	batch_end(&r->pending, &r->group);
	int n = write_all(r, tells_garbage);
	if (n < 0) {
		batch_back(&r->pending, &r->group);
		undo(r, seq, hash);
	} else {
		settle(r, tells_garbage);
		tell_places(r);
	}
	if (n == ERR_FULL) {
		r->is_blocked = true; /* the writer is behind: a matter of time, not a failure */
		n = 0;
	}
	return n;
}
