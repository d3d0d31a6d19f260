#include "record/summary.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/macro.h"

#define SESSION_ID_MAX 64
#define MEMORY_MAX     4096 /* sessions; beyond it the ended ones are forgotten, the store has them */

/* In the sorted order of their keys. */
#define COUNTS(X) X(asked) X(denied) X(flows) X(masked) X(ops) X(refused)

struct summary {
	char id[SESSION_ID_MAX];
	char *identity, *owner, *role, *reason;
	uint64_t start, end; /* Unix ns; 0: none (yet) */
#define X(name) uint64_t name;
	COUNTS(X)
#undef X
	uint64_t first_seq, last_seq; /* of the events since the last save; 0: none */
	struct summary *next;
};

struct summaries {
	struct summary *all;
	size_t n;
};

int summaries_new(struct summaries **ret_s)
{
	*ret_s = calloc(1, sizeof(**ret_s));
	return *ret_s ? 0 : -ENOMEM;
}

static void summary_free(struct summary *m)
{
	free(m->identity);
	free(m->owner);
	free(m->role);
	free(m->reason);
	free(m);
}

void summaries_free(struct summaries *s)
{
	while (s && s->all) {
		struct summary *next = s->all->next;
		summary_free(s->all);
		s->all = next;
	}
	free(s);
}

static void load(struct summary *m, struct store *store)
{
	struct buf b;
	buf_init(&b, 65536);
	json_t *j = NULL;
	if (store_get(store, DB_SESSIONS, span_str(m->id), &b) == 0)
		j = json_loadb((const char *)buf_span(&b).p, buf_len(&b), 0, NULL);
	const struct {
		const char *key;
		char **to;
	} texts[] = {{"identity", &m->identity}, {"owner", &m->owner}, {"role", &m->role}, {"reason", &m->reason}};
	for (size_t i = 0; j && i < ARRAY_LEN(texts); i++) {
		const char *v = json_string_value(json_object_get(j, texts[i].key));
		*texts[i].to = v ? strdup(v) : NULL;
	}
#define X(name) m->name = (uint64_t)json_integer_value(json_object_get(j, #name));
	COUNTS(X)
#undef X
	m->start = (uint64_t)json_integer_value(json_object_get(j, "start"));
	m->end = (uint64_t)json_integer_value(json_object_get(j, "end"));
	json_decref(j);
	buf_done(&b);
}

/* The most recently used come first: a batch is about few sessions. */
static struct summary *find(struct summaries *s, struct span id)
{
	for (struct summary **at = &s->all; *at; at = &(*at)->next) {
		struct summary *m = *at;
		if (!span_is(id, m->id))
			continue;
		*at = m->next;
		m->next = s->all;
		s->all = m;
		return m;
	}
	return NULL;
}

static void take_text(char **to, struct span escaped)
{
	struct buf b;
	if (!escaped.len)
		return;
	buf_init(&b, 65536);
	buf_add_u8(&b, '"');
	buf_add_span(&b, escaped);
	buf_add_u8(&b, '"');
	json_t *j = buf_err(&b) ? NULL : json_loadb((const char *)buf_span(&b).p, buf_len(&b), JSON_DECODE_ANY, NULL);
	if (j && json_string_value(j)) {
		free(*to);
		*to = strdup(json_string_value(j));
	}
	json_decref(j);
	buf_done(&b);
}

static void on_start(struct summary *m, const struct scan_fields *f)
{
	m->start = f->time;
	take_text(&m->identity, f->identity);
	take_text(&m->owner, f->owner);
	take_text(&m->role, f->role);
}

static void on_end(struct summary *m, const struct scan_fields *f)
{
	m->end = f->time;
	take_text(&m->reason, f->reason);
}

static void on_flow(struct summary *m, const struct scan_fields *f)
{
	(void)f;
	m->flows++;
}

static void on_op(struct summary *m, const struct scan_fields *f)
{
	m->ops++;
	m->denied += span_is(f->decision, "deny");
	m->asked += span_is(f->decision, "ask");
	m->masked += span_is(f->decision, "mask");
}

static void on_refused(struct summary *m, const struct scan_fields *f)
{
	m->refused += MAX(f->count, 1);
}

static const struct {
	const char *type;
	void (*add)(struct summary *m, const struct scan_fields *f);
} types[] = {
	{"op", on_op},         {"session.start", on_start},      {"session.end", on_end},
	{"flow.open", on_flow}, {"connect.refused", on_refused},
};

int summaries_add(struct summaries *s, struct store *store, const struct scan_fields *f, uint64_t seq)
{
	if (!f->session.len || f->session.len >= SESSION_ID_MAX)
		return 0;
	struct summary *m = find(s, f->session);
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return -ENOMEM;
		memcpy(m->id, f->session.p, f->session.len);
		load(m, store);
		m->next = s->all;
		s->all = m;
		s->n++;
	}
	m->first_seq = m->first_seq ? m->first_seq : seq;
	m->last_seq = seq;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (span_is(f->type, types[i].type))
			types[i].add(m, f);
	return 0;
}

static json_t *to_json(const struct summary *m)
{
	json_t *j = json_object();
#define X(name) json_object_set_new(j, #name, json_integer((json_int_t)m->name));
	COUNTS(X)
#undef X
	if (m->end)
		json_object_set_new(j, "end", json_integer((json_int_t)m->end));
	json_object_set_new(j, "identity", json_string(m->identity ? m->identity : ""));
	json_object_set_new(j, "owner", json_string(m->owner ? m->owner : ""));
	if (m->reason)
		json_object_set_new(j, "reason", json_string(m->reason));
	json_object_set_new(j, "role", json_string(m->role ? m->role : ""));
	json_object_set_new(j, "session", json_string(m->id));
	json_object_set_new(j, "start", json_integer((json_int_t)m->start));
	return j;
}

static int save(const struct summary *m, struct store *store)
{
	json_t *j = to_json(m);
	_cleanup_(freep) char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(j);
	if (!text)
		return -ENOMEM;
	uint8_t key[SESSION_ID_MAX + 8], last[8];
	size_t n = strlen(m->id) + 1;
	memcpy(key, m->id, n);
	key_of(m->first_seq, key + n);
	key_of(m->last_seq, last);
	int r = store_put(store, DB_SESSIONS, span_str(m->id), span_str(text));
	return r < 0 ? r : store_put(store, DB_BY_SESSION, span_of(key, n + 8), span_of(last, 8));
}

int summaries_save(struct summaries *s, struct store *store)
{
	for (struct summary *m = s->all; m; m = m->next) {
		int r = m->first_seq ? save(m, store) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

void summaries_saved(struct summaries *s, bool is_committed)
{
	for (struct summary **at = &s->all; *at;) {
		struct summary *m = *at;
		bool is_dropped = (!is_committed && m->first_seq) || (s->n > MEMORY_MAX && m->end);
		m->first_seq = m->last_seq = 0;
		if (!is_dropped) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		s->n--;
		summary_free(m);
	}
}
