/* A PostgreSQL flow without sockets: conversations as text, a decider, holds on demand. Messages
 * are written "Q SELECT 1", "B portal~statement~value", "C SELECT 1", one a line; '>' in front: the
 * client sends it, '<': the server. What comes out is written the same way. */

#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"
#include "proto/postgres/postgres.h"
#include "sql/sql.h"

struct rig {
	struct sink sink;
	struct buf to[2], in[2];
	void *state;
	struct catalog *catalog;
	struct buf log; /* operations and results */
	size_t chunk;	/* bytes a feed; 0: all that there is */
	bool holds;	/* every question is answered by resume */
	bool is_opaque_allowed, wants_rows, is_replication;
	int n_facts, n_views, n_barriers, n_dials;
	/* What is held. */
	enum resume_kind kind;
	const struct op *op;
	bool is_held, is_dialling;
	int err; /* what ended the flow */
	uint64_t plan;	 /* number of the rules in force */
	char hidden[64]; /* a relation that these deny; "" none */
	bool (*denies)(const struct op *op);
};

#pragma GCC diagnostic ignored "-Wunused-function" /* not every test uses all of it */

static struct catalog *rig_catalog;

/* One that knows its settings and nothing else: every name is unknown, which is enough for who only
 * follows the protocol. The real one is read in real.h. */
static struct catalog *rig_small_catalog(void)
{
	const char *settings[] = {"\"$user\", public", "agent", "UTF8"};
	const char *schemas[][3] = {{"11", "pg_catalog", "t"}, {"2200", "public", "t"}};
	struct catalog_builder *b;
	struct catalog *c;
	if (catalog_builder_new(&b) || catalog_add_row(b, 0, settings, 3) ||
	    catalog_add_row(b, 2, schemas[0], 3) || catalog_add_row(b, 2, schemas[1], 3) ||
	    catalog_build(b, &c))
		abort();
	catalog_builder_free(b);
	return c;
}

static struct rig *rig_of(struct sink *s)
{
	return (struct rig *)s; /* its first member */
}

/* Adds masks to a decision that passes; NULL: none. */
static void (*rig_masks)(const struct op *op, struct decision *d);

static bool rig_hides(const struct rig *r, const struct op *op)
{
	for (int i = 0; i < op->n_needs; i++)
		if (*r->hidden && op->needs[i].name && !strcmp(op->needs[i].name, r->hidden))
			return true;
	return false;
}

static void rig_decide(struct rig *r, const struct op *op, struct decision *d)
{
	bool is_denied = r->denies(op) || rig_hides(r, op);
	*d = (struct decision){.effect = is_denied ? EFFECT_DENY : EFFECT_ALLOW, .plan = r->plan};
	snprintf(d->rule, sizeof(d->rule), "r1");
	if (is_denied)
		snprintf(d->reason, sizeof(d->reason), "no");
	else if (rig_masks)
		rig_masks(op, d);
	buf_printf(&r->log, "op %llu %s %s%s%.*s", (unsigned long long)op->id, op->tag,
		   is_denied ? "denied " : "", op->is_permanent ? "permanent " : "",
		   (int)op->text.len, (const char *)op->text.p);
	for (int i = 0; i < op->n_params; i++)
		buf_printf(&r->log, "~%.*s", (int)op->params[i].len, (const char *)op->params[i].p);
	buf_add_str(&r->log, "\n");
}

static int rig_entered(struct sink *s, const struct entered *e)
{
	struct rig *r = rig_of(s);
	if (e->why) {
		buf_printf(&r->log, "refused: %s\n", e->why);
		return 0;
	}
	buf_printf(&r->log, "entered as %s, %u %u\n", e->user ? e->user : "-", e->pid, e->key);
	r->is_dialling = true;
	return ERR_HELD;
}

static bool rig_stands(struct sink *s, uint64_t plan, const struct mandate *m)
{
	(void)m;
	return plan == rig_of(s)->plan;
}

static int rig_hold(struct rig *r, enum resume_kind kind, const struct op *op)
{
	r->is_held = true;
	r->kind = kind;
	r->op = op;
	return ERR_HELD;
}

static int rig_op(struct sink *s, const struct op *op, struct decision *d)
{
	struct rig *r = rig_of(s);
	if (r->holds)
		return rig_hold(r, RESUME_DECISION, op);
	rig_decide(r, op, d);
	return 0;
}

static int rig_barrier(struct sink *s)
{
	struct rig *r = rig_of(s);
	r->n_barriers++;
	buf_add_str(&r->log, "barrier\n");
	return r->holds ? rig_hold(r, RESUME_BARRIER, NULL) : 0;
}

static int rig_dial(struct sink *s, const struct dial *d)
{
	struct rig *r = rig_of(s);
	r->n_dials++;
	r->is_dialling = true;
	buf_printf(&r->log, "dial %s %s", d->user, d->database);
	for (int i = 0; d->options[i]; i += 2)
		buf_printf(&r->log, " %s=%s", d->options[i], d->options[i + 1]);
	buf_add_str(&r->log, "\n");
	return ERR_HELD;
}

static int rig_facts(struct sink *s)
{
	struct rig *r = rig_of(s);
	r->n_facts++;
	return r->holds ? rig_hold(r, RESUME_FACTS, NULL) : 0;
}

static int rig_views(struct sink *s)
{
	struct rig *r = rig_of(s);
	r->n_views++;
	return r->holds ? rig_hold(r, RESUME_FACTS, NULL) : 0;
}

static void rig_stale(struct sink *s)
{
	buf_add_str(&rig_of(s)->log, "stale\n");
}

static void rig_columns(struct sink *s, uint64_t op_id, const struct span *names,
			const uint16_t *formats, int n)
{
	struct rig *r = rig_of(s);
	buf_printf(&r->log, "columns %llu", (unsigned long long)op_id);
	for (int i = 0; i < n; i++)
		buf_printf(&r->log, " %.*s/%d", (int)names[i].len, (const char *)names[i].p,
			   formats[i]);
	buf_add_str(&r->log, "\n");
}

static void rig_row(struct sink *s, uint64_t op_id, const struct span *fields, int n, bool is_whole)
{
	struct rig *r = rig_of(s);
	buf_printf(&r->log, "row %llu", (unsigned long long)op_id);
	for (int i = 0; i < n; i++)
		buf_printf(&r->log, " %.*s", fields[i].p ? (int)fields[i].len : 4,
			   fields[i].p ? (const char *)fields[i].p : "NULL");
	buf_add_str(&r->log, is_whole ? "\n" : " ...\n");
}

static void rig_result(struct sink *s, uint64_t op_id, const struct op_result *res)
{
	struct rig *r = rig_of(s);
	buf_printf(&r->log, "end %llu %s %llu%s%s\n", (unsigned long long)op_id,
		   res->tag ? res->tag : "-", (unsigned long long)res->rows,
		   res->sqlstate || res->error ? " " : "",
		   res->sqlstate ? res->sqlstate
		   : res->error	 ? "skipped"
				 : "");
}

static int rig_cancel(struct sink *s, uint32_t pid, uint32_t key)
{
	buf_printf(&rig_of(s)->log, "cancel %u %u\n", pid, key);
	return 0;
}

static const struct sink_ops rig_ops = {
    .op = rig_op,
    .stands = rig_stands,
    .barrier = rig_barrier,
    .dial = rig_dial,
    .entered = rig_entered,
    .facts = rig_facts,
    .views = rig_views,
    .stale = rig_stale,
    .columns = rig_columns,
    .row = rig_row,
    .result = rig_result,
    .cancel = rig_cancel,
};

static const struct catalog *rig_get_catalog(void *ctx)
{
	struct rig *r = ctx;
	return r->n_dials ? r->catalog : NULL;
}

static bool (*rig_decider)(const struct op *op);

static bool rig_denies(const struct op *op)
{
	if (op->broken)
		return true;
	for (int i = 0; i < op->n_needs; i++) {
		const struct need *n = &op->needs[i];
		if (n->kind == NEED_OPAQUE || n->class == CLASS_DDL)
			return true;
		if (n->name && !strcmp(n->name, "secrets"))
			return true;
	}
	return false;
}

static inline bool rig_allows_all(const struct op *op)
{
	(void)op;
	return false;
}

static void rig_init(struct rig *r, size_t chunk)
{
	*r = (struct rig){.sink = {.ops = &rig_ops},
			  .chunk = chunk,
			  .denies = rig_decider ? rig_decider : rig_denies};
	for (int i = 0; i < 2; i++) {
		buf_init(&r->to[i], PROTO_BURST_MAX * 2);
		buf_init(&r->in[i], PROTO_BURST_MAX * 2);
		r->sink.to[i] = &r->to[i];
	}
	buf_init(&r->log, 64 << 20);
	r->catalog = rig_catalog ? catalog_ref(rig_catalog) : NULL;
}

static void rig_open(struct rig *r)
{
	struct proto_env env = {.catalog = rig_get_catalog,
				.ctx = r,
				.is_opaque_allowed = r->is_opaque_allowed,
				.is_replication_allowed = r->is_replication,
				.wants_rows = r->wants_rows};
	r->state = calloc(1, proto_postgres.state_size);
	if (!r->state || proto_postgres.open(r->state, &env))
		abort();
}

static void rig_done(struct rig *r)
{
	proto_postgres.done(r->state);
	free(r->state);
	for (int i = 0; i < 2; i++) {
		buf_done(&r->to[i]);
		buf_done(&r->in[i]);
	}
	buf_done(&r->log);
	if (r->catalog)
		catalog_unref(r->catalog);
}

static void rig_take(struct rig *r, int err)
{
	if (err && err != ERR_HELD && !r->err)
		r->err = err;
}

/* Answers what is held, as long as there is something. */
static void rig_resume(struct rig *r)
{
	while (r->is_held && !r->err) {
		struct resume res = {.kind = r->kind};
		struct decision d;
		r->is_held = false;
		if (r->kind == RESUME_DECISION) {
			res.op_id = r->op->id;
			res.decision = &d;
			rig_decide(r, r->op, &d);
		}
		rig_take(r, proto_postgres.resume(r->state, &res, &r->sink));
	}
}

/* One feed of at most chunk bytes more than was offered before. Returns the bytes taken. */
static size_t rig_offer(struct rig *r, enum dir d, size_t n)
{
	struct span all = buf_span(&r->in[d]);
	/* An exact copy, so that a sanitizer sees every over-read. */
	uint8_t *copy = malloc(n ? n : 1);
	if (n)
		memcpy(copy, all.p, n);
	struct cur c = {copy, copy + n, 0};
	rig_take(r, proto_postgres.feed(r->state, d, &c, &r->sink));
	size_t taken = (size_t)(c.p - copy);
	free(copy);
	buf_consume(&r->in[d], taken);
	rig_resume(r);
	return taken;
}

/* As the flow does it: what is unread on either side is offered as long as some of it is taken. */
static void rig_run(struct rig *r)
{
	bool has_moved = true;
	while (has_moved && !r->err) {
		has_moved = false;
		for (int d = 0; d < 2 && !r->err; d++)
			if (buf_len(&r->in[d]) && !r->is_dialling)
				has_moved |= rig_offer(r, d, buf_len(&r->in[d])) > 0;
	}
}

static void rig_put(struct rig *r, enum dir d, struct span bytes)
{
	size_t step = r->chunk ? r->chunk : bytes.len;
	for (size_t i = 0; i < bytes.len && !r->err; i += step) {
		buf_add(&r->in[d], bytes.p + i, MIN(step, bytes.len - i));
		rig_run(r);
	}
}

/* ---- text to bytes ---- */

static char *rig_arg(char **at)
{
	char *p = *at, *end = p ? strchr(p, '~') : NULL;
	if (end)
		*end++ = 0;
	*at = end;
	return p ? p : "";
}

static void rig_body_args(struct buf *b, char *args)
{
	while (args)
		buf_add_cstr(b, rig_arg(&args));
}

static void rig_values(struct buf *b, char *args)
{
	size_t at = buf_len(b);
	uint32_t n = 0;
	buf_add_u16(b, 0);
	for (; args; n++) {
		char *v = rig_arg(&args);
		if (!strcmp(v, "NULL")) {
			buf_add_u32(b, UINT32_MAX);
			continue;
		}
		buf_add_u32(b, (uint32_t)strlen(v));
		buf_add_str(b, v);
	}
	b->mem[b->start + at] = (uint8_t)(n >> 8);
	b->mem[b->start + at + 1] = (uint8_t)n;
}

static void rig_client_body(struct buf *b, char type, char *args)
{
	switch (type) {
	case 'Q':
		buf_add_cstr(b, args ? args : "");
		return;
	case 'P':
		buf_add_cstr(b, rig_arg(&args));
		buf_add_cstr(b, args ? args : "");
		buf_add_u16(b, 0);
		return;
	case 'B':
		buf_add_cstr(b, rig_arg(&args));
		buf_add_cstr(b, rig_arg(&args));
		buf_add_u16(b, 0);
		rig_values(b, args);
		buf_add_u16(b, 0);
		return;
	case 'D':
	case 'C':
		buf_add_str(b, rig_arg(&args));
		buf_add_cstr(b, rig_arg(&args));
		return;
	case 'E':
		buf_add_cstr(b, rig_arg(&args));
		buf_add_u32(b, args ? (uint32_t)atoi(args) : 0);
		return;
	case 'F':
		buf_add_u32(b, (uint32_t)atoi(args));
		buf_add_u16(b, 0);
		buf_add_u16(b, 0);
		buf_add_u16(b, 0);
		return;
	case 'f':
		buf_add_cstr(b, args ? args : "");
		return;
	default:
		if (args)
			buf_add_str(b, args);
	}
}

static void rig_columns_body(struct buf *b, char *args)
{
	size_t at = buf_len(b);
	uint16_t n = 0;
	buf_add_u16(b, 0);
	for (; args; n++) {
		buf_add_cstr(b, rig_arg(&args));
		buf_add_u32(b, 0);
		buf_add_u16(b, 0);
		buf_add_u32(b, 25);
		buf_add_u16(b, 0xffff);
		buf_add_u32(b, UINT32_MAX);
		buf_add_u16(b, 0);
	}
	b->mem[b->start + at + 1] = (uint8_t)n;
}

static void rig_server_body(struct buf *b, char type, char *args)
{
	switch (type) {
	case 'T':
		rig_columns_body(b, args);
		return;
	case 'D':
		rig_values(b, args);
		return;
	case 'C':
		buf_add_cstr(b, args);
		return;
	case 'S':
		rig_body_args(b, args);
		return;
	case 't':
		buf_add_u16(b, 0);
		return;
	case 'G':
	case 'H':
	case 'W':
		buf_add_u8(b, 0);
		buf_add_u16(b, 0);
		return;
	case 'N':
	case 'E': {
		char *severity = rig_arg(&args), *code = rig_arg(&args);
		buf_printf(b, "S%s%cV%s%cC%s%cM%s%c", severity, 0, severity, 0, code, 0,
			   args ? args : "", 0);
		buf_add_u8(b, 0);
		return;
	}
	default:
		if (args)
			buf_add_str(b, args);
	}
}

/* "Q SELECT 1" as bytes. */
static void rig_encode(struct buf *out, enum dir d, const char *text)
{
	char copy[4096];
	snprintf(copy, sizeof(copy), "%s", text);
	char *args = copy[1] ? copy + 2 : NULL;
	size_t at = buf_len(out);
	buf_add_u8(out, (uint8_t)copy[0]);
	buf_add_u32(out, 0);
	if (d == FROM_CLIENT)
		rig_client_body(out, copy[0], args);
	else
		rig_server_body(out, copy[0], args);
	buf_put_u32_at(out, at + 1, (uint32_t)(buf_len(out) - at - 1));
}

/* A conversation; lines of one direction that follow each other go in one piece, unless a line "|"
 * is between them. */
static inline void rig_talk(struct rig *r, const char *text)
{
	struct buf piece;
	buf_init(&piece, 1 << 24);
	enum dir d = FROM_CLIENT;
	while (*text) {
		char line[4096];
		int n = (int)strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", n, text);
		text += n + (text[n] == '\n');
		if (line[0] == '|') {
			rig_put(r, d, buf_span(&piece));
			buf_reset(&piece);
			continue;
		}
		if (line[0] == '!') { /* new rules, that hide a relation */
			rig_put(r, d, buf_span(&piece));
			buf_reset(&piece);
			r->plan++;
			snprintf(r->hidden, sizeof(r->hidden), "%.63s", line[1] ? line + 2 : "");
			continue;
		}
		enum dir to = line[0] == '>' ? FROM_CLIENT : FROM_SERVER;
		if (to != d && buf_len(&piece)) {
			rig_put(r, d, buf_span(&piece));
			buf_reset(&piece);
		}
		d = to;
		rig_encode(&piece, d, line + 2);
	}
	if (buf_len(&piece))
		rig_put(r, d, buf_span(&piece));
	buf_done(&piece);
}

/* ---- bytes to text ---- */

static void rig_show_strings(struct buf *out, struct span body)
{
	for (size_t i = 0; i < body.len; i++) {
		uint8_t c = body.p[i];
		if (c == 0 && i + 1 == body.len)
			break;
		buf_add_u8(out, c == 0 ? '~' : c < 32 || c > 126 ? '.' : c);
	}
}

static const char *rig_field(struct span body, char code)
{
	struct cur c = cur_of(body);
	uint8_t f;
	while ((f = cur_u8(&c)) != 0) {
		struct span v = cur_cstr(&c);
		if (f == code)
			return (const char *)v.p;
	}
	return "";
}

static void rig_show_bind(struct buf *out, struct span body)
{
	struct cur c = cur_of(body);
	struct span portal = cur_cstr(&c), stmt = cur_cstr(&c);
	buf_printf(out, " %s~%s", (const char *)portal.p, (const char *)stmt.p);
	(void)cur_bytes(&c, 2 * (size_t)cur_u16(&c));
	for (int n = cur_u16(&c); n > 0; n--) {
		uint32_t len = cur_u32(&c);
		struct span v = len == UINT32_MAX ? span_str("NULL") : cur_bytes(&c, len);
		buf_printf(out, "~%.*s", (int)v.len, (const char *)v.p);
	}
}

static void rig_show(struct buf *out, enum end e, uint8_t type, struct span body)
{
	buf_add_u8(out, type);
	if (e == TO_CLIENT && type == 'E') {
		const char *routine = rig_field(body, 'R'), *position = rig_field(body, 'P');
		buf_printf(out, " %s %s%s%s%s%s", rig_field(body, 'V'), rig_field(body, 'C'),
			   *position ? " at " : "", position, *routine ? " " : "", routine);
	} else if (e == TO_SERVER && type == 'B') {
		rig_show_bind(out, body);
	} else if (e == TO_SERVER ? strchr("QfCD", type) != NULL : strchr("CZSR", type) != NULL) {
		buf_add_u8(out, ' ');
		rig_show_strings(out, body);
	} else if (e == TO_SERVER && type == 'P') {
		struct cur c = cur_of(body);
		struct span name = cur_cstr(&c), text = cur_cstr(&c);
		buf_printf(out, " %s~%s", (const char *)name.p, (const char *)text.p);
	} else if (e == TO_SERVER && type == 'E') {
		buf_printf(out, " %s", (const char *)body.p);
	}
}

/* Everything that was written to one end, "; " between messages. */
static inline char *rig_text(struct rig *r, enum end e)
{
	static char text[2][65536];
	struct buf out;
	struct cur c = cur_of(buf_span(&r->to[e]));
	buf_init(&out, sizeof(text[0]));
	while (cur_left(&c) >= 5) {
		uint8_t type = cur_u8(&c);
		uint32_t len = cur_u32(&c);
		if (buf_len(&out))
			buf_add_str(&out, "; ");
		struct span body = cur_bytes(&c, len - 4);
		if (cur_err(&c)) {
			buf_add_str(&out, "<cut>");
			break;
		}
		rig_show(&out, e, type, body);
	}
	snprintf(text[e], sizeof(text[e]), "%.*s", (int)buf_len(&out),
		 (const char *)buf_span(&out).p);
	buf_done(&out);
	return text[e];
}

static inline const char *rig_log(struct rig *r)
{
	buf_add_u8(&r->log, 0);
	return (const char *)buf_span(&r->log).p;
}

/* ---- the start ---- */

static inline void rig_startup(struct buf *b, const char *const *params)
{
	size_t at = buf_len(b);
	buf_add_u32(b, 0);
	buf_add_u32(b, 0x30000);
	for (; *params; params++)
		buf_add_cstr(b, *params);
	buf_add_u8(b, 0);
	buf_put_u32_at(b, at, (uint32_t)(buf_len(b) - at));
}

static inline void rig_dialled(struct rig *r, const struct dialled *d)
{
	struct resume res = {.kind = RESUME_DIALLED, .dialled = d};
	r->is_dialling = false;
	rig_take(r, proto_postgres.resume(r->state, &res, &r->sink));
	rig_run(r);
}

/* Through the startup: as user u, with the server's usual parameters. */
static inline void rig_begin(struct rig *r)
{
	const char *const params[] = {"user", "u", "database", "d",
				      r->is_replication ? "replication" : NULL, "database", NULL};
	struct buf b, greeting;
	buf_init(&b, 1 << 16);
	buf_init(&greeting, 1 << 16);
	rig_open(r);
	rig_startup(&b, params);
	rig_put(r, FROM_CLIENT, buf_span(&b));
	rig_encode(&greeting, FROM_SERVER, "S client_encoding~UTF8");
	rig_encode(&greeting, FROM_SERVER, "S standard_conforming_strings~on");
	struct dialled d = {.greeting = buf_span(&greeting),
			    .cancel_pid = 7,
			    .cancel_key = 8,
			    .search_path = "\"$user\", public"};
	rig_dialled(r, &d);
	buf_done(&b);
	buf_done(&greeting);
	buf_reset(&r->to[TO_CLIENT]);
	buf_reset(&r->log);
}
