#include "record/query.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "record/scan.h"
#include "record/verify.h"

#define OUT_FLUSH (64 * 1024)

struct query {
	struct store *store;
	const json_t *q;
	int fd;
	struct buf out;
	uint64_t from, to, since_ns, until_ns, left;
	json_t *sessions; /* id -> summary: the latest segment's wins */
};

static int flush(struct query *q)
{
	struct span s = buf_span(&q->out);
	while (s.len) {
		ssize_t n = write(q->fd, s.p, s.len);
		if (n < 0 && errno != EINTR)
			return -errno;
		buf_consume(&q->out, n > 0 ? (size_t)n : 0);
		s = buf_span(&q->out);
	}
	return 0;
}

static int say(struct query *q, struct span line)
{
	buf_add_span(&q->out, line);
	buf_add_u8(&q->out, '\n');
	if (buf_err(&q->out))
		return buf_err(&q->out);
	return buf_len(&q->out) > OUT_FLUSH ? flush(q) : 0;
}

static int say_json(struct query *q, const json_t *j)
{
	_cleanup_(freep) char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	return text ? say(q, span_str(text)) : -ENOMEM;
}

static const char *filter(const struct query *q, const char *name)
{
	return json_string_value(json_object_get(q->q, name));
}

static uint64_t filter_number(const struct query *q, const char *name, uint64_t fallback)
{
	const char *text = filter(q, name);
	return text ? strtoull(text, NULL, 10) : fallback;
}

static bool is_wanted(const struct query *q, const char *name, struct span value)
{
	const char *want = filter(q, name);
	return !want || span_is(value, want);
}

/* A stored event without what the recorder put in front: what scan_event reads. */
static struct span without_head(struct span stored, uint8_t *room)
{
	const uint8_t *at = memchr(stored.p, ',', stored.len);
	at = at ? memchr(at + 1, ',', stored.len - (size_t)(at + 1 - stored.p)) : NULL;
	if (!at)
		return (struct span){0};
	size_t n = stored.len - (size_t)(at - stored.p);
	memcpy(room, at, n);
	room[0] = '{';
	return span_of(room, n);
}

static bool event_matches(const struct query *q, const struct scan_fields *f)
{
	if (f->time < q->since_ns || f->time > q->until_ns)
		return false;
	if (filter(q, "denied") && !span_is(f->decision, "deny") && !span_is(f->type, "connect.refused"))
		return false;
	return is_wanted(q, "session", f->session) && is_wanted(q, "identity", f->identity) &&
	       is_wanted(q, "owner", f->owner) && is_wanted(q, "role", f->role) && is_wanted(q, "type", f->type);
}

#define ENOUGH 1 /* stops a walk early */

static int on_event(void *ctx, struct span key, struct span value)
{
	struct query *q = ctx;
	struct scan_fields f;
	if (key_number(key) > q->to || !q->left)
		return ENOUGH;
	/* Not thread-local: that would be taken from every thread's stack, in every process. */
	_cleanup_(freep) uint8_t *room = value.len ? malloc(value.len) : NULL;
	if (!room || scan_event(without_head(value, room), &f) < 0 || !event_matches(q, &f))
		return 0;
	q->left--;
	return say(q, value);
}

static int walk_events(struct query *q, uint64_t from, uint64_t to)
{
	uint8_t key[8];
	uint64_t all_to = q->to;
	key_of(MAX(from, q->from), key);
	q->to = MIN(to, all_to);
	int r = store_each(q->store, DB_EVENTS, span_of(key, 8), on_event, q);
	q->to = all_to;
	return r;
}

/* The ranges in which a session's events lie, joined where they touch or overlap. */
struct ranges {
	struct query *q;
	const char *session;
	uint64_t first, last; /* 0: none yet */
};

static int on_range(void *ctx, struct span key, struct span value)
{
	struct ranges *g = ctx;
	size_t n = strlen(g->session) + 1;
	if (key.len != n + 8 || memcmp(key.p, g->session, n))
		return ENOUGH;
	uint64_t first = key_number(span_of(key.p + n, 8)), last = key_number(value);
	int r = 0;
	if (g->first && first > g->last + 1000) {
		r = walk_events(g->q, g->first, g->last);
		g->first = 0;
	}
	g->first = g->first ? g->first : first;
	g->last = MAX(g->last, last);
	return r < 0 ? r : 0;
}

static int answer_events(struct query *q)
{
	struct ranges g = {.q = q, .session = filter(q, "session")};
	if (!g.session)
		return walk_events(q, 1, UINT64_MAX);
	/* A range may begin before the key that the walk would start from: start at the session's first. */
	int r = store_each(q->store, DB_BY_SESSION, span_of(g.session, strlen(g.session) + 1), on_range, &g);
	if (r >= 0 && g.first)
		r = walk_events(q, g.first, g.last);
	return r;
}

static int on_session(void *ctx, struct span key, struct span value)
{
	struct query *q = ctx;
	json_t *j = json_loadb((const char *)value.p, value.len, 0, NULL);
	(void)key;
	const char *id = json_string_value(json_object_get(j, "session"));
	if (!id) {
		json_decref(j);
		return 0;
	}
	return json_object_set_new(q->sessions, id, j) < 0 ? -ENOMEM : 0;
}

static bool session_matches(const struct query *q, const json_t *j)
{
	static const char *const names[] = {"session", "identity", "owner", "role"};
	uint64_t start = (uint64_t)json_integer_value(json_object_get(j, "start"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *v = json_string_value(json_object_get(j, names[i]));
		if (!is_wanted(q, names[i], span_str(v ? v : "")))
			return false;
	}
	if (filter(q, "denied") && !json_integer_value(json_object_get(j, "denied")))
		return false;
	if (filter(q, "live") && json_object_get(j, "end"))
		return false;
	return start >= q->since_ns && start <= q->until_ns;
}

static int by_start(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "start"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "start"));
	return x < y ? -1 : x > y;
}

static int answer_sessions(struct query *q)
{
	q->sessions = json_object();
	int r = store_each(q->store, DB_SESSIONS, span_of(NULL, 0), on_session, q);
	size_t n = json_object_size(q->sessions), i = 0;
	_cleanup_(freep) json_t **sorted = calloc(n + 1, sizeof(*sorted));
	const char *id;
	json_t *j;
	if (!sorted)
		return -ENOMEM;
	json_object_foreach(q->sessions, id, j)
		sorted[i++] = j;
	qsort(sorted, n, sizeof(*sorted), by_start);
	for (i = 0; i < n && r == 0; i++)
		if (session_matches(q, sorted[i]))
			r = say_json(q, sorted[i]);
	return r;
}

static int answer_verify(struct query *q, const char *public_pem)
{
	struct verdict v;
	store_verify(q->store, public_pem, &v);
	json_t *j = verdict_json(&v, store_node(q->store));
	int r = say_json(q, j);
	json_decref(j);
	return r;
}

static uint64_t seconds(const struct query *q, const char *name, uint64_t fallback)
{
	uint64_t s = filter_number(q, name, UINT64_MAX);
	return s == UINT64_MAX ? fallback : s > UINT64_MAX / NS_PER_SEC ? UINT64_MAX : s * NS_PER_SEC;
}

int query_answer(struct store *s, const json_t *asked, const char *public_pem, int fd)
{
	struct query q = {.store = s, .q = asked, .fd = fd};
	const char *kind = filter(&q, "kind");
	int r = store_refresh(s);
	if (r < 0 || !kind)
		return r < 0 ? r : ERR_MALFORMED;
	buf_init(&q.out, 4 * 1024 * 1024);
	q.from = filter_number(&q, "from", 1);
	q.to = filter_number(&q, "to", UINT64_MAX);
	q.left = filter_number(&q, "limit", UINT64_MAX);
	q.since_ns = seconds(&q, "since", 0);
	q.until_ns = seconds(&q, "until", UINT64_MAX);
	if (!strcmp(kind, "events") || !strcmp(kind, "export"))
		r = answer_events(&q);
	else if (!strcmp(kind, "sessions"))
		r = answer_sessions(&q);
	else
		r = strcmp(kind, "verify") ? ERR_NOT_FOUND : answer_verify(&q, public_pem);
	r = r < 0 ? r : flush(&q);
	json_decref(q.sessions);
	buf_done(&q.out);
	return r == -EPIPE ? 0 : r;
}
