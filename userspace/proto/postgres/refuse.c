#include "proto/postgres/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REFUSAL_MAX 4096

/* The column that the text asks for and nobody has, where all of it was read. */
static const char *missing_column(const struct pg *pg)
{
	const struct prepared *p = pg->deciding.stmt;
	const struct sql_result *r = p && p->entry ? sql_entry_result(p->entry) : NULL;
	for (int i = 0; r && i < r->n_stmts; i++)
		if (r->stmts[i].missing)
			return r->stmts[i].missing;
	return NULL;
}

struct msg_error refuse_words(const struct pg *pg, const struct decision *d, char ret_detail[REFUSE_DETAIL])
{
	const char *missing = d->is_unread ? missing_column(pg) : NULL;
	struct msg_error e = {
	    .severity = "ERROR",
	    .sqlstate = d->sqlstate[0] ? d->sqlstate : "42501",
	    .message = d->reason,
	    .detail = ret_detail,
	    .hint = d->hint,
	};
	snprintf(ret_detail, REFUSE_DETAIL, "rule: %s", d->rule);
	if (!missing)
		return e;
	snprintf(ret_detail, REFUSE_DETAIL, "column \"%s\" does not exist", missing);
	return (struct msg_error){.severity = "ERROR", .sqlstate = "42703", .message = ret_detail};
}

static struct buf *refusal_new(const struct msg_error *e)
{
	struct buf *b = malloc(sizeof(*b));
	if (!b)
		return NULL;
	buf_init(b, REFUSAL_MAX);
	msg_add_error(b, e);
	if (!buf_err(b))
		return b;
	buf_done(b);
	free(b);
	return NULL;
}

int pg_track(struct pg *pg, struct track t)
{
	if (!t.seq)
		t.seq = ++pg->last_seq;
	return tracks_push(&pg->tracks, &t);
}

/* What a Query does to the unnamed ones, whether it succeeds or not. */
static void drop_unnamed(struct pg *pg)
{
	names_remove_older(&pg->stmts, (struct span){0}, UINT64_MAX);
	names_remove_older(&pg->portals, (struct span){0}, UINT64_MAX);
}

/* Nothing of the session is at the server: what it would do can be told without it. */
static bool is_idle(const struct pg *pg)
{
	return !pg->tracks.n && !pg->in_segment && pg->session.tx_status == 'I';
}

int refuse_query(struct pg *pg, const struct msg_error *e, struct sink *out)
{
	if (is_idle(pg)) {
		server_flush(pg, out);
		msg_add_error(out->to[TO_CLIENT], e);
		msg_add_ready(out->to[TO_CLIENT], 'I');
		drop_unnamed(pg);
		return 0;
	}
	struct track t = {.kind = TRACK_QUERY, .is_poison = true, .refusal = refusal_new(e)};
	if (!t.refusal)
		return -ENOMEM;
	msg_add_poison_query(out->to[TO_SERVER]);
	pg->in_segment = pg->is_unflushed = false;
	pg->segment++;
	return pg_track(pg, t);
}

static int poison(struct pg *pg, struct span statement, struct buf *refusal, struct sink *out)
{
	struct track t = {.kind = TRACK_BIND, .is_poison = true, .refusal = refusal};
	msg_add_poison_bind(out->to[TO_SERVER], statement);
	pg->in_segment = true;
	pg->discards = true;
	return pg_track(pg, t);
}

int refuse_extended(struct pg *pg, const struct msg_error *e, struct sink *out)
{
	struct buf *refusal = refusal_new(e);
	return refusal ? poison(pg, (struct span){0}, refusal, out) : -ENOMEM;
}

int refuse_unknown_statement(struct pg *pg, struct span name, struct sink *out)
{
	return poison(pg, name.len ? name : span_of("", 0), NULL, out);
}
