/* Asks the server which operator and which function it takes for every combination of types, by way
 * of the parse tree of a view, and compares. */
#include "sql/resolve.h"

#include "../../tap.h"
#include "db.h"

static struct catalog *catalog;
static struct path path;
static int n_same, n_wider, n_asked;
static bool wants_all; /* RESOLVE_ALL=1: every combination, not every third */

static const char *const types[] = {
    "NULL",  "int2",	   "int4",	"int8",	       "numeric",  "float4",	"float8",
    "text",  "varchar",	   "bpchar",	"name",	       "\"char\"", "bool",	"date",
    "time",  "timetz",	   "timestamp", "timestamptz", "interval", "oid",	"regclass",
    "bytea", "json",	   "jsonb",	"int4[]",      "text[]",   "int4range", "inet",
    "xml",   "plain_text", "mood",	"hstore",      "tag",	   "customers",
};
#define N_TYPES ((int)(sizeof(types) / sizeof(types[0])))

static uint32_t oids[N_TYPES];

static void read_oids(void)
{
	oids[0] = TYPE_UNKNOWN;
	for (int i = 1; i < N_TYPES; i++) {
		char sql[128];
		snprintf(sql, sizeof(sql), "SELECT '%s'::regtype::oid", types[i]);
		PGresult *r = PQexec(db_conn, sql);
		oids[i] = PQntuples(r) ? (uint32_t)strtoul(PQgetvalue(r, 0, 0), NULL, 10) : 0;
		CHECK(oids[i] != 0);
		PQclear(r);
	}
}

static const char *operand(int type, char *room, size_t size)
{
	if (type == 0)
		return "NULL";
	snprintf(room, size, "CAST(NULL AS %s)", types[type]);
	return room;
}

/* The function in the tree that the server makes of the expression; 0: it refuses. */
static uint32_t server_choice(const char *expression, const char *mark)
{
	char sql[600];
	uint32_t oid = 0;
	db_do("SAVEPOINT s");
	snprintf(sql, sizeof(sql), "CREATE TEMP VIEW choice AS SELECT %s AS x", expression);
	PGresult *r = PQexec(db_conn, sql);
	bool is_made = PQresultStatus(r) == PGRES_COMMAND_OK;
	PQclear(r);
	if (is_made) {
		r = PQexec(db_conn,
			   "SELECT ev_action FROM pg_rewrite WHERE ev_class = 'choice'::regclass");
		const char *at = PQntuples(r) ? strstr(PQgetvalue(r, 0, 0), mark) : NULL;
		oid = at ? (uint32_t)strtoul(at + strlen(mark), NULL, 10) : 1;
		PQclear(r);
	}
	db_do("ROLLBACK TO s");
	db_do("RELEASE s");
	return oid;
}

static bool is_risky_one(const struct resolved *r, uint32_t oid)
{
	const struct cat_function *f = cat_function(catalog, oid);
	if (f && f->is_read)
		return true; /* no need of its own: nothing is missed */
	for (int i = 0; i < r->n_risky; i++)
		if (r->risky[i]->function->oid == oid)
			return true;
	return r->has_more_risky;
}

static void compare(const struct resolved *r, uint32_t server, const char *expression)
{
	n_asked++;
	if (server == 1)
		return; /* a conversion by way of text, or no call at all */
	if (server == 0) {
		n_same += !r->one;
		return;
	}
	bool is_same = r->one && r->one->function->oid == server;
	bool is_wider = !r->one && is_risky_one(r, server);
	n_same += is_same;
	n_wider += is_wider;
	if (!is_same && !is_wider)
		printf("server: %u, we: %u: %s\n", server, r->one ? r->one->function->oid : 0,
		       expression);
	CHECK(is_same || is_wider);
}

static void ask_operator(const char *name, int left, int right)
{
	char a[64], b[64], expression[256];
	uint32_t both[2] = {oids[left], oids[right]};
	struct call call = {.name = name, .types = both, .n = 2};
	struct resolved r;
	struct arena arena;
	arena_init(&arena, 1 << 20);
	CHECK_INT(resolve_operator(catalog, &path, &call, &arena, &r), 0);
	snprintf(expression, sizeof(expression), "%s %s %s", operand(left, a, sizeof(a)), name,
		 operand(right, b, sizeof(b)));
	/* x = NULL of two literals is no operator's doing: the tree holds a constant comparison all
	 * the same. */
	compare(&r, server_choice(expression, ":opfuncid "), expression);
	arena_done(&arena);
}

static void operators_are_the_servers(void)
{
	static const char *const names[] = {"=",  "<",	"+",  "-", "*",	 "||",
					    "->", "@>", "~~", "%", "==="};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (int l = 0; l < N_TYPES; l++)
			for (int r = 0; r < N_TYPES; r++)
				if (wants_all || (l + r + (int)i) % 3 == 0)
					ask_operator(names[i], l, r);
}

static void ask_function(const char *name, const int *args, int n)
{
	char room[64], expression[400];
	uint32_t given[3] = {0};
	struct call call = {.name = name, .types = given, .n = n};
	struct resolved r;
	struct arena arena;
	int len = snprintf(expression, sizeof(expression), "%s(", name);
	for (int i = 0; i < n; i++) {
		given[i] = oids[args[i]];
		len += snprintf(expression + len, sizeof(expression) - (size_t)len, "%s%s",
				i ? ", " : "", operand(args[i], room, sizeof(room)));
	}
	snprintf(expression + len, sizeof(expression) - (size_t)len, ")");
	arena_init(&arena, 1 << 20);
	CHECK_INT(resolve_function(catalog, &path, &call, &arena, &r), 0);
	compare(&r, server_choice(expression, ":funcid "), expression);
	arena_done(&arena);
}

static void functions_are_the_servers(void)
{
	static const char *const one[] = {
	    "length",	   "abs", "upper", "to_json", "date_trunc", "lower",	    "isempty",
	    "char_length", "md5", "ceil",  "sqrt",    "bit_length", "quote_literal"};
	static const char *const two[] = {"round",
					  "mod",
					  "power",
					  "substr",
					  "left",
					  "to_char",
					  "strpos",
					  "date_part",
					  "timezone",
					  "array_append",
					  "array_position",
					  "concat",
					  "length",
					  "trunc",
					  "lpad",
					  "generate_series",
					  "age",
					  "jsonb_extract_path"};
	for (int l = 0; l < N_TYPES; l++) {
		for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++)
			ask_function(one[i], (int[]){l}, 1);
		for (int r = 0; r < N_TYPES; r++)
			for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i += 3)
				ask_function(
				    two[(i + (size_t)(l + r)) % (sizeof(two) / sizeof(two[0]))],
				    (int[]){l, r}, 2);
	}
}

static void reads_paths_as_the_server(void)
{
	static const struct {
		const char *text, *schemas; /* NULL: refused */
	} rows[] = {
	    {"", "pg_catalog"},
	    {"public", "pg_catalog public"},
	    {"  Public ,\tEVIL ", "pg_catalog public evil"},
	    {"\"$user\", public", "pg_catalog public"},
	    {"evil, pg_catalog", "evil pg_catalog"},
	    {"\"Public\", nosuch, evil", "pg_catalog evil"},
	    {"public, public", "pg_catalog public"},
	    {"\"\"", "pg_catalog"},
	    {"public,", NULL},
	    {",public", NULL},
	    {"public evil", NULL},
	    {"\"public", NULL},
	    {"\"public\"\"", NULL},
	    {"pub\"lic", "pg_catalog"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[256] = "";
		struct path p;
		int err = path_read(catalog, rows[i].text, &p);
		CHECK_INT(err < 0, rows[i].schemas == NULL);
		for (int k = 0; !err && k < p.n; k++) {
			strcat(text, k ? " " : "");
			strcat(text, p.at[k]->name);
		}
		if (!err && rows[i].schemas)
			CHECK_STR(text, rows[i].schemas);
	}
}

int main(void)
{
	wants_all = getenv("RESOLVE_ALL") != NULL;
	db_up();
	catalog = db_catalog();
	CHECK_INT(path_read(catalog, "public", &path), 0);
	read_oids();
	reads_paths_as_the_server();
	db_do("BEGIN");
	operators_are_the_servers();
	functions_are_the_servers();
	db_do("ROLLBACK");
	printf("asked %d, same %d, wider %d\n", n_asked, n_same, n_wider);
	CHECK(n_same > n_asked * 9 / 10);
	catalog_unref(catalog);
	return tap_done();
}
