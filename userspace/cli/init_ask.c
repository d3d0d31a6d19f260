#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "cli/cli.h"
#include "cli/init.h"

#define CONNECT_TIMEOUT_S "10"

static const char schemas_query[] =
	"SELECT n.nspname, (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)"
	" FROM pg_catalog.pg_namespace n"
	" WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
	" AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
	" AND (n.nspname = 'public' OR EXISTS (SELECT FROM pg_catalog.pg_class c"
	" WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')))"
	" ORDER BY 1";

void init_facts_done(struct init_facts *f)
{
	free(f->host);
	free(f->port);
	free(f->database);
	free(f->user);
	for (int i = 0; i < f->n_schemas; i++)
		free(f->schemas[i]);
	buf_wipe(&f->credential);
	*f = (struct init_facts){0};
}

/* "key='value'" as libpq reads it (PostgreSQL documentation, "Connection Strings"). */
static void add_pair(struct buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	buf_printf(b, "%s%s='", buf_len(b) ? " " : "", key);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_add_u8(b, '\\');
		buf_add_u8(b, (uint8_t)*value);
	}
	buf_add_u8(b, '\'');
}

/* The login, and how the upstream is to be trusted; host, port and database are the agent's to say and
 * the policy's to allow. */
static void keep_credential(PGconn *c, const char *dsn, struct init_facts *f)
{
	static const char *const kept[] = {"sslmode", "sslrootcert", "sslcert", "sslkey"};
	PQconninfoOption *given = PQconninfoParse(dsn, NULL);
	add_pair(&f->credential, "user", PQuser(c));
	add_pair(&f->credential, "password", PQpass(c));
	for (PQconninfoOption *o = given; o && o->keyword; o++)
		for (size_t i = 0; i < ARRAY_LEN(kept); i++)
			if (!strcmp(o->keyword, kept[i]))
				add_pair(&f->credential, kept[i], o->val);
	PQconninfoFree(given);
	buf_add_u8(&f->credential, '\n');
}

static int keep_schemas(const PGresult *r, struct init_facts *f)
{
	if (PQntuples(r) > INIT_SCHEMAS_MAX) {
		cli_error("the database has %d schemas, at most %d are written into a policy", PQntuples(r),
			  INIT_SCHEMAS_MAX);
		return ERR_LIMIT;
	}
	for (int i = 0; i < PQntuples(r); i++)
		f->schemas[f->n_schemas++] = strdup(PQgetvalue(r, i, 0));
	f->is_superuser = PQntuples(r) > 0 && PQgetvalue(r, 0, 1)[0] == 't';
	return f->n_schemas ? 0 : ERR_NOT_FOUND;
}

static int ask(PGconn *c, const char *dsn, struct init_facts *f)
{
	PGresult *r = PQexec(c, schemas_query);
	int err = ERR_UPSTREAM;
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		cli_error("the database does not tell its schemas: %s", PQerrorMessage(c));
	else
		err = keep_schemas(r, f);
	if (err == ERR_NOT_FOUND)
		cli_error("the login %s may use no schema of %s", PQuser(c), PQdb(c));
	PQclear(r);
	f->host = strdup(PQhost(c));
	f->port = strdup(PQport(c));
	f->database = strdup(PQdb(c));
	f->user = strdup(PQuser(c));
	f->is_tls = PQsslInUse(c);
	keep_credential(c, dsn, f);
	if (err == 0 && f->host[0] == '/') {
		cli_error("%s is a Unix socket: an agent reaches sluice by TCP only", f->host);
		cli_remedy("name the host: postgres://USER:PASSWORD@HOST:5432/%s", f->database);
		err = ERR_UNSUPPORTED;
	}
	return err < 0 ? err : buf_err(&f->credential);
}

/* Before libpq's own messages are shown: one about a DSN that it reads otherwise than it was meant may
 * quote a part of the password. */
static int check_dsn(const char *dsn)
{
	PQconninfoOption *given = PQconninfoParse(dsn, NULL);
	bool ok = given != NULL;
	for (PQconninfoOption *o = given; o && o->keyword; o++)
		if (!strcmp(o->keyword, "host") || !strcmp(o->keyword, "port"))
			ok = ok && (!o->val || !strpbrk(o->val, "@ "));
	PQconninfoFree(given);
	if (ok)
		return 0;
	cli_error("the DSN is not understood");
	cli_remedy("expected postgres://USER:PASSWORD@HOST:5432/DATABASE; in the password write @ as %%40, : as %%3A, "
		   "/ as %%2F, %% as %%25");
	return ERR_MALFORMED;
}

/* libpq's messages end with a newline. */
static void say_connect(PGconn *c)
{
	const char *why = PQerrorMessage(c);
	size_t len = strlen(why);
	while (len && why[len - 1] == '\n')
		len--;
	cli_error("cannot connect to the database: %.*s", (int)len, why);
	if (PQconnectionNeedsPassword(c))
		cli_remedy("the password of the gateway's login goes into the URL, "
			   "postgres://USER:PASSWORD@HOST:5432/DATABASE, or into PGPASSWORD");
}

int init_ask(const char *dsn, struct init_facts *ret)
{
	struct init_facts f = {0};
	const char *keys[] = {"dbname", "connect_timeout", "application_name", NULL};
	const char *values[] = {dsn, CONNECT_TIMEOUT_S, "sluice init", NULL};
	int r = check_dsn(dsn);
	if (r < 0)
		return r;
	buf_init(&f.credential, 64 * 1024);
	r = ERR_UPSTREAM;
	PGconn *c = PQconnectdbParams(keys, values, 1);
	if (PQstatus(c) == CONNECTION_OK)
		r = ask(c, dsn, &f);
	else
		say_connect(c);
	PQfinish(c);
	if (r < 0) {
		init_facts_done(&f);
		return r;
	}
	*ret = f;
	return 0;
}
