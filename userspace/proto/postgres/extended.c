/* Parse, Bind, Describe, Close, Flush, Sync; execute.c has Execute. Parse is decided before the server sees it,
 * with its Bind where that follows at once; Bind is decided each time, with its values: a function
 * that is declared immutable runs when the plan is made. PostgreSQL documentation, "Extended
 * Query". */
#include "proto/postgres/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"

static const struct msg_error too_many = {
    .severity = "ERROR",
    .sqlstate = "54000",
    .message = "too many prepared statements or portals, or too much text in them",
    .hint = "Close what is not used any more (DEALLOCATE).",
};

int extended_send(struct pg *pg, uint8_t type, struct span body, struct track t, struct sink *out)
{
	msg_add(out->to[TO_SERVER], type, body);
	pg->in_segment = pg->is_unflushed = true;
	return pg_track(pg, t);
}

/* ---- Parse ---- */

void extended_forget(struct pg *pg)
{
	struct deferred *d = &pg->deferred;
	if (!d->name)
		return;
	names_remove(&pg->stmts, d->name);
	name_unref(TAKE(d->name));
	buf_done(&d->body);
}

static int send_deferred(struct pg *pg, uint64_t op_id, struct sink *out)
{
	struct deferred *d = &pg->deferred;
	if (!d->name)
		return 0;
	struct track t = {
	    .kind = TRACK_PARSE, .seq = d->name->seq, .op_id = op_id, .name = TAKE(d->name)};
	int err = extended_send(pg, 'P', buf_span(&d->body), t, out);
	buf_done(&d->body);
	return err;
}

bool extended_is_bind_of_deferred(const struct pg *pg, struct span body)
{
	struct cur c = cur_of(body);
	(void)cur_cstr(&c);
	struct span statement = cur_cstr(&c);
	return pg->deferred.name && !cur_err(&c) &&
	       names_find(&pg->stmts, statement) == pg->deferred.name;
}

static int parse_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	char detail[REFUSE_DETAIL];
	if (!decision_passes(d)) {
		struct msg_error e = refuse_words(pg, d, detail);
		extended_forget(pg);
		return pg->discards ? 0 : refuse_extended(pg, &e, out);
	}
	pg->has_masks |= d->has_masks;
	pg->hides_record |= d->hides_text;
	if (!pg->discards && pg->deferred.name)
		return send_deferred(pg, pg->deciding.op.id, out);
	extended_forget(pg);
	op_skipped(pg->deciding.op.id, out);
	return 0;
}

int extended_settle(struct pg *pg, struct sink *out)
{
	if (!pg->deferred.name)
		return 0;
	op_begin(pg);
	struct prepared *p = pg->deciding.stmt = prepared_ref(pg->deferred.name->stmt);
	pg->deciding.is_settling = true;
	int err = op_build(pg, span_of(p->text, p->len),
			   p->entry ? sql_entry_result(p->entry) : NULL, p->index, p->why, out);
	if (err)
		return err;
	pg->deciding.op.tag = "PREPARE";
	pg->deciding.op.is_write = pg->deciding.op.is_permanent = false; /* nothing runs yet */
	pg->deciding.op.is_prepare_only = true;
	return op_decide(pg, out, parse_decided);
}

/* A Parse, as read; types in the arena. */
struct parse {
	struct span name, text;
	uint32_t *types;
	int n_types;
};

static int defer(struct pg *pg, const struct parse *m, const struct reading *r, struct sink *out)
{
	const struct sql_result *result = r->entry ? sql_entry_result(r->entry) : NULL;
	struct prepared *p = prepared_new(m->text, r->entry, result && !result->n_stmts ? -1 : 0);
	struct name *n;
	if (!p)
		return -ENOMEM;
	op_stamp(pg, p, r->why);
	int err = prepared_set_types(p, m->types, m->n_types);
	if (!err)
		err = names_add(&pg->stmts, m->name, p, ++pg->last_seq, &n);
	prepared_unref(p);
	if (err)
		return err == ERR_LIMIT ? refuse_extended(pg, &too_many, out) : err;
	n->segment = pg->segment;
	pg->deferred.name = name_ref(n);
	struct buf spare = pg->deferred.body;
	pg->deferred.body = pg->client.body;
	pg->client.body = spare;
	return 0;
}

static int take_parse(struct pg *pg, const struct parse *m, struct reading *r, struct sink *out)
{
	static const struct msg_error several = {
	    .severity = "ERROR",
	    .sqlstate = "42601",
	    .message = "cannot insert multiple commands into a prepared statement",
	    .file = "postgres.c",
	    .routine = "exec_parse_message",
	};
	if (reading_is_refused(pg, r)) {
		struct msg_error e = refuse_syntax(sql_entry_result(r->entry));
		return op_broken(pg, m->text, &e, out);
	}
	if (r->entry && sql_entry_result(r->entry)->n_stmts > 1)
		return op_broken(pg, m->text, &several, out);
	return defer(pg, m, r, out);
}

static int read_parse(struct pg *pg, struct span body, struct parse *ret)
{
	struct cur c = cur_of(body);
	struct parse m = {.name = cur_cstr(&c), .text = cur_cstr(&c), .n_types = cur_u16(&c)};
	if (cur_err(&c) || cur_left(&c) != (size_t)m.n_types * 4)
		return ERR_MALFORMED;
	m.types = arena_array(&pg->arena, (size_t)m.n_types, sizeof(*m.types));
	if (!m.types)
		return -ENOMEM;
	for (int i = 0; i < m.n_types; i++)
		m.types[i] = cur_u32(&c);
	*ret = m;
	return 0;
}

int on_parse(struct pg *pg, struct span body, struct sink *out)
{
	struct sql_session view;
	struct reading r;
	struct parse m;
	op_begin(pg);
	int err = read_parse(pg, body, &m);
	if (err)
		return err;
	session_view(&pg->session, &view);
	view.param_types = m.types;
	view.n_param_types = m.n_types;
	err = op_read(pg, m.text, &view, out, &r);
	if (err)
		return err;
	err = take_parse(pg, &m, &r, out);
	if (r.entry)
		sql_entry_unref(r.entry);
	return err;
}

/* ---- Bind ---- */

static int keep_formats(const struct pg *pg, struct name *portal)
{
	struct span codes = pg->deciding.bind.result_formats;
	int n = (int)(codes.len / 2);
	portal->lacks_formats = n && !(pg->env.wants_rows || pg->has_masks);
	if (portal->lacks_formats || !n)
		return 0;
	portal->formats = calloc((size_t)n, sizeof(*portal->formats));
	if (!portal->formats)
		return -ENOMEM;
	portal->n_formats = n;
	for (int i = 0; i < n; i++)
		portal->formats[i] = codes.p[2 * i + 1];
	return 0;
}

static int send_bind(struct pg *pg, const struct decision *decision, struct masking *masking, struct sink *out)
{
	struct deciding *d = &pg->deciding;
	struct track t = {.kind = TRACK_BIND, .op_id = d->op.id, .seq = ++pg->last_seq};
	struct name *portal;
	int err = names_add(&pg->portals, d->bind.portal, d->stmt, t.seq, &portal);
	if (err) {
		masking_unref(masking);
		op_skipped(d->op.id, out);
		return err == ERR_LIMIT ? refuse_extended(pg, &too_many, out) : err;
	}
	portal->masking = masking;
	name_opened(portal, d->stmt->entry, d->stmt->index, d->stmt->why);
	err = name_passed(portal, decision);
	if (err)
		return err;
	portal->segment = pg->segment;
	portal->op_id = d->op.id;
	portal->names_version = pg->names_version;
	t.name = name_ref(portal);
	op_accepted(pg);
	err = extended_send(pg, 'B', buf_span(&pg->client.body), t, out);
	return err ? err : keep_formats(pg, portal);
}

static int bind_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	char detail[REFUSE_DETAIL];
	if (!decision_passes(d)) {
		struct msg_error e = refuse_words(pg, d, detail);
		extended_forget(pg);
		return pg->discards ? 0 : refuse_extended(pg, &e, out);
	}
	if (pg->discards) {
		extended_forget(pg);
		op_skipped(pg->deciding.op.id, out);
		return 0;
	}
	struct masking *masking;
	int err = op_masking(pg, d, &masking);
	if (err)
		return err;
	err = send_deferred(pg, 0, out);
	if (!err)
		return send_bind(pg, d, masking, out);
	masking_unref(masking);
	return err;
}

/* The statement of a Bind; one that nobody saw being prepared only where a rule lets that pass. */
static int find_statement(struct pg *pg, struct span name, struct sink *out,
			  struct prepared **ret_p)
{
	struct name *n = names_find(&pg->stmts, name);
	if (n && name_is_open(pg, n))
		return PG_WAIT;
	if (n) {
		*ret_p = prepared_ref(n->stmt);
		return op_refresh(pg, n->stmt, out);
	}
	*ret_p = pg->env.is_opaque_allowed ? prepared_new((struct span){0}, NULL, -1) : NULL;
	if (!*ret_p)
		return pg->env.is_opaque_allowed ? -ENOMEM : 0;
	(*ret_p)->why = "the statement was not prepared through the gateway";
	return 0;
}

/* NULL: no memory; then they are not known. */
static const uint32_t *param_types(struct pg *pg, const struct prepared *p, int n)
{
	uint32_t *types = arena_array(&pg->arena, (size_t)n, sizeof(*types));
	for (int i = 0; types && i < n; i++) {
		types[i] = i < p->n_types ? p->types[i] : 0;
		if (!types[i] && i < p->n_told_types)
			types[i] = p->told_types[i];
	}
	return types;
}

int on_bind(struct pg *pg, struct span body, struct sink *out)
{
	struct deciding *d = &pg->deciding;
	op_begin(pg);
	int err = msg_read_bind(body, &pg->arena, &d->bind);
	if (!err)
		err = find_statement(pg, d->bind.statement, out, &d->stmt);
	if (err)
		return err;
	struct prepared *p = d->stmt;
	if (!p)
		return refuse_unknown_statement(pg, d->bind.statement, out);
	err = op_build(pg, span_of(p->text, p->len), p->entry ? sql_entry_result(p->entry) : NULL,
		       p->index, p->why, out);
	if (err)
		return err;
	d->op.params = d->bind.params;
	d->op.param_formats = d->bind.formats;
	d->op.n_params = d->bind.n_params;
	d->op.param_types = param_types(pg, p, d->bind.n_params);
	return op_decide(pg, out, bind_decided);
}

/* ---- Describe, Close ---- */

int refuse_unknown_portal(struct pg *pg, struct span name, struct sink *out)
{
	char text[NAME_KEY + 40];
	snprintf(text, sizeof(text), "portal \"%.*s\" does not exist",
		 (int)MIN(name.len, (size_t)NAME_KEY - 1), (const char *)name.p);
	struct msg_error e = {.severity = "ERROR", .sqlstate = "34000", .message = text};
	return refuse_extended(pg, &e, out);
}

static bool read_kind_and_name(struct span body, uint8_t *ret_kind, struct span *ret_name)
{
	struct cur c = cur_of(body);
	*ret_kind = cur_u8(&c);
	*ret_name = cur_cstr(&c);
	return !cur_err(&c) && !cur_left(&c) && (*ret_kind == 'S' || *ret_kind == 'P');
}

void extended_note_describe(struct pg *pg, struct name *portal)
{
	portal->is_asked = true;
	portal->asked_in = pg->segment;
}

int on_describe(struct pg *pg, struct span body, struct sink *out)
{
	uint8_t kind;
	struct span name;
	if (!read_kind_and_name(body, &kind, &name))
		return ERR_MALFORMED;
	bool is_stmt = kind == 'S';
	struct name *n = names_find(is_stmt ? &pg->stmts : &pg->portals, name);
	if (n && name_is_open(pg, n))
		return PG_WAIT;
	if (!n && !pg->env.is_opaque_allowed)
		return is_stmt ? refuse_unknown_statement(pg, name, out)
			       : refuse_unknown_portal(pg, name, out);
	struct track t = {.kind = is_stmt ? TRACK_DESCRIBE_STMT : TRACK_DESCRIBE_PORTAL,
			  .name = n ? name_ref(n) : NULL};
	if (n && !is_stmt)
		extended_note_describe(pg, n);
	return extended_send(pg, 'D', body, t, out);
}

int on_close(struct pg *pg, struct span body, struct sink *out)
{
	uint8_t kind;
	struct span name;
	if (!read_kind_and_name(body, &kind, &name))
		return ERR_MALFORMED;
	struct names *table = kind == 'S' ? &pg->stmts : &pg->portals;
	struct name *n = names_find(table, name);
	struct track t = {.kind = kind == 'S' ? TRACK_CLOSE_STMT : TRACK_CLOSE_PORTAL,
			  .seq = ++pg->last_seq,
			  .name = n ? name_ref(n) : NULL};
	names_mark(table, name, t.seq);
	return extended_send(pg, 'C', body, t, out);
}

/* ---- Flush, Sync, the end of COPY ---- */

static bool in_copy(const struct pg *pg)
{
	return pg->copy.is_open && !pg->copy.is_done_sent;
}

int on_flush(struct pg *pg, struct span body, struct sink *out)
{
	if (in_copy(pg))
		return 0; /* the server ignores it */
	msg_add(out->to[TO_SERVER], 'H', body);
	pg->is_unflushed = false;
	return 0;
}

int pg_send_sync(struct pg *pg, struct sink *out)
{
	msg_add(out->to[TO_SERVER], 'S', (struct span){0});
	pg->discards = pg->in_segment = pg->is_unflushed = false;
	pg->segment++;
	return pg_track(pg, (struct track){.kind = TRACK_SYNC});
}

int on_sync(struct pg *pg, struct span body, struct sink *out)
{
	(void)body;
	if (in_copy(pg)) {
		pg->copy.is_sync_late |= pg->copy.has_data;
		return 0; /* the server ignores it */
	}
	int err = op_in_block(pg) ? 0 : pg_barrier(pg, out);
	return err ? err : pg_send_sync(pg, out);
}

/* CopyDone, CopyFail. */
int on_copy_end(struct pg *pg, struct span body, struct sink *out)
{
	bool is_open = in_copy(pg);
	if (!is_open && !pg->tracks.n_copies)
		return 0; /* the server would ignore it */
	msg_add(out->to[TO_SERVER], pg->client.type, body);
	if (!is_open)
		return pg_track(pg, (struct track){.kind = TRACK_COPY_END});
	pg->copy.is_done_sent = true;
	return 0;
}
