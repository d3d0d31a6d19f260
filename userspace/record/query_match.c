#include "record/query_match.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"

#define VALUE_MAX 8192

/* --- verdicts -----------------------------------------------------------------------------------
 */

static const struct {
	const char *name, *key, *value; /* of the event; value NULL: whatever it is */
} verdicts[] = {
    {"allow", "decision", "\"allow\""},	    {"mask", "decision", "\"mask\""},
    {"ask", "decision", "\"ask\""},	    {"deny", "decision", "\"deny\""},
    {"refused", "type", "\"connect.refused\""}, {"observed", "observed", "true"},
    {"error", "sqlstate", NULL},
};
#define VERDICT_DENY	3
#define VERDICT_REFUSED 4

static bool is_verdict(int i, const struct scan *e)
{
	struct span v = scan_get(e, verdicts[i].key);
	return verdicts[i].value ? span_is(v, verdicts[i].value) : v.len > 0;
}

bool match_read_verdict(struct match *m, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (!strcmp(verdicts[i].name, value) && m->verdict < 0) {
			m->verdict = (int)i;
			return true;
		}
	return false;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* The text as a JSON string, with its quotes. NULL: it is no text. */
static char *as_json(struct span text)
{
	struct buf b;
	struct jw w;
	buf_init(&b, VALUE_MAX);
	jw_begin(&w, &b);
	bool is_text = text.len && utf8_valid(text) && !memchr(text.p, 0, text.len);
	if (is_text)
		jw_text(&w, NULL, NULL, text);
	char *json = is_text && buf_err(&b) == 0
			 ? strndup((const char *)buf_span(&b).p, buf_len(&b))
			 : NULL;
	buf_done(&b);
	return json;
}

static bool add_phrase(struct match *m, struct span text)
{
	char *json = m->n_phrases < MATCH_PHRASES ? as_json(text) : NULL;
	if (!json)
		return false;
	struct phrase *p = &m->phrases[m->n_phrases++];
	p->len = strlen(json) - 2;
	memmove(json, json + 1, p->len);
	json[p->len] = 0;
	for (char *c = json; *c; c++)
		*c = (char)((uint8_t)*c < 0x80 ? tolower(*c) : *c);
	p->lower = json;
	return true;
}

bool match_read_text(struct match *m, const char *value)
{
	while (*value) {
		size_t n = strcspn(value, "\n");
		if (n && !add_phrase(m, span_of(value, n)))
			return false;
		value += n + (value[n] != 0);
	}
	return m->n_phrases > 0;
}

bool match_read_relation(struct match *m, const char *value)
{
	const char *dot = strchr(value, '.');
	if (m->name)
		return false;
	if (dot)
		m->schema = as_json(span_of(value, (size_t)(dot - value)));
	m->name = as_json(span_str(dot ? dot + 1 : value));
	return m->name && (!dot || m->schema);
}

void match_init(struct match *m)
{
	*m = (struct match){.verdict = -1};
}

void match_done(struct match *m)
{
	for (int i = 0; i < m->n_phrases; i++)
		free(m->phrases[i].lower);
	free(m->schema);
	free(m->name);
	match_init(m);
}

bool match_is_any(const struct match *m)
{
	return m->verdict < 0 && !m->name && !m->n_phrases;
}

/* --- bytes --------------------------------------------------------------------------------------
 */

typedef uint8_t block16 __attribute__((vector_size(16)));

static block16 load_folded(const uint8_t *p)
{
	block16 b;
	memcpy(&b, p, sizeof(b));
	return b | 0x20;
}

static bool is_any_set(block16 b)
{
	uint64_t halves[2];
	memcpy(halves, &b, sizeof(b));
	return halves[0] | halves[1];
}

static bool is_at(const struct phrase *p, const uint8_t *at)
{
	for (size_t i = 0; i < p->len; i++) {
		uint8_t c = at[i];
		if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)p->lower[i])
			return false;
	}
	return true;
}

static const uint8_t *find_among(const struct phrase *p, const uint8_t *at, const uint8_t *end)
{
	for (; at < end; at++)
		if (is_at(p, at))
			return at;
	return NULL;
}

/* Sixteen places at once: first and last byte, whose case is folded by a bit that other characters
 * do not mind for a second look. */
const uint8_t *phrase_find(const struct phrase *p, struct span text)
{
	if (text.len < p->len)
		return NULL;
	size_t places = text.len - p->len + 1, i = 0;
	const block16 zero = {0};
	const block16 first = (zero + (uint8_t)p->lower[0]) | 0x20,
		      last = (zero + (uint8_t)p->lower[p->len - 1]) | 0x20;
	for (; i + 16 <= places; i += 16) {
		block16 hit = (block16)(load_folded(text.p + i) == first) &
			      (block16)(load_folded(text.p + i + p->len - 1) == last);
		if (!is_any_set(hit))
			continue;
		const uint8_t *at = find_among(p, text.p + i, text.p + i + 16);
		if (at)
			return at;
	}
	return find_among(p, text.p + i, text.p + places);
}

bool match_bytes(const struct match *m, struct span stored)
{
	for (int i = 0; i < m->n_phrases; i++)
		if (!phrase_find(&m->phrases[i], stored))
			return false;
	if (m->name && !memmem(stored.p, stored.len, m->name, strlen(m->name)))
		return false;
	if (m->verdict < 0 || m->verdict == VERDICT_DENY || !verdicts[m->verdict].value)
		return true;
	const char *value = verdicts[m->verdict].value;
	return memmem(stored.p, stored.len, value, strlen(value)) != NULL;
}

/* --- fields -------------------------------------------------------------------------------------
 */

/* What an event tells of, beside its needs' names. */
static const char *const told[] = {
    "text",   "params",	  "result", "columns", "error",	  "reason", "rule",    "tag",
    "name",   "dst",	  "exe",    "comm",    "command", "cgroup", "session", "identity",
    "owner",  "role",	  "issuer", "groups",  "flow",	  "resource", "sqlstate", "producer",
};

static bool is_told_in_needs(const struct phrase *p, const struct scan *e)
{
	struct span item;
	struct scan n;
	for (size_t at = 0; scan_item(scan_get(e, "needs"), &at, &item);)
		if (scan_event(item, false, &n) == 0 &&
		    (phrase_find(p, scan_get(&n, "name")) ||
		     phrase_find(p, scan_get(&n, "schema"))))
			return true;
	return false;
}

static bool is_told(const struct phrase *p, const struct scan *e)
{
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		if (phrase_find(p, scan_get(e, told[i])))
			return true;
	return is_told_in_needs(p, e);
}

static bool needs_relation(const struct match *m, const struct scan *e)
{
	struct span item;
	struct scan n;
	for (size_t at = 0; scan_item(scan_get(e, "needs"), &at, &item);)
		if (scan_event(item, false, &n) == 0 && span_is(scan_get(&n, "name"), m->name) &&
		    (!m->schema || span_is(scan_get(&n, "schema"), m->schema)))
			return true;
	return false;
}

bool match_event(const struct match *m, const struct scan *e)
{
	bool is_right = m->verdict < 0 || is_verdict(m->verdict, e) ||
			(m->verdict == VERDICT_DENY && is_verdict(VERDICT_REFUSED, e));
	if (!is_right || (m->name && !needs_relation(m, e)))
		return false;
	for (int i = 0; i < m->n_phrases; i++)
		if (!is_told(&m->phrases[i], e))
			return false;
	return true;
}
