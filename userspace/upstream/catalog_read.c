#include "upstream/catalog_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"
#include "upstream/query.h"
#include "sql/catalog.h"

#define TRIES		20 /* a try that waits for a lock costs 0.1 s */
#define FIRST_QUERY	2  /* behind those that set the session up: sql/catalog.h */
#define FINGERPRINT_MAX 4096

struct catalog_reader {
	struct login login;
	struct pump pump;
	bool has_read; /* settings are those of a login from before */
};

/* Who takes the rows of a query: the builder, or whoever wants one text. */
struct taker {
	struct catalog_builder *builder;
	int query;
	char *text; /* of max bytes; NULL */
	size_t max;
};

static int add_row(void *ctx, PGresult *res, int row)
{
	const struct taker *to = ctx;
	const char *fields[64];
	int n = PQnfields(res);
	if (n > (int)ARRAY_LEN(fields))
		return ERR_LIMIT;
	for (int k = 0; k < n; k++)
		fields[k] = PQgetisnull(res, row, k) ? NULL : PQgetvalue(res, row, k);
	if (!to->text)
		return catalog_add_row(to->builder, to->query, fields, n);
	if (n != 1 || !fields[0] || strlen(fields[0]) >= to->max)
		return ERR_MALFORMED;
	strcpy(to->text, fields[0]);
	return 0;
}

static int run_query(struct pump *p, const char *sql, const struct taker *to)
{
	return query_run(p, sql, NULL, to ? &(struct row_taker){add_row, (void *)to} : NULL);
}

static int run_queries(struct pump *p, struct catalog_builder *b, int from, int to,
		       enum catalog_part part)
{
	int err = 0;
	for (int i = from; !err && i < to; i++) {
		const char *sql = catalog_query(i, part);
		if (sql)
			err = run_query(p, sql, &(struct taker){.builder = b, .query = i});
	}
	return err;
}

void catalog_base_done(struct catalog_base *b)
{
	catalog_unref(b->built_in);
	free(b->fingerprint);
	*b = (struct catalog_base){0};
}

static int read_base(struct pump *p, struct catalog_base *base, const char *fingerprint)
{
	struct catalog_builder *b = NULL;
	catalog_base_done(base);
	int err = catalog_builder_new(&b);
	if (err)
		return err;
	catalog_builder_part(b);
	err = run_queries(p, b, FIRST_QUERY, catalog_n_queries(), CATALOG_BUILT_IN);
	if (!err)
		err = catalog_build(b, &base->built_in);
	catalog_builder_free(b);
	base->fingerprint = err ? NULL : strdup(fingerprint);
	return err || base->fingerprint ? err : -ENOMEM;
}

/* The base, read if there is none that fits. A built-in object that was moved into a schema of the
 * database's own cannot be apart from it (ERR_MALFORMED): then all is read at once. */
static int find_base(struct catalog_reader *r, struct catalog_base *base,
		     enum catalog_part *ret_part)
{
	char fingerprint[FINGERPRINT_MAX] = "";
	int err =
	    run_query(&r->pump, catalog_fingerprint_query(),
		      &(struct taker){.text = fingerprint, .max = sizeof(fingerprint)});
	bool fits = !err && base->fingerprint && !strcmp(base->fingerprint, fingerprint);
	if (err || fits)
		return err;
	if (r->has_read)
		return -EAGAIN;
	err = read_base(&r->pump, base, fingerprint);
	if (err == ERR_MALFORMED)
		*ret_part = CATALOG_WHOLE;
	return err == ERR_MALFORMED ? 0 : err;
}

/* All queries in one snapshot: what one names, another one has. */
static int read_once(struct catalog_reader *r, struct catalog_base *base, enum catalog_part part,
		     struct catalog_builder *b)
{
	struct pump *p = &r->pump;
	int err = run_query(p, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL);
	if (!err)
		err = run_queries(p, b, 0, FIRST_QUERY, part);
	if (!err && part == CATALOG_REST)
		err = find_base(r, base, &part);
	if (!err && part == CATALOG_REST)
		err = catalog_builder_share(b, base->built_in);
	if (!err)
		err = run_queries(p, b, FIRST_QUERY, catalog_n_queries(), part);
	/* By the snapshot: a definition, which is read past it, may be newer than this says, never older. */
	const struct taker to = {.text = base->views, .max = sizeof(base->views)};
	return err ? err : run_query(p, catalog_views_query(), &to);
}

static int read_by(struct catalog_reader *r, struct catalog_base *base, enum catalog_part part,
		   struct catalog **ret_c)
{
	struct catalog_builder *b = NULL;
	int err = catalog_builder_new(&b);
	if (!err)
		err = read_once(r, base, part, b);
	if (!err)
		err = catalog_build(b, ret_c);
	catalog_builder_free(b);
	/* Brings the search_path back, too, that the login began with. */
	if (!r->login.err && run_query(&r->pump, "ROLLBACK", NULL) && !err)
		r->login.err =
		    ERR_UPSTREAM; /* the catalogue is whole, the login is not to be kept */
	return err;
}

/* Functions of the catalogue (pg_get_viewdef) look past the snapshot: others' DDL can make them
 * fail, or tell what the snapshot does not have. Then it is read again. */
static int read_catalog(struct catalog_reader *r, struct catalog_base *base, struct catalog **ret_c)
{
	enum catalog_part part = CATALOG_REST;
	int err = ERR_UPSTREAM;
	for (int i = 0; i < TRIES && !r->login.err; i++) {
		err = read_by(r, base, part, ret_c);
		if (err == ERR_STATE)
			part = CATALOG_WHOLE;
		else if (err != ERR_UPSTREAM && err != ERR_MALFORMED)
			break;
	}
	r->has_read |= !err;
	return err;
}

static int explain(const struct catalog_reader *r, int err, char ret_why[WHY_MAX])
{
	static const char unread[] = "the upstream's catalogue cannot be read";
	if (r->login.why[0])
		snprintf(ret_why, err ? WHY_MAX : 0, "%s", r->login.why);
	else if (err == ERR_UPSTREAM)
		snprintf(ret_why, WHY_MAX, "%s: SQLSTATE %s", unread, r->pump.sqlstate);
	else if (err)
		snprintf(ret_why, WHY_MAX, "%s: %s", unread, err_text(err));
	return err;
}

int catalog_reader_load(struct catalog_reader *r, struct catalog_base *base, uint64_t deadline_ns,
			struct catalog **ret_c, char ret_why[WHY_MAX])
{
	r->pump.deadline_ns = deadline_ns;
	return explain(r, read_catalog(r, base, ret_c), ret_why);
}

/* In one message: a path of the login's own must not say what the operators in it mean. */
int catalog_reader_check(struct catalog_reader *r, const struct catalog_base *base, uint64_t deadline_ns,
			 bool *ret_same, char ret_why[WHY_MAX])
{
	char sql[1024], views[CATALOG_VIEWS_MAX] = "";
	r->pump.deadline_ns = deadline_ns;
	snprintf(sql, sizeof(sql), "BEGIN READ ONLY; SET LOCAL search_path TO ''; %s; ROLLBACK",
		 catalog_views_query());
	int err = run_query(&r->pump, sql, &(struct taker){.text = views, .max = sizeof(views)});
	*ret_same = !err && *views && !strcmp(views, base->views);
	return explain(r, err, ret_why);
}

int catalog_reader_open(struct msg_line *monitor, const struct target *t, uint64_t deadline_ns,
			struct catalog_reader **ret_r, char ret_why[WHY_MAX])
{
	struct target mine = *t;
	struct catalog_reader *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	login_init(&r->login);
	r->pump = (struct pump){.login = &r->login,
				.deadline_ns = deadline_ns,
				.limit_ns = deadline_ns,
				.is_raw = true};
	char options[32 * 1024];
	snprintf(options, sizeof(options),
		 "%s -c client_encoding=UTF8 -c default_transaction_read_only=on -c "
		 "statement_timeout=20000 "
		 "-c lock_timeout=100",
		 t->place ? t->place : "");
	mine.application = "sluice catalogue";
	mine.options = options;
	int err = explain(r, pump_login(&r->pump, monitor, &mine), ret_why);
	if (err)
		catalog_reader_close(r);
	else
		*ret_r = r;
	return err;
}

bool catalog_reader_is_open(const struct catalog_reader *r)
{
	return !r->login.err;
}

void catalog_reader_close(struct catalog_reader *r)
{
	if (!r)
		return;
	if (!r->login.err)
		query_goodbye(&r->login);
	pump_done(&r->pump);
	login_done(&r->login);
	free(r);
}
