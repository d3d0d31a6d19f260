/* From a text to an operation: reading it under the session's state, names of prepared statements
 * and cursors resolved, needs put together, what must be on disk first. */
#include "proto/postgres/work.h"

#include <errno.h>
#include <stdio.h>

#include "base/macro.h"

#define TAGS_MAX 8

/* The catalogue is loaded again: it lacks a name, or this session has changed it. */
static int ask_facts(struct pg *pg, struct sink *out)
{
	pg->is_facts_asked = true;
	int err = out->ops->facts(out);
	if (err == ERR_HELD)
		pg->hold = HOLD_FACTS;
	else if (!err)
		pg->session.wants_facts = false;
	return err;
}

static bool reads_views(const struct sql_entry *e)
{
	const struct sql_result *r = e ? sql_entry_result(e) : NULL;
	for (int i = 0; r && i < r->n_stmts; i++)
		if (r->stmts[i].reads_views)
			return true;
	return false;
}

/* Somebody else may have made another view of it since the catalogue was read, which no description of a result shows:
 * before a role with masks reads one, it is looked at. */
static int ask_views(struct pg *pg, const struct sql_entry *e, struct sink *out)
{
	if (!(pg->env.has_masks || pg->has_masks) || pg->is_facts_asked || pg->are_views_asked || !reads_views(e))
		return 0;
	pg->are_views_asked = true;
	int err = out->ops->views(out);
	if (err == ERR_HELD)
		pg->hold = HOLD_FACTS;
	return err;
}

static int read_once(struct pg *pg, struct span text, const struct sql_session *view,
		     struct reading *ret)
{
	const struct catalog *c = pg->env.catalog(pg->env.ctx);
	*ret = (struct reading){.why = session_unreadable(&pg->session)};
	if (!c && !ret->why)
		ret->why = "the database's catalogue is not there to resolve names with";
	if (ret->why)
		return 0;
	struct sql_cache *cache = sql_cache_here();
	int err = cache ? sql_cache_get(cache, text, c, view, &ret->entry) : -ENOMEM;
	bool is_big =
	    err == ERR_LIMIT || (!err && sql_entry_result(ret->entry)->status == SQL_TOO_BIG);
	if (!is_big)
		return err;
	if (!err)
		sql_entry_unref(ret->entry);
	*ret = (struct reading){.why = "the text is too long or too complex to be read"};
	return 0;
}

int op_read(struct pg *pg, struct span text, const struct sql_session *view, struct sink *out,
	    struct reading *ret)
{
	int err = 0;
	if (pg->session.wants_facts && !pg->is_facts_asked)
		err = ask_facts(pg, out);
	if (!err)
		err = read_once(pg, text, view, ret);
	if (err || !ret->entry || pg->is_facts_asked)
		return err;
	if (sql_entry_result(ret->entry)->status != SQL_FACTS) {
		err = ask_views(pg, ret->entry, out);
		if (err)
			sql_entry_unref(ret->entry);
		return err;
	}
	sql_entry_unref(ret->entry);
	err = ask_facts(pg, out);
	return err ? err : read_once(pg, text, view, ret);
}

int op_refresh(struct pg *pg, struct prepared *p, struct sink *out)
{
	const struct catalog *c = pg->env.catalog(pg->env.ctx);
	uint64_t generation = c ? catalog_generation(c) : 0;
	struct sql_session view;
	struct reading r;
	bool is_fresh =
	    p->entry && p->generation == generation && p->session_version == pg->session.version;
	if (is_fresh && !pg->session.wants_facts && !session_unreadable(&pg->session))
		return ask_views(pg, p->entry, out);
	session_view(&pg->session, &view);
	view.param_types = p->types;
	view.n_param_types = p->n_types;
	int err = op_read(pg, span_of(p->text, p->len), &view, out, &r);
	if (err)
		return err;
	if (p->entry)
		sql_entry_unref(p->entry);
	p->entry = r.entry;
	p->index = r.entry && !sql_entry_result(r.entry)->n_stmts ? -1 : 0;
	op_stamp(pg, p, r.why);
	return 0;
}

void op_stamp(struct pg *pg, struct prepared *p, const char *why)
{
	const struct catalog *c = pg->env.catalog(pg->env.ctx);
	p->generation = c ? catalog_generation(c) : 0;
	p->session_version = pg->session.version;
	p->why = why;
}

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same_need(const struct need *a, const struct need *b)
{
	bool same = a->kind == b->kind && a->verb == b->verb && a->class == b->class &&
		    a->is_implied == b->is_implied && a->n_columns == b->n_columns &&
		    !a->columns == !b->columns && is_same_text(a->schema, b->schema) &&
		    is_same_text(a->name, b->name);
	for (int i = 0; same && a->columns && i < a->n_columns; i++)
		same = is_same_text(a->columns[i], b->columns[i]);
	return same;
}

/* Is it among them? Where both are in one order each is found at once: behind the one before, *at. */
static bool has_need(const struct need *list, int n, const struct need *need, int *at)
{
	for (int i = 0; i < n; i++) {
		int k = (*at + i) % n;
		if (!is_same_need(&list[k], need))
			continue;
		*at = (k + 1) % n;
		return true;
	}
	return false;
}

/* Both ways; what is opaque stands for what the text does not show, and is in the operation alone. rs: the text, and
 * what stands behind the name that it runs. */
static bool are_same_needs(const struct op *op, const struct sql_result *const rs[2], struct arena *a)
{
	int n = 0, k = 0, at = 0;
	bool same = true;
	for (int s = 0; s < 2 && rs[s]; s++)
		for (int i = 0; i < rs[s]->n_stmts; i++)
			n += rs[s]->stmts[i].n_needs;
	struct need *all = arena_array(a, (size_t)n + 1, sizeof(*all));
	for (int s = 0; all && s < 2 && rs[s]; s++)
		for (int i = 0; i < rs[s]->n_stmts; i++)
			for (int j = 0; j < rs[s]->stmts[i].n_needs; j++)
				all[k++] = rs[s]->stmts[i].needs[j];
	for (int i = 0; i < k && same; i++)
		same = has_need(op->needs, op->n_needs, &all[i], &at);
	at = 0;
	for (int i = 0; i < op->n_needs && same; i++)
		same = op->needs[i].kind == NEED_OPAQUE || has_need(all, k, &op->needs[i], &at);
	return all && same;
}

/* The analysis of a text of the held operation by the catalogue in force; NULL: it cannot be read. */
static struct sql_entry *read_now(struct pg *pg, struct span text)
{
	const struct prepared *p = pg->deciding.stmt;
	struct sql_session view;
	struct reading r;
	session_view(&pg->session, &view);
	view.param_types = p ? p->types : NULL;
	view.n_param_types = p ? p->n_types : 0;
	return read_once(pg, text, &view, &r) < 0 ? NULL : r.entry;
}

bool op_is_same(struct pg *pg, const struct op *op)
{
	if (op != &pg->deciding.op)
		return false;
	struct sql_entry *text = read_now(pg, op->text), *behind = op->behind.len ? read_now(pg, op->behind) : NULL;
	const struct sql_result *now = text ? sql_entry_result(text) : NULL;
	const struct sql_result *const both[2] = {now, behind ? sql_entry_result(behind) : NULL};
	bool same = !op->behind.len || (both[1] && both[1]->status != SQL_SYNTAX);
	if (!now)
		same &= op->n_needs == 1 && op->needs[0].kind == NEED_OPAQUE;
	else
		same &= now->status != SQL_SYNTAX && now->n_stmts ? are_same_needs(op, both, &pg->arena)
								    : op->n_needs == 1;
	if (text)
		sql_entry_unref(text);
	if (behind)
		sql_entry_unref(behind);
	return same;
}

/* What stands behind a name that is used in SQL. */
struct target {
	const struct sql_stmt *stmt;
	struct prepared *prepared; /* it borrows from this one; NULL: from the text itself */
	const char *why;	   /* it is not known */
	const struct name *cursor; /* that it reads from: its analysis is the one that it was opened under */
};

static int find_target(struct pg *pg, struct names *t, const char *name, struct sink *out,
		       struct target *ret)
{
	struct name *n = names_find(t, span_str(name));
	if (n && name_is_open(pg, n))
		return PG_WAIT;
	if (!n)
		return 0;
	ret->prepared = n->stmt;
	if (t == &pg->portals) { /* the server has it open: what its names mean by now is nothing to it */
		const struct opened *o = &n->opened;
		const struct sql_result *r = o->entry ? sql_entry_result(o->entry) : NULL;
		ret->stmt = r && o->index >= 0 && o->index < r->n_stmts ? &r->stmts[o->index] : NULL;
		ret->cursor = n;
		return 0;
	}
	int err = op_refresh(pg, n->stmt, out);
	if (!err)
		ret->stmt = prepared_stmt(n->stmt);
	return err;
}

/* An earlier statement of the same text that makes the name; NULL if none does. */
static const struct sql_stmt *find_within(const struct sql_result *r, int before,
					  enum sql_kind maker, const char *name)
{
	for (int i = before - 1; i >= 0; i--)
		if (r->stmts[i].kind == maker && r->stmts[i].name &&
		    !strcmp(r->stmts[i].name, name))
			return &r->stmts[i];
	return NULL;
}

static bool uses_name(const struct sql_stmt *st)
{
	return st->kind == SQL_EXECUTE || (st->kind == SQL_FETCH && strncmp(st->tag, "CLOSE", 5));
}

/* What a Parse or Bind has named may be anything: SET, COMMIT and the like are followed only where they
 * stand themselves. */
static bool runs_by_name(const struct sql_stmt *st)
{
	return st->kind == SQL_OTHER || st->kind == SQL_PREPARE || st->kind == SQL_DECLARE_CURSOR;
}

/* EXECUTE and FETCH run what was prepared or declared before: its needs are theirs. */
static int resolve(struct pg *pg, const struct sql_result *r, int i, struct sink *out,
		   struct target *ret)
{
	const struct sql_stmt *st = &r->stmts[i];
	if (!uses_name(st))
		return 0;
	bool is_execute = st->kind == SQL_EXECUTE;
	const char *name = st->name ? st->name : "";
	int err = 0;
	ret->stmt = find_within(r, i, is_execute ? SQL_PREPARE : SQL_DECLARE_CURSOR, name);
	if (!ret->stmt)
		err = find_target(pg, is_execute ? &pg->stmts : &pg->portals, name, out, ret);
	bool was_found = ret->stmt != NULL;
	if (was_found && !runs_by_name(ret->stmt))
		ret->stmt = NULL;
	if (!ret->stmt)
		ret->why = was_found    ? "by name it would change what is known of the session"
			   : is_execute ? "EXECUTE of a statement that was not prepared in this session"
					: "FETCH from a cursor that was not declared in this session";
	return err;
}

static int weight(enum op_class c)
{
	static const int weights[CLASS_COUNT] = {
	    [CLASS_TRANSACTION] = 0, [CLASS_SESSION] = 1,    [CLASS_READ] = 2, [CLASS_COPY] = 3,
	    [CLASS_WRITE] = 4,	     [CLASS_PROCEDURAL] = 5, [CLASS_DDL] = 6,  [CLASS_DCL] = 7,
	    [CLASS_ADMIN] = 8,	     [CLASS_OPAQUE] = 9,
	};
	return weights[c];
}

bool op_in_block(const struct pg *pg)
{
	return pg->session.tx_status != 'I' && !pg->tracks.n_tx;
}

/* What is known while the statements are walked in order. */
struct effects {
	bool in_block, wrote;
	struct op *op;
};

static void add_effects(struct effects *e, const struct sql_stmt *st, const struct sql_stmt *target)
{
	bool is_write = st->is_write || (target && target->is_write);
	e->op->is_permanent |= st->is_untransactional || (target && target->is_untransactional) ||
			       st->kind == SQL_PREPARE_XACT || (st->kind == SQL_COMMIT && e->wrote);
	e->op->is_write |= is_write;
	e->wrote |= is_write;
	if (st->kind == SQL_BEGIN)
		e->in_block = true;
	if (st->kind == SQL_COMMIT || st->kind == SQL_ROLLBACK)
		e->in_block = st->is_chain;
}

/* What sets search_path can be followed only where it is known to run, and when. */
static const char *hidden_setting(const struct sql_stmt *st)
{
	for (int i = 0; st->kind != SQL_SET && i < st->n_needs; i++)
		if (st->needs[i].kind == NEED_SETTING && st->needs[i].name &&
		    !strcmp(st->needs[i].name, "search_path"))
			return "sets search_path where that cannot be followed: use SET";
	return NULL;
}

static void add_class(struct op *op, enum op_class c)
{
	if (weight(c) > weight(op->class))
		op->class = c;
}

static const char *join_tags(struct arena *a, const struct sql_result *r, int from, int n)
{
	char tags[256];
	size_t len = 0;
	for (int i = 0; i < n && len < sizeof(tags); i++) {
		if (i == TAGS_MAX) {
			len += (size_t)snprintf(tags + len, sizeof(tags) - len, "; ...");
			break;
		}
		len += (size_t)snprintf(tags + len, sizeof(tags) - len, "%s%s", i ? "; " : "",
					r->stmts[from + i].tag);
	}
	return arena_str(a, tags);
}

/* What lies behind n statements and their targets, one list. */
static int join_reached(struct pg *pg, const struct sql_result *r, int from, int n, const struct target *targets)
{
	size_t total = 0;
	for (int i = 0; i < n; i++)
		total += (size_t)r->stmts[from + i].n_reached +
			 (targets[i].stmt ? (size_t)targets[i].stmt->n_reached : 0);
	struct need *all = total ? arena_array(&pg->arena, total, sizeof(*all)) : NULL;
	if (total && !all)
		return ERR_LIMIT;
	int at = 0;
	for (int i = 0; i < n; i++) {
		const struct sql_stmt *parts[] = {&r->stmts[from + i], targets[i].stmt};
		for (int k = 0; k < 2 && parts[k]; k++)
			for (int j = 0; j < parts[k]->n_reached; j++)
				all[at++] = parts[k]->reached[j];
	}
	pg->deciding.op.reached = all;
	pg->deciding.op.n_reached = at;
	return 0;
}

/* The needs of n statements and their targets, one list. */
static int join_needs(struct pg *pg, const struct sql_result *r, int from, int n,
		      const struct target *targets)
{
	size_t total = 0;
	for (int i = 0; i < n; i++)
		total += (size_t)r->stmts[from + i].n_needs + 1 +
			 (targets[i].stmt ? (size_t)targets[i].stmt->n_needs : 0);
	struct need *needs = arena_array(&pg->arena, total + 1, sizeof(*needs));
	if (!needs)
		return ERR_LIMIT;
	int at = 0;
	for (int i = 0; i < n; i++) {
		const struct sql_stmt *parts[] = {&r->stmts[from + i], targets[i].stmt};
		for (int k = 0; k < 2 && parts[k]; k++)
			for (int j = 0; j < parts[k]->n_needs; j++)
				needs[at++] = parts[k]->needs[j];
		const char *why =
		    targets[i].why ? targets[i].why : hidden_setting(&r->stmts[from + i]);
		if (why)
			needs[at++] = op_opaque(why);
	}
	if (pg->session.doubt)
		needs[at++] = op_opaque(pg->session.doubt);
	pg->deciding.op.needs = needs;
	pg->deciding.op.n_needs = at;
	return join_reached(pg, r, from, n, targets);
}

struct need op_opaque(const char *why)
{
	return (struct need){
	    .kind = NEED_OPAQUE, .verb = VERB_ADMIN, .class = CLASS_OPAQUE, .why = why};
}

static int build_unclassified(struct pg *pg, const char *why)
{
	struct op *op = &pg->deciding.op;
	struct need *need = arena_new(&pg->arena, struct need);
	if (!need)
		return -ENOMEM;
	*need = op_opaque(why);
	op->needs = need;
	op->n_needs = 1;
	op->class = CLASS_OPAQUE;
	op->tag = "unclassified";
	op->is_write = op->is_permanent = true;
	return 0;
}

static int build_empty(struct op *op)
{
	static const struct need nothing = {.kind = NEED_PLAIN,
					    .verb = VERB_TRANSACTION,
					    .class = CLASS_TRANSACTION,
					    .is_implied = true};
	op->needs = &nothing;
	op->n_needs = 1;
	op->tag = "empty";
	return 0;
}

/* What the targets borrow from must live as long as the operation. */
static void keep(struct pg *pg, const struct target *t)
{
	struct deciding *d = &pg->deciding;
	if (!t->prepared)
		return;
	struct sql_entry *e = t->cursor ? t->cursor->opened.entry : NULL;
	d->entries[d->n_targets] = e ? sql_entry_ref(e) : NULL;
	d->targets[d->n_targets++] = prepared_ref(t->prepared);
}

/* Of a statement that reads no relation nothing can be masked: SHOW, or what drivers ask. Behind DDL in a
 * transaction that is still open the names may mean something else by now: nothing is traced. */
static const struct result_lineage *lineage_of(const struct pg *pg, const struct sql_stmt *st)
{
	if (st->lineage)
		return pg->session.wants_facts_later ? NULL : st->lineage;
	for (int i = 0; i < st->n_needs; i++)
		if (!st->needs[i].is_implied && st->needs[i].kind != NEED_PLAIN)
			return NULL;
	return &lineage_free;
}

/* Of what is run by name the rows come from what was prepared or declared; EXPLAIN of it returns others. */
static const struct result_lineage *lineage_run(const struct pg *pg, const struct sql_stmt *st,
						const struct target *t)
{
	bool runs = t->stmt && strncmp(st->tag, "EXPLAIN", 7) != 0;
	if (runs)
		return lineage_of(pg, t->stmt);
	return uses_name(st) ? NULL : lineage_of(pg, st);
}

static int join_results(struct pg *pg, const struct sql_result *r, int from, int n,
			const struct target *targets)
{
	const struct result_lineage **results = arena_array(&pg->arena, (size_t)n, sizeof(*results));
	if (!results)
		return ERR_LIMIT;
	for (int i = 0; i < n; i++)
		results[i] = lineage_run(pg, &r->stmts[from + i], &targets[i]);
	pg->deciding.op.results = results;
	pg->deciding.op.n_results = n;
	return 0;
}

/* EXECUTE of what this session has prepared: it can be shown, and bound, with what it runs. */
static void show_behind(struct op *op, const struct sql_stmt *st, const struct prepared *p)
{
	if (st->kind != SQL_EXECUTE || !p->len)
		return;
	op->behind = span_of(p->text, p->len);
	op->is_by_name = false;
	op->declared = p->types;
	op->n_declared = p->n_types;
}

int op_go_on(struct pg *pg, const struct mandate *m)
{
	struct mandate *prior = m ? arena_new(&pg->arena, struct mandate) : NULL;
	if (prior)
		*prior = *m;
	pg->deciding.op.prior = prior;
	return m && !prior ? -ENOMEM : 0;
}

static int build_several(struct pg *pg, const struct sql_result *r, int from, int n,
			 struct sink *out)
{
	struct op *op = &pg->deciding.op;
	struct effects e = {
	    .in_block = op_in_block(pg), .wrote = pg->is_dirty || pg->wrote_in_tx, .op = op};
	struct target *targets = arena_array(&pg->arena, (size_t)n, sizeof(*targets));
	pg->deciding.targets = arena_array(&pg->arena, (size_t)n, sizeof(*pg->deciding.targets));
	pg->deciding.entries = arena_array(&pg->arena, (size_t)n, sizeof(*pg->deciding.entries));
	if (!targets || !pg->deciding.targets || !pg->deciding.entries)
		return ERR_LIMIT;
	for (int i = 0; i < n; i++) {
		const struct sql_stmt *st = &r->stmts[from + i];
		int err = resolve(pg, r, from + i, out, &targets[i]);
		if (err)
			return err;
		keep(pg, &targets[i]);
		op->is_by_name |= uses_name(st);
		op->reads_data |= st->kind == SQL_COPY_IN;
		add_effects(&e, st, targets[i].stmt);
		add_class(op, st->class);
		if (targets[i].stmt)
			add_class(op, targets[i].stmt->class);
		if (targets[i].why || hidden_setting(st)) {
			add_class(op, CLASS_OPAQUE);
			op->is_write = op->is_permanent = true;
		}
	}
	op->is_permanent |=
	    pg->deciding.is_simple && !e.in_block && e.wrote && (op->is_write || pg->is_dirty);
	op->tag = join_tags(&pg->arena, r, from, n);
	int err = op->tag ? join_results(pg, r, from, n, targets) : ERR_LIMIT;
	if (!err && n == 1 && targets[0].cursor)
		err = op_go_on(pg, targets[0].cursor->opened.mandate);
	else if (n == 1 && targets[0].prepared && targets[0].stmt)
		show_behind(op, &r->stmts[from], targets[0].prepared);
	return err ? err : join_needs(pg, r, from, n, targets);
}

/* Another session of this login sees the same relations under the names in it. */
static bool is_plannable(const struct pg *pg, const struct sql_result *r, int index)
{
	static const char *const tags[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"};
	struct sql_session s;
	session_view(&pg->session, &s);
	bool is_sure = r->n_stmts == 1 && index <= 0 && s.n_paths == 1 && !s.has_temp && !pg->session.wants_facts_later;
	for (size_t i = 0; is_sure && i < ARRAY_LEN(tags); i++)
		if (!strcmp(r->stmts[0].tag, tags[i]))
			return r->stmts[0].kind == SQL_OTHER;
	return false;
}

static int build_one(struct pg *pg, const struct sql_stmt *st)
{
	struct op *op = &pg->deciding.op;
	struct effects e = {
	    .in_block = op_in_block(pg), .wrote = pg->is_dirty || pg->wrote_in_tx, .op = op};
	add_effects(&e, st, NULL);
	op->is_permanent |= pg->deciding.is_simple && !e.in_block && (op->is_write || pg->is_dirty);
	op->class = st->class;
	op->reads_data = st->kind == SQL_COPY_IN;
	op->tag = st->tag;
	op->needs = st->needs;
	op->n_needs = st->n_needs;
	op->reached = st->reached;
	op->n_reached = st->n_reached;
	pg->deciding.result = lineage_of(pg, st);
	op->results = &pg->deciding.result;
	op->n_results = 1;
	return 0;
}

void op_begin(struct pg *pg)
{
	struct deciding *d = &pg->deciding;
	for (int i = 0; i < d->n_targets; i++) {
		prepared_unref(d->targets[i]);
		if (d->entries[i])
			sql_entry_unref(d->entries[i]);
	}
	prepared_unref(d->stmt);
	name_unref(d->portal);
	if (d->opened)
		sql_entry_unref(d->opened);
	*d = (struct deciding){0};
	arena_reset(&pg->arena);
}

/* Its needs are what was analysed, no more. */
static bool is_plain(const struct pg *pg, const struct sql_stmt *st)
{
	return !uses_name(st) && !hidden_setting(st) && !pg->session.doubt;
}

/* Is it the text of a prepared statement, which comes again and again? */
static bool is_kept(const struct pg *pg, struct span text)
{
	return pg->deciding.stmt && text.p == pg->deciding.stmt->text;
}

int op_build(struct pg *pg, struct span text, const struct sql_result *r, int index,
	     const char *why, struct sink *out)
{
	struct op *op = &pg->deciding.op;
	op->protocol = "postgres";
	op->text = text;
	op->arena = &pg->arena;
	op->database = pg->database;
	op->user = pg->user;
	op->settings = (const char *const *)pg->session.settings;
	op->n_settings = SESSION_SETTINGS;
	op->n_changed = settings_shown(&pg->session.changed, &op->is_unsure);
	op->changed = pg->session.changed.shown;
	op->looked = is_kept(pg, text) ? &pg->deciding.stmt->looked : NULL;
	op->declared = pg->deciding.stmt ? pg->deciding.stmt->types : NULL;
	op->n_declared = pg->deciding.stmt ? pg->deciding.stmt->n_types : 0;
	op->is_in_transaction = op_in_block(pg) || pg->in_segment;
	op->class = CLASS_TRANSACTION;
	if (!r)
		return build_unclassified(pg, why);
	int from = MAX(index, 0), n = index < 0 ? r->n_stmts : 1;
	if (!r->n_stmts || from >= r->n_stmts)
		return build_empty(op);
	op->is_plannable = is_plannable(pg, r, index);
	if (n == 1 && is_plain(pg, &r->stmts[from]))
		return build_one(pg, &r->stmts[from]);
	return build_several(pg, r, from, n, out);
}

int op_decide(struct pg *pg, struct sink *out,
	      int (*after)(struct pg *pg, const struct decision *d, struct sink *out))
{
	struct decision decision;
	pg->deciding.op.id = ++pg->last_op;
	int err = out->ops->op(out, &pg->deciding.op, &decision);
	if (err == ERR_HELD) {
		pg->deciding.after = after;
		pg->hold = HOLD_DECISION;
	}
	return err ? err : after(pg, &decision, out);
}

static int broken_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	const struct msg_error *e = &pg->deciding.broken;
	(void)d; /* whatever it says, it cannot run */
	if (pg->discards)
		return 0;
	return pg->deciding.is_simple ? refuse_query(pg, e, out) : refuse_extended(pg, e, out);
}

int op_broken(struct pg *pg, struct span text, const struct msg_error *e, struct sink *out)
{
	struct op *op = &pg->deciding.op;
	pg->deciding.broken = *e;
	op->broken = pg->deciding.broken.message = arena_str(&pg->arena, e->message);
	pg->deciding.broken.file = e->file ? arena_str(&pg->arena, e->file) : NULL;
	pg->deciding.broken.routine = e->routine ? arena_str(&pg->arena, e->routine) : NULL;
	op->protocol = "postgres";
	op->text = text;
	op->class = CLASS_OPAQUE;
	op->tag = "?";
	return op->broken ? op_decide(pg, out, broken_decided) : -ENOMEM;
}

int op_masking(struct pg *pg, const struct decision *d, struct masking **ret)
{
	const struct masks *m = d->masks;
	pg->has_masks |= d->has_masks || (m && pg->env.wants_rows);
	pg->hides |= m && m->hides_client;
	pg->hides_record |= d->hides_text;
	*ret = NULL;
	return m && pg->has_masks ? masking_new(m, pg->env.catalog(pg->env.ctx), ret) : 0;
}

void op_accepted(struct pg *pg)
{
	const struct op *op = &pg->deciding.op;
	pg->is_dirty = !op->is_permanent && (pg->is_dirty || op->is_write);
	pg->wrote_in_tx |= op->is_write;
}

void op_skipped(uint64_t op_id, struct sink *out)
{
	static const struct op_result skipped = {
	    .error = "skipped: something before it in the pipeline failed"};
	if (op_id)
		out->ops->result(out, op_id, &skipped);
}
