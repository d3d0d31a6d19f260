/* What completed statements did to the session. */
#include "proto/postgres/answer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"

void portal_end(struct name *portal, const char *tag, const struct op_result *error,
		struct sink *out)
{
	struct op_result r = {.tag = tag};
	if (portal->is_ended || !portal->op_id)
		return;
	if (error)
		r = *error;
	r.rows = portal->rows;
	r.masked = portal->masked;
	portal->is_ended = true;
	out->ops->result(out, portal->op_id, &r);
}

/* The text of one statement of many, so that it can be read again by itself. */
static struct span text_of(struct span all, const struct sql_stmt *st)
{
	size_t at = st->location > 0 ? MIN((size_t)st->location, all.len) : 0;
	size_t len = st->len > 0 ? MIN((size_t)st->len, all.len - at) : all.len - at;
	return span_of(all.p + at, len);
}

/* PREPARE and DECLARE make a name that both protocols can use. */
static int add_name(struct pg *pg, struct track *by, struct prepared *from, int index,
		    const struct sql_stmt *st)
{
	struct name *n;
	struct names *t = st->kind == SQL_PREPARE ? &pg->stmts : &pg->portals;
	struct prepared *p =
	    prepared_new(text_of(span_of(from->text, from->len), st), from->entry, index);
	if (!p)
		return -ENOMEM;
	/* Stamped with no state: it is read again, by itself, when it is used. */
	int err = names_add(t, span_str(st->name ? st->name : ""), p, ++pg->last_seq, &n);
	prepared_unref(p);
	if (err)
		return err == ERR_LIMIT ? 0 : err; /* not known: refused when it is used */
	name_opened(n, from->entry, index, NULL);
	n->is_live = n->is_ended = true;
	n->is_cursor = st->kind == SQL_DECLARE_CURSOR;
	names_supersede(t, n);
	if (!n->is_cursor)
		return 0;
	/* Whoever reads from it is decided for itself: by what the names meant here, and by what let this pass. */
	const struct mandate *mandate = by->name ? by->name->opened.mandate : by->mandate;
	if (mandate && !(n->opened.mandate = malloc(sizeof(*mandate))))
		return -ENOMEM;
	if (mandate)
		*n->opened.mandate = *mandate;
	return masking_part(track_masking(by), by->kind == TRACK_QUERY ? index : 0, &n->masking);
}

static void remove_names(struct names *t, const char *name)
{
	if (name)
		names_remove_older(t, span_str(name), UINT64_MAX);
	else
		names_clear(t, UINT64_MAX, true);
}

static void end_portals(struct pg *pg, const struct track *t, const char *tag)
{
	if (!strcmp(tag, "COMMIT") || !strcmp(tag, "ROLLBACK") ||
	    !strcmp(tag, "PREPARE TRANSACTION"))
		names_clear(&pg->portals, t->seq, false);
}

static int names_changed(struct pg *pg, struct track *t, struct prepared *from, int index,
			 const struct sql_stmt *st, const char *tag)
{
	bool is_close = !strncmp(tag, "CLOSE", 5);
	if (st->kind == SQL_FETCH && !is_close)
		return 0;
	pg->names_version++;
	switch (st->kind) {
	case SQL_PREPARE:
		return add_name(pg, t, from, index, st);
	case SQL_DECLARE_CURSOR:
		return add_name(pg, t, from, index, st);
	case SQL_DEALLOCATE:
		remove_names(&pg->stmts, st->name);
		return 0;
	case SQL_FETCH:
		remove_names(&pg->portals, st->name);
		return 0;
	case SQL_DISCARD:
		if (!strcmp(tag, "DISCARD ALL")) {
			names_clear(&pg->stmts, t->seq, true);
			names_clear(&pg->portals, t->seq, true);
		}
		return 0;
	default: /* the end of a transaction */
		end_portals(pg, t, tag);
		return 0;
	}
}

static bool changes_names(const struct sql_stmt *st)
{
	static const bool kinds[SQL_COPY_OUT + 1] = {
	    [SQL_PREPARE] = true,  [SQL_DECLARE_CURSOR] = true, [SQL_DEALLOCATE] = true,
	    [SQL_FETCH] = true,	   [SQL_DISCARD] = true,	[SQL_COMMIT] = true,
	    [SQL_ROLLBACK] = true, [SQL_PREPARE_XACT] = true,
	};
	return kinds[st->kind];
}

/* Unclassified text may have done anything: session.doubt says so from now on. */
static int unclassified_completed(struct pg *pg, const char *tag)
{
	session_completed(&pg->session, NULL, tag, (struct span){0});
	pg->names_version++;
	return 0;
}

static int apply(struct pg *pg, struct track *t, int index, const char *tag)
{
	struct prepared *p = t->stmt;
	const struct sql_result *r = p && p->entry ? sql_entry_result(p->entry) : NULL;
	if (!r)
		return unclassified_completed(pg, tag);
	if (index < 0 || index >= r->n_stmts)
		return ERR_STATE; /* more completions than statements */
	const struct sql_stmt *st = &r->stmts[index];
	session_completed(&pg->session, st, tag, text_of(span_of(p->text, p->len), st));
	return changes_names(st) ? names_changed(pg, t, p, index, st, tag) : 0;
}

int effects_of_query(struct pg *pg, struct track *t, const char *tag)
{
	return apply(pg, t, t->n_done++, tag);
}

int effects_of_execute(struct pg *pg, struct track *t, const char *tag)
{
	return apply(pg, t, t->stmt ? t->stmt->index : 0, tag);
}
