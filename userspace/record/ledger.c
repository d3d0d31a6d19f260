#include "record/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"

#define ENTRIES_MAX 16384 /* sessions at a time; what goes beyond is not reconciled */
#define TOKEN_LIMIT 2048
#define BUCKETS	    1024

struct ledger {
	struct ledger_entry *buckets[BUCKETS];
	int n, n_asked;
	uint64_t strays; /* connections that were turned away and belong to nobody */
};

int ledger_new(struct ledger **ret_l)
{
	struct ledger *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	*ret_l = l;
	return 0;
}

static void entry_free(struct ledger_entry *e)
{
	free(e->identity);
	free(e->owner);
	free(e->role);
	free(e);
}

void ledger_free(struct ledger *l)
{
	for (int i = 0; l && i < BUCKETS; i++)
		for (struct ledger_entry *e = l->buckets[i], *next; e; e = next) {
			next = e->next;
			entry_free(e);
		}
	free(l);
}

static uint32_t bucket_of(struct span id)
{
	return span_hash(SPAN_HASH_START, id) % BUCKETS;
}

struct ledger_entry *ledger_find(const struct ledger *l, struct span session)
{
	struct ledger_entry *e = l->buckets[bucket_of(session)];
	while (e && !span_is(session, e->session))
		e = e->next;
	return e;
}

static struct ledger_entry *find_cgroup(struct ledger *l, uint64_t id)
{
	for (int i = 0; id && i < BUCKETS; i++)
		for (struct ledger_entry *e = l->buckets[i]; e; e = e->next)
			if (e->cgroup_id == id)
				return e;
	return NULL;
}

static struct ledger_entry *entry_new(struct ledger *l, struct span session)
{
	struct ledger_entry *e = session.len && session.len <= SESSION_ID_MAX && l->n < ENTRIES_MAX
					 ? calloc(1, sizeof(*e))
					 : NULL;
	if (!e)
		return NULL;
	memcpy(e->session, session.p, session.len);
	e->next = l->buckets[bucket_of(session)];
	l->buckets[bucket_of(session)] = e;
	l->n++;
	return e;
}

void ledger_forget(struct ledger *l, const struct ledger_entry *e)
{
	struct ledger_entry **at = &l->buckets[bucket_of(span_str(e->session))];
	while (*at && *at != e)
		at = &(*at)->next;
	struct ledger_entry *gone = *at;
	if (!gone)
		return;
	*at = gone->next;
	if (--l->n == 0)
		l->strays = 0;
	l->n_asked -= gone->asked_ns != 0;
	entry_free(gone);
}

void ledger_excuse(struct ledger *l, const char *why)
{
	for (int i = 0; i < BUCKETS; i++)
		for (struct ledger_entry *e = l->buckets[i]; e; e = e->next)
			if (!e->excuse)
				e->excuse = why;
}

/* --- events ------------------------------------------------------------------------------------- */

static void on_start(struct ledger *l, const struct scan *s, uint64_t now_ns)
{
	struct span id = scan_plain(s, "session");
	struct ledger_entry *e = ledger_find(l, id);
	(void)now_ns;
	if (!e)
		e = entry_new(l, id);
	if (e)
		e->cgroup_id = scan_u64(s, "cgroup_id");
}

static void on_open(struct ledger *l, const struct scan *s, uint64_t now_ns)
{
	struct ledger_entry *e = ledger_find(l, scan_plain(s, "session"));
	(void)now_ns;
	if (e)
		e->flows++;
}

static void add_wire(struct ledger_entry *e, const struct scan *s)
{
	e->up += scan_u64(s, "wire_up");
	e->down += scan_u64(s, "wire_down");
}

static void on_close(struct ledger *l, const struct scan *s, uint64_t now_ns)
{
	struct ledger_entry *e = ledger_find(l, scan_plain(s, "session"));
	(void)now_ns;
	if (!e)
		return;
	e->ended++;
	add_wire(e, s);
}

/* Without an identity it has the cgroup's number at least, unless its entry was gone when it was taken. */
static void on_refused(struct ledger *l, const struct scan *s, uint64_t now_ns)
{
	uint64_t n = scan_u64(s, "accepted");
	struct span session = scan_plain(s, "session");
	struct ledger_entry *e = !n		? NULL
				 : session.len ? ledger_find(l, session)
						: find_cgroup(l, scan_u64(s, "cgroup_id"));
	(void)now_ns;
	if (n && !session.len && !e)
		l->strays += n;
	if (!e)
		return;
	e->turned_away += n;
	add_wire(e, s);
}

static char *token(const struct scan *s, const char *key)
{
	struct span v = scan_get(s, key);
	return v.len && v.len <= TOKEN_LIMIT ? strndup((const char *)v.p, v.len) : NULL;
}

static void on_kernel(struct ledger *l, const struct scan *s, uint64_t now_ns)
{
	struct span id = scan_plain(s, "session");
	struct ledger_entry *e = ledger_find(l, id);
	if (!e) {
		e = entry_new(l, id);
		if (e)
			e->excuse = "its beginning was recorded by another run of the gateway";
	}
	if (!e || e->asked_ns)
		return;
	e->kernel = (struct ledger_kernel){.opened = scan_u64(s, "opened"),
					   .closed = scan_u64(s, "closed"),
					   .used = scan_u64(s, "used"),
					   .up_min = scan_u64(s, "up_min"),
					   .up_max = scan_u64(s, "up_max"),
					   .down = scan_u64(s, "down")};
	e->identity = token(s, "identity");
	e->owner = token(s, "owner");
	e->role = token(s, "role");
	e->asked_ns = now_ns;
	l->n_asked++;
	if (l->strays && !e->excuse)
		e->excuse = "connections were reset before the gateway took them";
}

static void on_fault(struct ledger *l, const struct scan *s, uint64_t now_ns)
{
	(void)s, (void)now_ns;
	ledger_excuse(l, "a process of the gateway ended and was started again meanwhile");
}

static const struct {
	const char *type;
	void (*take)(struct ledger *l, const struct scan *s, uint64_t now_ns);
} types[] = {{"flow.open", on_open},	      {"flow.close", on_close},	    {"connect.refused", on_refused},
	     {"session.start", on_start},     {"session.kernel", on_kernel}, {"node.fault", on_fault}};

bool ledger_wants(struct span type)
{
	if (type.len < 9) /* op and op.end: most of all */
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (span_is(type, types[i].type))
			return true;
	return false;
}

void ledger_take(struct ledger *l, const struct scan *event, uint64_t now_ns)
{
	struct span type = scan_plain(event, "type");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (span_is(type, types[i].type))
			types[i].take(l, event, now_ns);
	/* What belongs to nobody belongs to one of those who live now. */
	if (l->n == 0)
		l->strays = 0;
}

/* --- the comparison ----------------------------------------------------------------------------- */

static enum ledger_result say(char ret_why[200], enum ledger_result r, const char *what, uint64_t kernel,
			      uint64_t record)
{
	snprintf(ret_why, 200, "%s: the kernel counted %" PRIu64 ", the record has %" PRIu64, what, kernel, record);
	return r;
}

static enum ledger_result compare(const struct ledger_entry *e, char ret_why[200])
{
	const struct ledger_kernel *k = &e->kernel;
	uint64_t known = e->flows + e->turned_away;
	if (e->flows != e->ended)
		return say(ret_why, LEDGER_MISMATCH, "connections without an end on record", e->flows, e->ended);
	if (k->used > known || known > k->opened)
		return say(ret_why, LEDGER_MISMATCH, "connections", known > k->opened ? k->opened : k->used, known);
	if (e->up < k->up_min)
		return say(ret_why, LEDGER_MISMATCH, "bytes from the workload", k->up_min, e->up);
	if (e->up > k->up_max)
		return say(ret_why, LEDGER_MISMATCH, "bytes from the workload at most", k->up_max, e->up);
	if (e->down < k->down)
		return say(ret_why, LEDGER_MISMATCH, "bytes to the workload", k->down, e->down);
	return LEDGER_MATCH;
}

enum ledger_result ledger_compare(const struct ledger_entry *e, char ret_why[200])
{
	ret_why[0] = 0;
	if (e->excuse) {
		snprintf(ret_why, 200, "%s", e->excuse);
		return LEDGER_PARTIAL;
	}
	if (e->kernel.opened != e->kernel.closed)
		return say(ret_why, LEDGER_PARTIAL, "connections outlived the session", e->kernel.opened,
			   e->kernel.closed);
	return compare(e, ret_why);
}

struct ledger_entry *ledger_due(struct ledger *l, uint64_t now_ns)
{
	char why[200];
	for (int i = 0; l->n_asked && i < BUCKETS; i++)
		for (struct ledger_entry *e = l->buckets[i]; e; e = e->next) {
			if (!e->asked_ns || e->is_told)
				continue;
			if (e->excuse || now_ns - e->asked_ns >= LEDGER_WAIT_NS ||
			    ledger_compare(e, why) == LEDGER_MATCH)
				return e;
		}
	return NULL;
}

void ledger_settle(struct ledger *l, bool is_done)
{
	for (int i = 0; l->n_asked && i < BUCKETS; i++)
		for (struct ledger_entry *e = l->buckets[i], *next; e; e = next) {
			next = e->next;
			if (e->is_told && is_done)
				ledger_forget(l, e);
			else
				e->is_told = false;
		}
}

/* --- what came of it ---------------------------------------------------------------------------- */

const char *ledger_result_name(enum ledger_result r)
{
	static const char *const names[] = {"match", "partial", "mismatch"};
	return names[r];
}

static void put_token(struct jw *w, const char *key, const char *json)
{
	if (json)
		jw_raw(w, key, span_str(json));
}

void ledger_event(struct buf *out, const struct ledger_entry *e, const char *node, uint64_t time_ns,
		  enum ledger_result result, const char *why)
{
	struct jw w;
	jw_begin(&w, out);
	jw_object(&w, NULL);
	jw_int(&w, "flows", (int64_t)e->flows);
	put_token(&w, "identity", e->identity);
	jw_str(&w, "node", node);
	jw_str(&w, "outcome", ledger_result_name(result));
	put_token(&w, "owner", e->owner ? e->owner : "\"\"");
	if (why && *why)
		jw_str(&w, "reason", why);
	put_token(&w, "role", e->role);
	jw_str(&w, "session", e->session);
	jw_int(&w, "time", (int64_t)time_ns);
	jw_int(&w, "turned_away", (int64_t)e->turned_away);
	jw_str(&w, "type", "session.reconciled");
	jw_int(&w, "wire_down", (int64_t)e->down);
	jw_int(&w, "wire_up", (int64_t)e->up);
	jw_object_end(&w);
}
