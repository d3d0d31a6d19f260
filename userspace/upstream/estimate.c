#include "upstream/estimate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/macro.h"

#define PLAN_BYTES_MAX (4 * 1024 * 1024)
#define TEXTARRAYOID   1009
#define TEXTOID	       25

static const char explain[] = "EXPLAIN (FORMAT JSON) ";
static const char foreign_code[] =
    "what it touches hangs on functions, operators or types that are not PostgreSQL's own, "
    "which planning might run";

/* All that the relations are made of and that belongs to them (pg_depend: what initdb made stands
 * there for nobody); true if it is PostgreSQL's own. Behind a name that is not there, and in a
 * foreign table, it is not known. PostgreSQL documentation, "pg_depend". */
static const char gate[] =
    "WITH RECURSIVE named AS (SELECT c.oid FROM unnest($1, $2) AS w(s, r)"
    " LEFT JOIN pg_namespace n ON n.nspname = w.s LEFT JOIN pg_class c ON c.relnamespace = n.oid "
    "AND c.relname = w.r),"
    " reach(class, obj) AS (SELECT 'pg_class'::regclass::oid, oid FROM named UNION SELECT e.class, "
    "e.obj FROM reach,"
    " LATERAL (SELECT d.refclassid, d.refobjid FROM pg_depend d WHERE d.classid = reach.class AND "
    "d.objid = reach.obj"
    "  AND d.deptype <> 'e' AND d.refclassid IN ('pg_class'::regclass, 'pg_type'::regclass, "
    "'pg_constraint'::regclass)"
    /* a foreign key is nothing to the planner */
    "  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE reach.class = 'pg_constraint'::regclass "
    "AND k.oid = reach.obj"
    "   AND k.contype = 'f')"
    " UNION ALL SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid = reach.class AND "
    "d.refobjid = reach.obj"
    "  AND d.deptype IN ('a', 'i', 'P', 'S') AND d.classid IN ('pg_class'::regclass, "
    "'pg_type'::regclass,"
    "  'pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_policy'::regclass, "
    "'pg_rewrite'::regclass,"
    "  'pg_statistic_ext'::regclass)"
    " UNION ALL SELECT 'pg_class'::regclass, i.inhrelid FROM pg_inherits i WHERE reach.class = "
    "'pg_class'::regclass"
    "  AND i.inhparent = reach.obj) AS e(class, obj))"
    " SELECT NOT EXISTS (SELECT FROM named WHERE oid IS NULL)"
    " AND NOT EXISTS (SELECT FROM reach JOIN pg_class c ON reach.class = 'pg_class'::regclass AND "
    "c.oid = reach.obj"
    "  WHERE c.relkind NOT IN ('r', 'p', 'v', 'm', 'i', 'I', 'S', 't', 'c'))"
    " AND NOT EXISTS (SELECT FROM reach JOIN pg_type t ON reach.class = 'pg_type'::regclass AND "
    "t.oid = reach.obj"
    "  WHERE t.oid >= 16384 AND t.typtype NOT IN ('c', 'd', 'e') AND t.typcategory <> 'A')"
    " AND NOT EXISTS (SELECT FROM reach JOIN pg_depend d ON d.classid = reach.class AND d.objid = "
    "reach.obj"
    "  WHERE d.refobjid >= 16384 AND d.deptype <> 'e' AND d.refclassid NOT IN "
    "('pg_class'::regclass, 'pg_type'::regclass,"
    "  'pg_constraint'::regclass, 'pg_namespace'::regclass, 'pg_collation'::regclass))";

/* Of what a session has set, what would undo our own limits, or is of its connection alone. */
static bool is_ours(const char *name)
{
	static const char *const names[] = {"transaction_read_only",
					    "transaction_isolation",
					    "transaction_deferrable",
					    "default_transaction_read_only",
					    "default_transaction_isolation",
					    "default_transaction_deferrable",
					    "statement_timeout",
					    "lock_timeout",
					    "client_encoding",
					    "application_name"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcasecmp(names[i], name))
			return true;
	return false;
}

static int take_bool(void *ctx, PGresult *res, int row)
{
	*(bool *)ctx = !strcmp(PQgetvalue(res, row, 0), "t");
	return 0;
}

static int take_nothing(void *ctx, PGresult *res, int row)
{
	(void)ctx;
	(void)res;
	(void)row;
	return 0;
}

static int take_plan(void *ctx, PGresult *res, int row)
{
	int len = PQgetlength(res, row, 0);
	return len > PLAN_BYTES_MAX
		   ? ERR_LIMIT
		   : plan_rows_read(span_of(PQgetvalue(res, row, 0), (size_t)len), ctx);
}

/* One column of the pairs as the text of an array. */
static int array_text(const struct estimate_ask *ask, int column, struct buf *b)
{
	buf_add_u8(b, '{');
	for (int i = 0; i < ask->n_relations; i++) {
		buf_add_str(b, i ? ",\"" : "\"");
		for (const char *c = ask->relations[2 * i + column]; *c; c++) {
			if (*c == '"' || *c == '\\')
				buf_add_u8(b, '\\');
			buf_add_u8(b, (uint8_t)*c);
		}
		buf_add_u8(b, '"');
	}
	buf_add(b, "}", 2);
	return buf_err(b);
}

static int ask_gate(struct pump *p, const struct estimate_ask *ask, bool *ret_ok)
{
	static const Oid types[] = {TEXTARRAYOID, TEXTARRAYOID};
	struct buf of[2];
	int err = 0;
	for (int i = 0; i < 2; i++) {
		buf_init(&of[i], 1024 * 1024);
		err = err ? err : array_text(ask, i, &of[i]);
	}
	const char *values[] = {(const char *)buf_span(&of[0]).p, (const char *)buf_span(&of[1]).p};
	struct query_params q = {2, types, values, NULL, NULL};
	if (!err)
		err = query_run(p, gate, &q, &(struct row_taker){take_bool, ret_ok});
	buf_done(&of[0]);
	buf_done(&of[1]);
	return err;
}

/* Names and literals mean what they mean in the session that waits. */
static int set_all(struct pump *p, const struct estimate_ask *ask)
{
	static const Oid types[] = {TEXTOID, TEXTOID};
	int err = query_run(p, "RESET search_path", NULL, NULL);
	for (int i = 0; !err && i < ask->n_settings; i++) {
		const char *const *s = &ask->settings[2 * i];
		struct query_params q = {2, types, s, NULL, NULL};
		if (!is_ours(s[0]))
			err = query_run(p, "SELECT pg_catalog.set_config($1, $2, true)", &q,
					&(struct row_taker){take_nothing, NULL});
	}
	return err;
}

static int ask_plan(struct pump *p, const struct estimate_ask *ask, struct plan_rows *ret)
{
	struct buf b;
	buf_init(&b, strlen(ask->text) + sizeof(explain));
	buf_add_str(&b, explain);
	buf_add(&b, ask->text, strlen(ask->text) + 1);
	int err = buf_err(&b);
	/* In a message that takes one statement, whatever the text is. */
	if (!err)
		err = query_run(p, (const char *)buf_span(&b).p, &ask->params,
				&(struct row_taker){take_plan, ret});
	buf_wipe(&b);
	return err;
}

static int ask_all(struct pump *p, const struct estimate_ask *ask, struct plan_rows *ret,
		   char ret_why[WHY_MAX])
{
	bool is_own = false;
	struct plan_rows rows = {.rows = -1};
	int err = query_run(
	    p, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO ''", NULL,
	    NULL);
	if (!err)
		err = ask_gate(p, ask, &is_own);
	if (!err && !is_own) {
		snprintf(ret_why, WHY_MAX, "%s", foreign_code);
		return ERR_UNSUPPORTED;
	}
	if (!err)
		err = set_all(p, ask);
	if (!err)
		err = ask_plan(p, ask, &rows);
	if (!err && rows.rows < 0)
		err = ERR_MALFORMED; /* not a row came */
	if (!err)
		*ret = rows;
	return err;
}

static void explain_error(const struct pump *p, int err, char ret_why[WHY_MAX])
{
	if (p->login->why[0])
		snprintf(ret_why, WHY_MAX, "%s", p->login->why);
	else if (err == ERR_UPSTREAM)
		snprintf(ret_why, WHY_MAX, "the database does not plan it: SQLSTATE %s",
			 p->sqlstate);
	else if (err != ERR_UNSUPPORTED)
		snprintf(ret_why, WHY_MAX, "the database's plan cannot be read: %s", err_text(err));
}

int estimate_read(struct msg_line *monitor, const struct estimate_ask *ask, uint64_t deadline_ns,
		  struct plan_rows *ret, char ret_why[WHY_MAX])
{
	struct login login;
	struct target mine = *ask->target;
	char options[32 * 1024];
	login_init(&login);
	struct pump p = {
	    .login = &login, .deadline_ns = deadline_ns, .limit_ns = deadline_ns, .is_raw = true};
	snprintf(options, sizeof(options),
		 "%s -c client_encoding=UTF8 -c default_transaction_read_only=on -c "
		 "statement_timeout=2000 "
		 "-c lock_timeout=100",
		 mine.place ? mine.place : "");
	mine.application = "sluice estimate";
	mine.options = options;
	*ret_why = 0;
	int err = pump_login(&p, monitor, &mine);
	if (!err)
		err = ask_all(&p, ask, ret, ret_why);
	if (err)
		explain_error(&p, err, ret_why);
	if (!login.err)
		query_goodbye(&login); /* and nothing of it stays: it was never committed */
	pump_done(&p);
	login_done(&login);
	return err;
}
