#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/jw.h"
#include "base/macro.h"
#include "record/payload.h"
#include "record/query/internal.h"

#define LINE_MAX_BYTES (1024 * 1024)
#define FILTER_MAX     4096

static const char *const kinds[] = {
    [Q_SESSIONS] = "sessions", [Q_EVENTS] = "events", [Q_EXPORT] = "export", [Q_VERIFY] = "verify",
    [Q_PROVE] = "prove"};
static const char *const text_keys[] = {
    [F_FLOW] = "flow", [F_IDENTITY] = "identity", [F_OWNER] = "owner", [F_RESOURCE] = "resource",
    [F_ROLE] = "role", [F_SESSION] = "session",	  [F_TYPE] = "type"};

static const struct {
	const char *key;
	bool (*read)(struct match *m, const char *value);
} matches[] = {{"text", match_read_text},
	       {"verdict", match_read_verdict},
	       {"relation", match_read_relation}};

/* --- reading ------------------------------------------------------------------------------------
 */

/* The value as it stands in events, to be compared as bytes. */
static char *as_json(const char *text)
{
	struct buf b;
	struct jw w;
	buf_init(&b, 8 * FILTER_MAX);
	jw_begin(&w, &b);
	jw_str(&w, NULL, text);
	char *copy = buf_err(&b) ? NULL : strndup((const char *)buf_span(&b).p, buf_len(&b));
	buf_done(&b);
	return copy;
}

static bool read_number(const char *text, uint64_t scale, uint64_t *ret)
{
	size_t n = strspn(text, "0123456789");
	if (n == 0 || n > 10 + (scale == 1 ? 8 : 0) || text[n])
		return false;
	*ret = strtoull(text, NULL, 10) * scale;
	return true;
}

static bool read_flag(const char *text, bool *ret)
{
	*ret = !strcmp(text, "1") || !strcmp(text, "true") || !*text;
	return *ret || !strcmp(text, "0") || !strcmp(text, "false");
}

/* All but "lmdb" are made of the same lines, by whoever asked. */
static bool read_format(struct query *q, const char *value)
{
	static const char *const formats[] = {"jsonl", "csv", "ocsf", "asciicast", "lmdb"};
	q->keeps_hashes = !strcmp(value, "lmdb");
	q->keys = q->keys || q->keeps_hashes;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (!strcmp(formats[i], value))
			return true;
	return false;
}

static bool read_filter(struct query *q, const char *key, const char *value)
{
	struct {
		const char *key;
		uint64_t *to, scale;
	} numbers[] = {{"since", &q->since_ns, NS_PER_SEC},
		       {"until", &q->until_ns, NS_PER_SEC},
		       {"from", &q->from, 1},
		       {"to", &q->to, 1},
		       {"event", &q->event, 1},
		       {"old", &q->old, 1},
		       {"limit", &q->limit, 1}};
	struct {
		const char *key;
		bool *to;
	} flags[] = {{"denied", &q->denied},
		     {"live", &q->live},
		     {"follow", &q->follow},
		     {"keys", &q->keys},
		     {"sealed", &q->sealed}};
	for (size_t i = 0; i < F_TEXTS; i++)
		if (!strcmp(text_keys[i], key))
			return !q->texts[i] && (q->texts[i] = as_json(value)) != NULL;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (!strcmp(numbers[i].key, key))
			return read_number(value, numbers[i].scale, numbers[i].to);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (!strcmp(flags[i].key, key))
			return read_flag(value, flags[i].to);
	for (size_t i = 0; i < ARRAY_LEN(matches); i++)
		if (!strcmp(matches[i].key, key))
			return matches[i].read(&q->match, value);
	if (!strcmp(key, "fingerprint"))
		return !q->fingerprint && strspn(value, "0123456789abcdef") == HASH_HEX &&
		       !value[HASH_HEX] && (q->fingerprint = strdup(value)) != NULL;
	if (!strcmp(key, "checkpoints"))
		return query_read_checkpoints(q, value);
	return !strcmp(key, "format") && read_format(q, value);
}

static int read_all(const json_t *json, struct query *q)
{
	const char *kind = json_string_value(json_object_get(json, "kind")), *key;
	json_t *value;
	int i = 0;
	while (kind && i < (int)ARRAY_LEN(kinds) && strcmp(kinds[i], kind))
		i++;
	if (!kind || i == (int)ARRAY_LEN(kinds))
		return ERR_MALFORMED;
	q->kind = (enum query_kind)i;
	json_object_foreach((json_t *)json, key, value)
	{
		const char *text = json_string_value(value);
		if (!strcmp(key, "t") || !strcmp(key, "kind"))
			continue;
		if (!text || strlen(text) > FILTER_MAX || !read_filter(q, key, text))
			return ERR_MALFORMED;
	}
	const char *session = json_string_value(json_object_get(json, "session"));
	q->session = session && strlen(session) <= SESSION_ID_MAX ? strdup(session) : NULL;
	return 0;
}

int query_read(const json_t *json, struct query **ret_q)
{
	struct query *q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	match_init(&q->match);
	int err = read_all(json, q);
	if (err < 0) {
		query_free(q);
		return err;
	}
	*ret_q = q;
	return 0;
}

void query_free(struct query *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < F_TEXTS; i++)
		free(q->texts[i]);
	free(q->session);
	match_done(&q->match);
	free(q->fingerprint);
	free(q->checkpoints);
	free(q);
}

/* --- filters ------------------------------------------------------------------------------------
 */

const char *query_text_key(size_t i)
{
	return text_keys[i];
}

static bool texts_match(const struct query *q, const struct scan *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (q->texts[i] && !span_is(scan_get(s, text_keys[i]), q->texts[i]))
			return false;
	return true;
}

static bool time_matches(const struct query *q, uint64_t at)
{
	return at >= q->since_ns && (!q->until_ns || at < q->until_ns);
}

/* Without parsing it: every text that it must hold is somewhere in it. */
bool query_match_bytes(const struct query *q, struct span stored)
{
	for (size_t i = 0; i < F_TEXTS; i++)
		if (q->texts[i] &&
		    !memmem(stored.p, stored.len, q->texts[i], strlen(q->texts[i])))
			return false;
	return match_bytes(&q->match, stored);
}

bool query_match_event(const struct query *q, const struct scan *e)
{
	if (!texts_match(q, e, F_TEXTS) || !time_matches(q, scan_u64(e, "time")))
		return false;
	if (!match_event(&q->match, e))
		return false;
	return !q->denied || span_is(scan_plain(e, "decision"), "deny") ||
	       span_is(scan_plain(e, "type"), "connect.refused") ||
	       span_is(scan_plain(e, "type"), "bypass.attempt");
}

bool query_match_session(const struct query *q, const struct scan *s)
{
	static const enum filter_text fields[] = {F_IDENTITY, F_OWNER, F_ROLE, F_SESSION};
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (q->texts[fields[i]] &&
		    !span_is(scan_get(s, text_keys[fields[i]]), q->texts[fields[i]]))
			return false;
	if (q->denied && !scan_u64(s, "denied") && !scan_u64(s, "refused_total"))
		return false;
	return time_matches(q, scan_u64(s, "start")) && (!q->live || !scan_u64(s, "end"));
}

bool query_is_whole(const struct query *q)
{
	for (size_t i = 0; i < F_TEXTS; i++)
		if (q->texts[i])
			return false;
	return !q->since_ns && !q->until_ns && !q->denied && !q->limit && match_is_any(&q->match);
}

/* --- answering ----------------------------------------------------------------------------------
 */

bool answer_is_stopped(const struct answer *a)
{
	return a->source->is_stopped && a->source->is_stopped(a->source->ctx);
}

int answer_aside(struct answer *a, struct span line)
{
	buf_reset(&a->line);
	buf_add_span(&a->line, line);
	buf_add_u8(&a->line, '\n');
	int r = buf_err(&a->line);
	return r < 0 ? r : a->sink->line(a->sink->ctx, buf_span(&a->line));
}

int answer_line(struct answer *a, struct span line)
{
	int r = answer_aside(a, line);
	if (r < 0)
		return r;
	return a->q->limit && ++a->n >= a->q->limit;
}

int query_answer(const struct query *q, const struct query_source *source,
		 const struct query_sink *sink)
{
	static int (*const answers[])(struct answer * a) = {
	    [Q_SESSIONS] = answer_sessions,
	    [Q_EVENTS] = answer_events,
	    [Q_EXPORT] = answer_events,
	    [Q_VERIFY] = answer_verify,
	    [Q_PROVE] = answer_prove,
	};
	struct answer a = {.q = q, .source = source, .sink = sink, .next = q->from};
	buf_init(&a.line, LINE_MAX_BYTES);
	buf_init(&a.opened, 2 * PAYLOAD_MAX);
	int err = answers[q->kind](&a);
	buf_done(&a.line);
	buf_done(&a.opened);
	if (err < 0 && err != -EPIPE)
		query_error(sink, err);
	return err < 0 ? err : 0;
}

void query_error(const struct query_sink *sink, int err)
{
	struct buf b;
	struct jw w;
	buf_init(&b, 4096);
	jw_begin(&w, &b);
	jw_object(&w, NULL);
	jw_text(&w, "error", "error_b64", span_str(err_text(err)));
	jw_object_end(&w);
	buf_add_u8(&b, '\n');
	if (buf_err(&b) == 0 && sink->line(sink->ctx, buf_span(&b)) < 0)
		err = -EPIPE; /* nobody is there to be told */
	buf_done(&b);
}
