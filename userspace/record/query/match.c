#include "record/query/match.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"

#define VALUE_MAX	  8192
#define NAME_MAX_BYTES 512
#define RUNS	  4096 /* operations that have not ended, with the relation that is looked for */

struct match_runs {
	uint64_t keys[RUNS];
	size_t next;
};

/* --- verdicts -----------------------------------------------------------------------------------
 */

static const struct {
	const char *name, *key, *value; /* of the event; value NULL: whatever it is */
} verdicts[] = {
    {"allow", "decision", "\"allow\""},	    {"mask", "decision", "\"mask\""},
    {"ask", "asked", "true"},	    {"deny", "decision", "\"deny\""},
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

/* One part of a name, as it is or quoted as in SQL. The rest; NULL: malformed. */
static const char *read_part(const char *s, char out[NAME_MAX_BYTES])
{
	bool is_quoted = *s == '"';
	size_t n = 0;
	for (s += is_quoted; *s && (is_quoted || *s != '.') && n < NAME_MAX_BYTES - 1; s++) {
		if (is_quoted && *s == '"' && *++s != '"')
			break;
		out[n++] = *s;
	}
	out[n] = 0;
	bool is_closed = !is_quoted || s[-1] == '"';
	return n && is_closed && (!*s || *s == '.') ? s : NULL;
}

bool match_read_relation(struct match *m, const char *value)
{
	char part[NAME_MAX_BYTES];
	const char *rest = m->name ? NULL : read_part(value, part);
	if (rest && *rest) {
		m->schema = as_json(span_str(part));
		rest = m->schema ? read_part(rest + 1, part) : NULL;
	}
	if (!rest || *rest)
		return false;
	m->name = as_json(span_str(part));
	m->runs = calloc(1, sizeof(*m->runs));
	return m->name && m->runs;
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
	free(m->runs);
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

static const char op_end[] = "\"op.end\"";

bool match_bytes(const struct match *m, struct span stored)
{
	for (int i = 0; i < m->n_phrases; i++)
		if (!phrase_find(&m->phrases[i], stored))
			return false;
	if (m->name)
		return memmem(stored.p, stored.len, m->name, strlen(m->name)) ||
		       memmem(stored.p, stored.len, op_end, sizeof(op_end) - 1);
	if (m->verdict < 0 || m->verdict == VERDICT_DENY || !verdicts[m->verdict].value)
		return true;
	const char *value = verdicts[m->verdict].value;
	return memmem(stored.p, stored.len, value, strlen(value)) != NULL;
}

/* --- fields -------------------------------------------------------------------------------------
 */

/* What an event tells of, beside its needs' names. Names that were drawn (of sessions, flows, cgroups) are left out:
 * any short word occurs in some. */
static const char *const told[] = {
    "text", "params", "data", "result", "columns",  "error", "reason", "words", "rule",   "tag",
    "name", "dst",    "exe",	 "comm",     "command", "identity", "owner", "role",
    "groups", "resource", "sqlstate",
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

/* FNV-1a over flow and number: an operation and its end have the same. */
static uint64_t run_of(const struct scan *e)
{
	static const char *const keys[] = {"flow", "id"};
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct span v = scan_get(e, keys[i]);
		for (size_t k = 0; k < v.len; k++)
			h = (h ^ v.p[k]) * 1099511628211u;
		h = (h ^ '/') * 1099511628211u;
	}
	return h;
}

static bool is_of_relation(const struct match *m, const struct scan *e)
{
	struct match_runs *r = m->runs;
	if (needs_relation(m, e)) {
		if (span_is(scan_get(e, "type"), "\"op\""))
			r->keys[r->next++ % RUNS] = run_of(e);
		return true;
	}
	if (!span_is(scan_get(e, "type"), op_end))
		return false;
	for (size_t i = 0, key = run_of(e); i < MIN(r->next, (size_t)RUNS); i++)
		if (r->keys[i] == key)
			return true;
	return false;
}

bool match_event(const struct match *m, const struct scan *e)
{
	if (m->name && !is_of_relation(m, e))
		return false;
	bool is_right = m->verdict < 0 || is_verdict(m->verdict, e) ||
			(m->verdict == VERDICT_DENY && is_verdict(VERDICT_REFUSED, e));
	if (!is_right)
		return false;
	for (int i = 0; i < m->n_phrases; i++)
		if (!is_told(&m->phrases[i], e))
			return false;
	return true;
}
