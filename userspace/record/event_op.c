/* The events of an operation. Their sizes are bounded whatever the operation holds, so that no
 * statement is too big to be recorded: what is cut says how long it was and what its SHA-256 is. */
#include "record/event_internal.h"

#include "base/ossl.h"

#include "base/macro.h"
#include "record/chain.h"
#include "record/conceal.h"
#include "record/literals.h"
#include "record/parts.h"

/* Together, with all else that an event has, under RING_EVENT_MAX. Sizes as JSON. */
#define TEXT_MAX    (96 * 1024)
#define PARAMS_MAX  (80 * 1024)
#define NEEDS_MAX   (32 * 1024)
#define COLUMNS_MAX (40 * 1024)
#define RESULT_MAX  (180 * 1024)
#define MARK_SIZE   160 /* what a length and a hash take */
#define NEED_SIZE   2048

static void cut_marks(struct jw *w, const char *len_key, const char *sha_key, struct span whole)
{
	char hex[65];
	sha256_hex(whole, hex);
	jw_int(w, len_key, (int64_t)whole.len);
	jw_str(w, sha_key, hex);
}

/* An event, and where what is too long for it goes. */
struct op_event {
	struct event_writer w;
	size_t limit; /* of the text, and of each parameter */
	uint64_t id;
	struct parts *parts; /* NULL: it is cut */
};

static int put_parts(struct op_event *e, const char *field, struct span whole)
{
	return e->parts ? parts_put(e->parts, e->w.c, e->id, field, whole) : 0;
}

static void op_text(struct op_event *e, struct span text)
{
	struct span cut = text_cut(text, MIN(e->limit, (size_t)TEXT_MAX));
	char hex[65];
	ev_text(&e->w, "text", "text_b64", cut.p ? cut : span_str(""));
	if (cut.len == text.len)
		return;
	sha256_hex(text, hex);
	ev_int(&e->w, "text_len", text.len);
	int n = put_parts(e, "text", text);
	if (n)
		ev_int(&e->w, "text_parts", (uint64_t)n);
	ev_str(&e->w, "text_sha256", hex);
}

/* A text in which nothing is found stays as it is. */
static void op_shown_text(struct op_event *e, uint64_t kinds, struct span text)
{
	struct buf b;
	buf_init(&b, 2 * text.len + 64);
	op_text(e, conceal(kinds, text, &b));
	buf_done(&b);
}

/* Values that masks keep out of the record: the text without its literals. How long it was and what it hashes
 * to is not said: a short one could be guessed. */
static void op_hidden_text(struct op_event *e, struct span text)
{
	struct buf b;
	buf_init(&b, text.len + 1);
	literals_hide(text, &b);
	op_text(e, buf_err(&b) ? (struct span){0} : buf_span(&b));
	buf_done(&b);
}

static void op_hidden_params(struct event_writer *e, const struct op *op)
{
	if (!op->n_params)
		return;
	ev_int(e, "params_total", (uint64_t)op->n_params);
}

/* null; "text"; {"b64":".."} for what is binary or not UTF-8; with len and sha256 where it was cut. */
static void op_param(struct jw *w, struct span v, bool is_binary, size_t limit)
{
	struct span cut = text_cut(v, limit);
	bool is_text = !is_binary && utf8_valid(cut);
	if (!v.p) {
		jw_null(w, NULL);
		return;
	}
	if (is_text && cut.len == v.len) {
		jw_text(w, NULL, NULL, v);
		return;
	}
	jw_object(w, NULL);
	if (!is_text) {
		cut.len = MIN(cut.len, limit / 4 * 3);
		jw_base64(w, "b64", cut);
	}
	if (cut.len != v.len)
		cut_marks(w, "len", "sha256", v);
	if (is_text)
		jw_text(w, "text", NULL, cut);
	jw_object_end(w);
}

/* Over each parameter's length (4 bytes, big-endian; -1 for NULL) and bytes, as Bind has them. */
static void params_hash(const struct op *op, char hex[65])
{
	struct buf all;
	buf_init(&all, SIZE_MAX);
	for (int i = 0; i < op->n_params; i++) {
		struct span v = op->params[i];
		buf_add_u32(&all, v.p ? (uint32_t)v.len : UINT32_MAX);
		buf_add_span(&all, v);
	}
	sha256_hex(buf_span(&all), hex);
	buf_done(&all);
}

static bool is_binary(const struct op *op, int i)
{
	return op->param_formats && op->param_formats[i] == 1;
}

/* Those that do not fit: all of them as they would stand in the event, cut nowhere. */
static void params_whole(struct op_event *e, const struct op *op, uint64_t kinds)
{
	struct buf all, b;
	struct jw w;
	char hex[65];
	buf_init(&all, PARTS_MAX);
	jw_begin(&w, &all);
	jw_array(&w, NULL);
	for (int i = 0; i < op->n_params; i++) {
		buf_init(&b, 2 * op->params[i].len + 64);
		op_param(&w, conceal(kinds, op->params[i], &b), is_binary(op, i), PARTS_MAX);
		buf_done(&b);
	}
	jw_array_end(&w);
	int n = buf_err(&all) ? 0 : put_parts(e, "params", buf_span(&all));
	if (n) {
		sha256_hex(buf_span(&all), hex);
		ev_str(&e->w, "params_json_sha256", hex);
		ev_int(&e->w, "params_parts", (uint64_t)n);
	}
	buf_done(&all);
}

static void op_params(struct op_event *o, const struct op *op, uint64_t kinds)
{
	struct event_writer *e = &o->w;
	size_t left = PARAMS_MAX, limit = o->limit;
	bool is_cut = false;
	int i = 0;
	char hex[65];
	struct buf b;
	if (!op->n_params)
		return;
	jw_array(&e->w, ev_key(e, "params"));
	for (; i < op->n_params && left > MARK_SIZE; i++) {
		size_t before = buf_len(e->w.out);
		buf_init(&b, 2 * op->params[i].len + 64);
		struct span v = conceal(kinds, op->params[i], &b);
		is_cut = is_cut || text_cut(v, MIN(limit, left - MARK_SIZE)).len < v.len;
		op_param(&e->w, v, is_binary(op, i), MIN(limit, left - MARK_SIZE));
		buf_done(&b);
		left -= MIN(left, buf_len(e->w.out) - before);
	}
	jw_array_end(&e->w);
	if (o->parts && (is_cut || i < op->n_params))
		params_whole(o, op, kinds);
	if (i == op->n_params)
		return;
	params_hash(op, hex);
	ev_str(e, "params_sha256", hex);
	ev_int(e, "params_total", (uint64_t)op->n_params);
}

static void need_text(struct jw *w, const char *key, const char *key_b64, const char *v)
{
	if (v)
		jw_text(w, key, key_b64, text_cut(span_str(v), 512));
}

static void op_need(struct jw *w, const struct need *n)
{
	static const char *const kinds[] = {"relation", "function", "object",
					    "setting",	"plain",    "opaque"};
	jw_object(w, NULL);
	jw_str(w, "kind", kinds[n->kind]);
	need_text(w, "name", "name_b64", n->name);
	need_text(w, "schema", "schema_b64", n->schema);
	jw_str(w, "verb", verb_name(n->verb));
	need_text(w, "why", "why_b64", n->why);
	jw_object_end(w);
}

/* What it wanted, without what any verb implies. */
static void op_needs(struct event_writer *e, const struct op *op)
{
	size_t from = buf_len(e->w.out);
	uint64_t left_out = 0;
	jw_array(&e->w, ev_key(e, "needs"));
	for (int i = 0; i < op->n_needs; i++) {
		if (op->needs[i].is_implied)
			continue;
		if (buf_len(e->w.out) - from > NEEDS_MAX - NEED_SIZE)
			left_out++;
		else
			op_need(&e->w, &op->needs[i]);
	}
	jw_array_end(&e->w);
	if (left_out)
		ev_int(e, "needs_left_out", left_out);
}

void event_op(struct buf *out, const struct event_ctx *c, const struct op *op,
	      const struct decision *d, size_t text_limit)
{
	event_op_whole(out, NULL, c, op, d, text_limit);
}

void event_op_whole(struct buf *out, struct parts *parts, const struct event_ctx *c, const struct op *op,
		    const struct decision *d, size_t text_limit)
{
	struct op_event o = {.limit = text_limit, .id = op->id, .parts = parts};
	struct event_writer *e = &o.w;
	ev_begin(e, out, c, "op");
	ev_flag(e, "asked", decision_was_asked(op, d));
	ev_str(e, "class", class_name(op->class));
	bool is_masked = d->effect == EFFECT_ALLOW && d->masks && d->masks->n_client;
	uint64_t kinds = d->detects_text ? CONCEAL_ALL : CONCEAL_SECRETS;
	bool is_clean = !d->hides_text && conceal_is_clean(kinds, op->text, op->looked);
	bool is_hidden = d->hides_text || (!is_clean && conceal_has_password(op->text));
	ev_str(e, "decision", effect_name(is_masked ? EFFECT_MASK : d->effect));
	ev_str(e, "grant", d->grant[0] ? d->grant : NULL);
	ev_flag(e, "hidden", is_hidden);
	ev_int(e, "id", op->id);
	op_needs(e, op);
	ev_flag(e, "observed", d->is_observed);
	if (is_hidden)
		op_hidden_params(e, op);
	else
		op_params(&o, op, kinds);
	ev_flag(e, "permanent", op->is_permanent);
	ev_str(e, "protocol", op->protocol);
	if (d->reason[0])
		ev_text(e, "reason", "reason_b64", span_str(d->reason));
	if (d->release)
		ev_int(e, "release", d->release);
	ev_str(e, "request", d->request[0] ? d->request : NULL);
	ev_text(e, "rule", "rule_b64", span_str(d->rule));
	if (op->tag)
		ev_text(e, "tag", "tag_b64", text_cut(span_str(op->tag), 1024));
	if (is_hidden)
		op_hidden_text(&o, op->text);
	else if (is_clean)
		op_text(&o, op->text);
	else
		op_shown_text(&o, kinds, op->text);
	ev_flag(e, "write", op->is_write);
	ev_end(e);
}

/* The rows that fit, and the hash of the whole array where some did not; or the hash of what is kept as such. */
static void op_result(struct event_writer *e, struct span rows_json, const uint8_t *rows_sha256)
{
	char hex[65];
	bool has_room = rows_json.len <= RESULT_MAX;
	if (rows_json.len && has_room)
		jw_raw(&e->w, ev_key(e, "result"), rows_json);
	if (rows_sha256)
		hex_encode(rows_sha256, 32, hex);
	else if (!has_room)
		sha256_hex(rows_json, hex);
	else
		return;
	ev_str(e, rows_json.len ? "result_json_sha256" : "result_sha256", hex);
}

/* The server's words quote values. */
static void op_error(struct event_writer *e, const char *error)
{
	struct buf b;
	struct span cut = text_cut(span_str(error), 4096);
	buf_init(&b, 2 * cut.len + 64);
	ev_text(e, "error", "error_b64", conceal(CONCEAL_ALL, cut, &b));
	buf_done(&b);
}

void event_op_end(struct buf *out, const struct event_ctx *c, uint64_t op_id,
		  const struct op_result *r, struct span columns_json, struct span rows_json,
		  const uint8_t *rows_sha256, bool is_cut)
{
	struct event_writer e;
	bool has_columns = columns_json.len && columns_json.len <= COLUMNS_MAX;
	ev_begin(&e, out, c, "op.end");
	if (has_columns)
		jw_raw(&e.w, ev_key(&e, "columns"), columns_json);
	ev_flag(&e, "cut", is_cut || rows_json.len > RESULT_MAX || columns_json.len > COLUMNS_MAX);
	ev_int(&e, "duration_ns", r->duration_ns);
	if (r->error)
		op_error(&e, r->error);
	ev_int(&e, "id", op_id);
	if (r->masked)
		ev_int(&e, "masked", r->masked);
	op_result(&e, rows_json, rows_sha256);
	ev_int(&e, "rows", r->rows);
	if (r->sqlstate)
		ev_text(&e, "sqlstate", "sqlstate_b64", text_cut(span_str(r->sqlstate), 64));
	if (r->tag)
		ev_text(&e, "tag", "tag_b64", text_cut(span_str(r->tag), 1024));
	ev_end(&e);
}
