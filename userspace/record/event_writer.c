#include "record/event_internal.h"

#include "base/ossl.h"

#include "base/macro.h"

#define KNOWN_MAX (64 * 1024)

/* The fields that every event may have, in order. NULL: left out. */
static const char *who_subject(const struct event_ctx *c)
{
	return c->who ? c->who->subject : NULL;
}

static const char *who_owner(const struct event_ctx *c)
{
	return c->who && c->who->owner ? c->who->owner : "";
}

static const char *who_role(const struct event_ctx *c)
{
	return c->who ? c->who->role : NULL;
}

static const char *who_session(const struct event_ctx *c)
{
	return c->who && c->who->session ? c->who->session : "";
}

static const char *ctx_flow(const struct event_ctx *c)
{
	return c->flow;
}

static const char *ctx_node(const struct event_ctx *c)
{
	return c->node ? c->node : "";
}

static const char *ctx_resource(const struct event_ctx *c)
{
	return c->resource;
}

static const struct {
	const char *key;
	const char *(*get)(const struct event_ctx *c); /* NULL: time and type, written apart */
} common[] = {
    {"flow", ctx_flow},
    {"identity", who_subject},
    {"node", ctx_node},
    {"owner", who_owner},
    {"resource", ctx_resource},
    {"role", who_role},
    {"session", who_session},
    {"time", NULL},
    {"type", NULL},
};

_Static_assert(ARRAY_LEN(common) == EVENT_KNOWN_FIELDS + 2, "time and type are the last two");

static void write_field(struct event_writer *e, size_t i)
{
	const char *key = common[i].key;
	if (i == EVENT_KNOWN_FIELDS)
		jw_int(&e->w, key, (int64_t)e->c->time_ns);
	else if (i > EVENT_KNOWN_FIELDS)
		jw_str(&e->w, key, e->type);
	else if (common[i].get(e->c))
		jw_str(&e->w, key, common[i].get(e->c));
}

/* All up to this one, which is left for later. */
static void write_common(struct event_writer *e, size_t to)
{
	const struct event_known *k = e->c->known;
	size_t known = MIN(to, (size_t)EVENT_KNOWN_FIELDS);
	if (k && e->at < known) {
		struct span json = buf_span(&k->json);
		jw_fields(&e->w, span_of(json.p + k->at[e->at], k->at[known] - k->at[e->at]),
			  common[known - 1].key);
		e->at = known;
	}
	while (e->at < to)
		write_field(e, e->at++);
}

void ev_begin(struct event_writer *e, struct buf *out, const struct event_ctx *c, const char *type)
{
	*e = (struct event_writer){.c = c, .type = type};
	jw_begin(&e->w, out);
	jw_object(&e->w, NULL);
}

const char *ev_key(struct event_writer *e, const char *key)
{
	size_t to = e->at;
	while (to < ARRAY_LEN(common) && jw_key_before(common[to].key, key))
		to++;
	if (to > e->at)
		write_common(e, to);
	return key;
}

void ev_end(struct event_writer *e)
{
	write_common(e, ARRAY_LEN(common));
	jw_object_end(&e->w);
}

int event_know(struct event_known *k, const struct event_ctx *c)
{
	struct event_writer e;
	struct event_ctx plain = *c;
	plain.known = NULL;
	event_known_done(k);
	buf_init(&k->json, KNOWN_MAX);
	ev_begin(&e, &k->json, &plain, "");
	e.w.first[e.w.depth] = false; /* each behind a comma */
	for (size_t i = 0; i <= EVENT_KNOWN_FIELDS; i++) {
		k->at[i] = (uint32_t)buf_len(&k->json);
		if (i < EVENT_KNOWN_FIELDS)
			write_common(&e, i + 1);
	}
	return buf_err(&k->json);
}

void event_known_done(struct event_known *k)
{
	buf_done(&k->json);
	*k = (struct event_known){0};
}

void ev_str(struct event_writer *e, const char *key, const char *v)
{
	if (v)
		jw_str(&e->w, ev_key(e, key), v);
}

void ev_int(struct event_writer *e, const char *key, uint64_t v)
{
	jw_int(&e->w, ev_key(e, key), (int64_t)MIN(v, (uint64_t)INT64_MAX));
}

void ev_flag(struct event_writer *e, const char *key, bool v)
{
	if (v)
		jw_bool(&e->w, ev_key(e, key), true);
}

void ev_text(struct event_writer *e, const char *key, const char *key_b64, struct span v)
{
	if (v.p)
		jw_text(&e->w, ev_key(e, key), key_b64, v);
}

static size_t json_size(uint8_t c)
{
	if (c >= 0x20)
		return c == '"' || c == '\\' ? 2 : 1;
	return strchr("\n\r\t\b\f", c) ? 2 : 6;
}

struct span text_cut(struct span s, size_t limit)
{
	size_t n = 0, size = 0;
	if (s.len <= limit / 6) /* the longest escape is \u00xx */
		return s;
	if (!utf8_valid(s)) /* goes as base64: 4 for 3 */
		return span_of(s.p, MIN(s.len, limit / 4 * 3));
	while (n < s.len && size + json_size(s.p[n]) <= limit)
		size += json_size(s.p[n++]);
	while (n < s.len && n > 0 && (s.p[n] & 0xc0) == 0x80)
		n--;
	return span_of(s.p, n);
}

void sha256_hex(struct span s, char out[65])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[32] = {0};
	EVP_Digest(s.p, s.len, hash, NULL, EVP_sha256(), NULL);
	for (int i = 0; i < 32; i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[64] = 0;
}
