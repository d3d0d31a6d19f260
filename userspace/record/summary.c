#include "record/summary.h"

#include <errno.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"

#define BUCKETS	    1024
#define ROWS_MAX    8192 /* kept in memory between groups */
#define REFUSED_MAX 32
#define RULES_MAX   16
#define TOKEN_MAX   2048
#define SUMMARY_MAX (256 * 1024)
#define RANGE_GAP   512 /* fewer foreign events than this do not end a range */

/* Values are kept as they stood in the event: they are canonical JSON already. */
#define TEXTS(X)                                                                                   \
	X(COMMAND, "command")                                                                      \
	X(HOW, "how")                                                                              \
	X(IDENTITY, "identity")                                                                    \
	X(ISSUER, "issuer")                                                                        \
	X(NODE, "node")                                                                            \
	X(OWNER, "owner")                                                                          \
	X(REASON, "reason")                                                                        \
	X(RECONCILED, "reconciled")                                                                \
	X(ROLE, "role")

#define COUNTS(X)                                                                                  \
	X(ASKED, "asked")                                                                          \
	X(DENIED, "denied")                                                                        \
	X(END, "end")                                                                              \
	X(FIRST, "first")                                                                          \
	X(FLOWS, "flows")                                                                          \
	X(LAST, "last")                                                                            \
	X(MASKED, "masked")                                                                        \
	X(OBSERVED, "observed")                                                                    \
	X(OPS, "ops")                                                                              \
	X(REFUSED, "refused_total")                                                                \
	X(START, "start")

enum text_field {
#define X(name, key) T_##name,
	TEXTS(X)
#undef X
	    T_COUNT
};
enum count_field {
#define X(name, key) C_##name,
	COUNTS(X)
#undef X
	    C_COUNT
};
static const char *const text_keys[] = {
#define X(name, key) key,
    TEXTS(X)
#undef X
};
static const char *const count_keys[] = {
#define X(name, key) key,
    COUNTS(X)
#undef X
};

struct refused {
	char *dst, *name, *protocol, *reason; /* owned; name and reason may be NULL */
	uint64_t count;
};

struct rule {
	char *id; /* owned, as JSON; of masks NULL: several others */
	uint64_t count, values;
};

struct row {
	struct row *next;
	char id[SESSION_ID_MAX + 1];
	char *texts[T_COUNT]; /* owned; NULL: not known */
	uint64_t counts[C_COUNT];
	uint64_t exit_code; /* plus one; 0: none */
	struct refused refused[REFUSED_MAX];
	struct rule rules[RULES_MAX], masks[RULES_MAX];
	int n_refused, n_rules, n_masks;
	uint64_t range_first, range_last; /* 0: a new range is due */
	bool is_dirty;
};

struct summaries {
	struct row *buckets[BUCKETS];
	struct row *last; /* that was asked for, or NULL: mostly the next one, too */
	int n_rows;
	struct buf text;
};

int summaries_new(struct summaries **ret_s)
{
	struct summaries *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	buf_init(&s->text, SUMMARY_MAX);
	*ret_s = s;
	return 0;
}

static void row_free(struct row *r)
{
	for (int i = 0; i < T_COUNT; i++)
		free(r->texts[i]);
	for (int i = 0; i < r->n_refused; i++) {
		free(r->refused[i].dst);
		free(r->refused[i].name);
		free(r->refused[i].protocol);
		free(r->refused[i].reason);
	}
	for (int i = 0; i < r->n_rules; i++)
		free(r->rules[i].id);
	for (int i = 0; i < r->n_masks; i++)
		free(r->masks[i].id);
	free(r);
}

void summaries_forget(struct summaries *s)
{
	for (int i = 0; i < BUCKETS; i++) {
		for (struct row *r = s->buckets[i], *next; r; r = next) {
			next = r->next;
			row_free(r);
		}
		s->buckets[i] = NULL;
	}
	s->n_rows = 0;
	s->last = NULL;
}

void summaries_free(struct summaries *s)
{
	if (!s)
		return;
	summaries_forget(s);
	buf_done(&s->text);
	free(s);
}

static char *token_dup(struct span v)
{
	return v.len && v.len <= TOKEN_MAX ? strndup((const char *)v.p, v.len) : NULL;
}

static bool token_is(const char *token, struct span v)
{
	return token ? span_is(v, token) : v.len == 0;
}

static void set_text(struct row *r, enum text_field f, struct span v)
{
	char *copy = token_dup(v);
	if (!copy)
		return;
	free(r->texts[f]);
	r->texts[f] = copy;
}

/* --- lists --------------------------------------------------------------------------------------
 */

static void add_rule(struct row *r, struct span id, uint64_t count)
{
	for (int i = 0; i < r->n_rules; i++)
		if (token_is(r->rules[i].id, id)) {
			r->rules[i].count += count;
			return;
		}
	char *copy = r->n_rules < RULES_MAX ? token_dup(id) : NULL;
	if (copy)
		r->rules[r->n_rules++] = (struct rule){copy, count};
}

static void add_mask(struct row *r, struct span id, uint64_t count, uint64_t values)
{
	int i = 0;
	while (i < r->n_masks && !token_is(r->masks[i].id, id))
		i++;
	if (i == RULES_MAX)
		return;
	if (i == r->n_masks)
		r->masks[r->n_masks++] = (struct rule){.id = token_dup(id)};
	r->masks[i].count += count;
	r->masks[i].values += values;
}

/* As JSON; empty: none. */
struct target {
	struct span dst, name, protocol, reason;
};

static void add_refused(struct row *r, const struct target *t, uint64_t count)
{
	for (int i = 0; i < r->n_refused; i++) {
		struct refused *f = &r->refused[i];
		if (token_is(f->dst, t->dst) && token_is(f->name, t->name) &&
		    token_is(f->protocol, t->protocol)) {
			f->count += count;
			return;
		}
	}
	if (r->n_refused < REFUSED_MAX)
		r->refused[r->n_refused++] =
		    (struct refused){token_dup(t->dst), token_dup(t->name), token_dup(t->protocol),
				     token_dup(t->reason), count};
}

/* --- the stored form ----------------------------------------------------------------------------
 */

static void put_token(struct jw *w, const char *key, const char *token)
{
	if (token)
		jw_raw(w, key, span_str(token));
}

static void put_lists(struct jw *w, const struct row *r)
{
	jw_array(w, "refused");
	for (int i = 0; i < r->n_refused; i++) {
		jw_object(w, NULL);
		jw_int(w, "count", (int64_t)r->refused[i].count);
		put_token(w, "dst", r->refused[i].dst);
		put_token(w, "name", r->refused[i].name);
		put_token(w, "protocol", r->refused[i].protocol);
		put_token(w, "reason", r->refused[i].reason);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void put_rules(struct jw *w, const struct row *r)
{
	jw_array(w, "rules");
	for (int i = 0; i < r->n_rules; i++) {
		jw_object(w, NULL);
		jw_int(w, "count", (int64_t)r->rules[i].count);
		put_token(w, "rule", r->rules[i].id);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void put_masks(struct jw *w, const struct row *r)
{
	jw_array(w, "masks");
	for (int i = 0; i < r->n_masks; i++) {
		jw_object(w, NULL);
		jw_int(w, "count", (int64_t)r->masks[i].count);
		put_token(w, "rule", r->masks[i].id);
		jw_int(w, "values", (int64_t)r->masks[i].values);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void put_count(struct jw *w, const struct row *r, enum count_field f)
{
	jw_int(w, count_keys[f], (int64_t)r->counts[f]);
}

static void put_text(struct jw *w, const struct row *r, enum text_field f)
{
	put_token(w, text_keys[f], r->texts[f]);
}

static void row_write(struct buf *out, const struct row *r)
{
	struct jw w;
	jw_begin(&w, out);
	jw_object(&w, NULL);
	put_count(&w, r, C_ASKED);
	put_text(&w, r, T_COMMAND);
	put_count(&w, r, C_DENIED);
	put_count(&w, r, C_END);
	if (r->exit_code)
		jw_int(&w, "exit_code", (int64_t)r->exit_code - 1);
	put_count(&w, r, C_FIRST);
	put_count(&w, r, C_FLOWS);
	put_text(&w, r, T_HOW);
	put_text(&w, r, T_IDENTITY);
	put_text(&w, r, T_ISSUER);
	put_count(&w, r, C_LAST);
	put_count(&w, r, C_MASKED);
	put_masks(&w, r);
	put_text(&w, r, T_NODE);
	put_count(&w, r, C_OBSERVED);
	put_count(&w, r, C_OPS);
	put_text(&w, r, T_OWNER);
	jw_int(&w, "range", (int64_t)r->range_first);
	put_text(&w, r, T_REASON);
	put_text(&w, r, T_RECONCILED);
	put_lists(&w, r);
	put_count(&w, r, C_REFUSED);
	put_text(&w, r, T_ROLE);
	put_rules(&w, r);
	jw_str(&w, "session", r->id);
	put_count(&w, r, C_START);
	jw_object_end(&w);
}

static void row_read_lists(struct row *r, const struct scan *s)
{
	struct span item;
	struct scan e;
	for (size_t at = 0; scan_item(scan_get(s, "refused"), &at, &item);)
		if (scan_event(item, false, &e) == 0)
			add_refused(r,
				    &(struct target){scan_get(&e, "dst"), scan_get(&e, "name"),
						     scan_get(&e, "protocol"),
						     scan_get(&e, "reason")},
				    scan_u64(&e, "count"));
	for (size_t at = 0; scan_item(scan_get(s, "rules"), &at, &item);)
		if (scan_event(item, false, &e) == 0)
			add_rule(r, scan_get(&e, "rule"), scan_u64(&e, "count"));
	for (size_t at = 0; scan_item(scan_get(s, "masks"), &at, &item);)
		if (scan_event(item, false, &e) == 0)
			add_mask(r, scan_get(&e, "rule"), scan_u64(&e, "count"), scan_u64(&e, "values"));
}

static void row_read(struct row *r, struct span json)
{
	struct scan s;
	if (scan_event(json, false, &s) < 0)
		return; /* counts begin anew: the events themselves are what is signed */
	for (int i = 0; i < T_COUNT; i++)
		set_text(r, (enum text_field)i, scan_get(&s, text_keys[i]));
	for (int i = 0; i < C_COUNT; i++)
		r->counts[i] = scan_u64(&s, count_keys[i]);
	if (scan_get(&s, "exit_code").len)
		r->exit_code = scan_u64(&s, "exit_code") + 1;
	r->range_first = scan_u64(&s, "range");
	r->range_last = r->counts[C_LAST];
	row_read_lists(r, &s);
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static uint32_t hash_of(const char *id)
{
	return span_hash(SPAN_HASH_START, span_str(id)) % BUCKETS;
}

static struct row *row_find(const struct summaries *s, const char *id)
{
	if (s->last && !strcmp(s->last->id, id))
		return s->last;
	for (struct row *r = s->buckets[hash_of(id)]; r; r = r->next)
		if (!strcmp(r->id, id))
			return r;
	return NULL;
}

static struct row *row_get(struct summaries *s, struct store *store, const char *id)
{
	struct row *r = s->last = row_find(s, id);
	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	struct row **bucket = &s->buckets[hash_of(id)];
	memcpy(r->id, id, strlen(id));
	buf_reset(&s->text);
	if (store_get(store, DB_SESSIONS, span_str(id), &s->text) == 0)
		row_read(r, buf_span(&s->text));
	r->next = *bucket;
	*bucket = r;
	s->n_rows++;
	return r;
}

static void on_start(struct row *r, const struct marked *e)
{
	set_text(r, T_COMMAND, mark_get(e, MARK_COMMAND));
	set_text(r, T_HOW, mark_get(e, MARK_HOW));
	set_text(r, T_ISSUER, mark_get(e, MARK_ISSUER));
	r->counts[C_START] = mark_u64(e, MARK_TIME);
}

static void on_end(struct row *r, const struct marked *e)
{
	set_text(r, T_REASON, mark_get(e, MARK_REASON));
	if (mark_get(e, MARK_EXIT_CODE).len)
		r->exit_code = mark_u64(e, MARK_EXIT_CODE) + 1;
	r->counts[C_END] = mark_u64(e, MARK_TIME);
}

static void on_reconciled(struct row *r, const struct marked *e)
{
	set_text(r, T_RECONCILED, mark_get(e, MARK_OUTCOME));
}

static void on_flow(struct row *r, const struct marked *e)
{
	(void)e;
	r->counts[C_FLOWS]++;
}

static void on_op(struct row *r, const struct marked *e)
{
	struct span decision = mark_plain(e, MARK_DECISION);
	bool is_denied = span_is(decision, "deny"), is_asked = span_is(mark_get(e, MARK_ASKED), "true");
	r->counts[C_OPS]++;
	r->counts[C_DENIED] += is_denied;
	r->counts[C_ASKED] += is_asked;
	r->counts[C_MASKED] += span_is(decision, "mask");
	r->counts[C_OBSERVED] += span_is(mark_get(e, MARK_OBSERVED), "true");
	if (is_denied || is_asked)
		add_rule(r, mark_get(e, MARK_RULE), 1);
}

static void on_refused(struct row *r, const struct marked *e)
{
	uint64_t count = MAX(mark_u64(e, MARK_COUNT), 1);
	r->counts[C_REFUSED] += count;
	add_refused(r,
		    &(struct target){mark_get(e, MARK_DST), mark_get(e, MARK_NAME),
				     mark_get(e, MARK_PROTOCOL), mark_get(e, MARK_REASON)},
		    count);
}

static void on_masked(struct row *r, const struct marked *e)
{
	add_mask(r, mark_get(e, MARK_RULE), mark_u64(e, MARK_COUNT), mark_u64(e, MARK_MASKED));
}

static void take_type(struct row *r, const struct marked *e)
{
	static const struct {
		struct span type;
		void (*take)(struct row *r, const struct marked *e);
	} types[] = {{SPAN_LITERAL("op"), on_op},
		     {SPAN_LITERAL("flow.open"), on_flow},
		     {SPAN_LITERAL("mask.applied"), on_masked},
		     {SPAN_LITERAL("session.start"), on_start},
		     {SPAN_LITERAL("session.end"), on_end},
		     {SPAN_LITERAL("session.reconciled"), on_reconciled},
		     {SPAN_LITERAL("connect.refused"), on_refused},
		     {SPAN_LITERAL("bypass.attempt"), on_refused}};
	struct span type = mark_plain(e, MARK_TYPE);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (span_eq(type, types[i].type)) {
			types[i].take(r, e);
			return;
		}
}

static void take_event(struct row *r, const struct marked *e, uint64_t seq)
{
	static const struct {
		enum text_field text;
		enum mark mark;
	} common[] = {{T_IDENTITY, MARK_IDENTITY},
		      {T_NODE, MARK_NODE},
		      {T_OWNER, MARK_OWNER},
		      {T_ROLE, MARK_ROLE}};
	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		if (!r->texts[common[i].text])
			set_text(r, common[i].text, mark_get(e, common[i].mark));
	take_type(r, e);
	if (!r->counts[C_FIRST])
		r->counts[C_FIRST] = seq;
	if (!r->counts[C_START])
		r->counts[C_START] = mark_u64(e, MARK_TIME);
	r->counts[C_LAST] = seq;
}

/* A range's key and last event: what `sluice replay` reads instead of everything. */
static int put_range(struct store *store, const struct row *r)
{
	uint8_t key[SESSION_ID_MAX + 1 + 8], value[8];
	size_t n = strlen(r->id) + 1;
	memcpy(key, r->id, n);
	seq_encode(r->range_first, key + n);
	seq_encode(r->range_last, value);
	return store_put(store, DB_BY_SESSION, span_of(key, n + 8), span_of(value, 8));
}

int summaries_add(struct summaries *s, struct store *store, const struct marked *event,
		  uint64_t seq)
{
	char id[SESSION_ID_MAX + 1] = {0};
	struct span session = mark_plain(event, MARK_SESSION);
	if (!session.len || session.len > SESSION_ID_MAX)
		return 0;
	memcpy(id, session.p, session.len);
	struct row *r = row_get(s, store, id);
	if (!r)
		return -ENOMEM;
	if (r->range_first < store_first(store) || seq - r->range_last > RANGE_GAP) {
		if (r->is_dirty && r->range_first >= store_first(store)) {
			int err = put_range(store, r);
			if (err < 0)
				return err;
		}
		r->range_first = seq;
	}
	r->range_last = seq;
	r->is_dirty = true;
	take_event(r, event, seq);
	return 0;
}

int summaries_flush(struct summaries *s, struct store *store)
{
	int err = 0;
	for (int i = 0; i < BUCKETS; i++)
		for (struct row *r = s->buckets[i]; r && err == 0; r = r->next) {
			if (!r->is_dirty)
				continue;
			buf_reset(&s->text);
			row_write(&s->text, r);
			err = buf_err(&s->text);
			if (err == 0)
				err = store_put(store, DB_SESSIONS, span_str(r->id),
						buf_span(&s->text));
			if (err == 0)
				err = put_range(store, r);
		}
	return err;
}

void summaries_settle(struct summaries *s)
{
	for (int i = 0; i < BUCKETS; i++)
		for (struct row *r = s->buckets[i]; r; r = r->next)
			r->is_dirty = false;
	if (s->n_rows > ROWS_MAX)
		summaries_forget(s);
}
