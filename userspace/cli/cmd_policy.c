/* sluice policy check|test|explain: the daemon's own code over a policy file, without a daemon. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macro.h"
#include "base/msg.h"
#include "cli/cli.h"
#include "cli/policy_explain.h"
#include "cli/policy_sql.h"
#include "explain/explain.h"
#include "policy/duties.h"
#include "policy/needs.h"
#include "policy/mask.h"
#include "policy/policy.h"
#include "sql/sql.h"

#define CASES_MAX (4 * 1024 * 1024)
#define ARENA_MAX (16 * 1024 * 1024)
#define NOW	  1 /* any time: the identity below expires after it */
#define FIELDS	  5

struct options {
	const char *role, *resource, *needs, *sql, *dsn, *path, *owner;
	bool is_quiet, with_duties;
};

struct session {
	const char *file;
	struct plan *plan;
	struct catalog *catalog; /* NULL without --dsn */
	const struct options *o;
};

/* --- reading ---------------------------------------------------------------------------------- */

static void unrefp(struct plan **p)
{
	plan_unref(*p);
}

static int read_file(const char *path, size_t limit, char **ret_text, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		cli_error("%s: %s", path, strerror(errno));
		return -errno;
	}
	int err = fd_read_all(fd, limit, ret_text, ret_len);
	close(fd);
	if (err)
		cli_error("%s: %s", path, err_text(err));
	return err;
}

static void print_all(FILE *f, const char *file, const char *kind, const struct policy_error *at,
		      int n)
{
	for (int i = 0; i < n; i++)
		fprintf(f, "%s:%d:%d: %s%s\n", file, at[i].line, at[i].column, kind, at[i].text);
}

/* Errors and warnings go to f. */
static int load(const char *file, FILE *f, struct plan **ret_plan, int *ret_warnings)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) struct policy_errors *errors = malloc(sizeof(*errors));
	size_t len = 0;
	if (!errors)
		return -ENOMEM;
	int err = read_file(file, POLICY_MAX + 1, &text, &len);
	if (err)
		return err;
	err = plan_compile(span_of(text, len), ret_plan, errors);
	print_all(f, file, "", errors->at, errors->n);
	print_all(f, file, "warning: ", errors->warnings, errors->n_warnings);
	if (err && !errors->n)
		cli_error("%s: %s", file, err_text(err));
	*ret_warnings = errors->n_warnings;
	return err;
}

/* --- check ------------------------------------------------------------------------------------ */

struct duties {
	const char *file;
	int n_found;
};

static void on_duty(void *ctx, const struct duty *d)
{
	static const char *const kinds[] = {[DUTY_BOTH] = "alone",
					    [DUTY_PEERS] = "among its own",
					    [DUTY_LENT] = "with a second person",
					    [DUTY_VOID] = "note"};
	struct duties *f = ctx;
	f->n_found += d->kind == DUTY_BOTH || d->kind == DUTY_PEERS;
	printf("%s: %s: %s%s%s%s\n", f->file, kinds[d->kind], *d->group ? "group " : "", d->group,
	       *d->group ? ": " : "", d->text);
}

/* How many identities the policy gives too much; negative: it could not be told. */
static int check_duties(const char *file, const struct plan *p)
{
	struct duties f = {file, 0};
	int err = plan_duties(p, on_duty, &f);
	if (err) {
		cli_error("%s: %s", file, err_text(err));
		return err;
	}
	printf("%s: duties: %d finding%s\n", file, f.n_found, f.n_found == 1 ? "" : "s");
	return f.n_found;
}

static int run_check(int argc, char **argv, const struct options *o)
{
	int failed = 0;
	if (argc < 1)
		return cli_usage("policy", "check needs a FILE");
	for (int i = 0; i < argc; i++) {
		_cleanup_(unrefp) struct plan *p = NULL;
		int n_warnings = 0;
		if (load(argv[i], stdout, &p, &n_warnings)) {
			failed = 1;
			continue;
		}
		printf("%s: good, %d warning%s, %d resource%s, sha256 %.16s\n", argv[i], n_warnings,
		       n_warnings == 1 ? "" : "s", plan_n_resources(p),
		       plan_n_resources(p) == 1 ? "" : "s", plan_hash(p));
		if (o->with_duties && check_duties(argv[i], p))
			failed = 1;
	}
	return failed;
}

/* --- deciding --------------------------------------------------------------------------------- */

static void decide(const struct session *s, const char *role, const struct resource *r, struct op *op,
		   struct decision *ret)
{
	struct who who = {.session = "s-policy",
			  .issuer = "",
			  .subject = "",
			  .role = role,
			  .owner = s->o->owner ? s->o->owner : "",
			  .expires = INT64_MAX};
	op->id = 1;
	op->protocol = r->protocol;
	plan_decide(s->plan, r, &who, op, NOW, ret);
}

/* All needs of a text, one after the other; where statements are wanted, ret_sql holds them.
 * ret_why says what is wrong. */
static int needs_of_sql(const struct session *s, const char *sql, struct arena *a,
			struct sql_result *ret_sql, const char **ret_why)
{
	if (!s->catalog) {
		*ret_why = "SQL needs --dsn: names are resolved by a database's catalogue";
		return ERR_CONFIG;
	}
	int err = policy_sql_analyze(sql, s->catalog, s->o->path, a, ret_sql);
	if (err)
		*ret_why = err_text(err);
	else if (ret_sql->status == SQL_SYNTAX)
		*ret_why = ret_sql->message ? ret_sql->message : "a syntax error";
	else if (ret_sql->status == SQL_TOO_BIG)
		*ret_why = "the text is too big to be read";
	else
		return 0;
	return err ? err : ERR_MALFORMED;
}

static int flatten(const struct sql_result *r, struct arena *a, struct op *op)
{
	int n = 0;
	for (int i = 0; i < r->n_stmts; i++)
		n += r->stmts[i].n_needs;
	struct need *all = arena_array(a, (size_t)n, sizeof(*all));
	int at = 0;
	for (int i = 0; i < r->n_stmts && all; i++) {
		memcpy(all + at, r->stmts[i].needs, (size_t)r->stmts[i].n_needs * sizeof(*all));
		at += r->stmts[i].n_needs;
	}
	op->needs = all;
	op->n_needs = n;
	return all || !n ? sql_reached(r, a, op) : -ENOMEM;
}

/* "select:public.orders ..." or "sql:SELECT ...". */
static int needs_of(const struct session *s, const char *text, struct arena *a, struct op *op, const char **ret_why)
{
	struct sql_result r;
	if (strncmp(text, "sql:", 4)) {
		int n = needs_parse(a, text, &op->needs, ret_why);
		op->n_needs = MAX(n, 0);
		return n < 0 ? n : 0;
	}
	int err = needs_of_sql(s, text + 4, a, &r, ret_why);
	return err ? err : flatten(&r, a, op);
}

/* --- test ------------------------------------------------------------------------------------- */

static const char *outcome(const struct decision *d)
{
	if (d->effect == EFFECT_ALLOW && d->masks && d->masks->hides_client)
		return effect_name(EFFECT_MASK);
	return d->is_observed ? "observe" : effect_name(d->effect);
}

/* role, resource, needs, effect, rule. Returns 0 if the decision is as told. */
static int run_case(const struct session *s, const char *file, int line, char *const fields[FIELDS])
{
	struct arena a;
	struct decision d;
	struct op op = {.arena = &a};
	const char *why = "";
	const struct resource *r = plan_resource_by_name(s->plan, fields[1]);
	if (!r || !plan_has_role(s->plan, fields[0])) {
		printf("FAIL %s:%d: the policy has no %s\n", file, line,
		       r ? "such role" : "such resource");
		return 1;
	}
	arena_init(&a, ARENA_MAX);
	int err = needs_of(s, fields[2], &a, &op, &why);
	if (err) {
		printf("FAIL %s:%d: %s\n", file, line, *why ? why : err_text(err));
		arena_done(&a);
		return 1;
	}
	decide(s, fields[0], r, &op, &d);
	bool ok = !strcmp(outcome(&d), fields[3]) && !strcmp(d.rule, fields[4]);
	if (!ok)
		printf("FAIL %s:%d: %s by rule %s, expected %s by %s: %s\n", file, line,
		       outcome(&d), d.rule, fields[3], fields[4], fields[2]);
	else if (!s->o->is_quiet)
		printf("ok %s %s %s: %s by %s\n", fields[0], fields[1], fields[2], fields[3],
		       fields[4]);
	arena_done(&a);
	return !ok;
}

static int split(char *line, char *fields[FIELDS])
{
	int n = 0;
	for (char *f; n < FIELDS && (f = strsep(&line, "\t")); n++)
		fields[n] = f;
	return line ? -1 : n;
}

static int run_cases(const struct session *s, const char *file, char *text)
{
	int passed = 0, failed = 0, number = 0;
	for (char *line; (line = strsep(&text, "\n"));) {
		char *fields[FIELDS];
		number++;
		line[strcspn(line, "\r")] = 0;
		if (!*line || *line == '#')
			continue;
		if (split(line, fields) != FIELDS) {
			printf("FAIL %s:%d: expected role, resource, needs, effect, rule between "
			       "tabs\n",
			       file, number);
			failed++;
		} else if (run_case(s, file, number, fields)) {
			failed++;
		} else {
			passed++;
		}
	}
	printf("%d passed, %d failed, 0 skipped\n", passed, failed);
	return failed || !passed;
}

static int run_test(int argc, char **argv, const struct options *o)
{
	_cleanup_(unrefp) struct plan *p = NULL;
	_cleanup_(freep) char *text = NULL;
	size_t len;
	int n_warnings;
	if (argc != 2)
		return cli_usage("policy", "test needs a FILE and its CASES");
	struct session s = {.file = argv[0], .o = o};
	char why[300];
	if (load(argv[0], stderr, &p, &n_warnings) || read_file(argv[1], CASES_MAX, &text, &len))
		return 1;
	if (strlen(text) != len) {
		cli_error("%s: holds a NUL byte", argv[1]);
		return 1;
	}
	s.plan = p;
	if (o->dsn && policy_catalog_load(o->dsn, &s.catalog, why, sizeof(why))) {
		cli_error("%s", why);
		return 1;
	}
	int rc = run_cases(&s, argv[1], text);
	catalog_unref(s.catalog);
	return rc;
}

/* --- explain ---------------------------------------------------------------------------------- */

static int print_explained(json_t *e)
{
	int rc = e ? policy_explain_print(e) : CLI_USAGE;
	json_decref(e);
	return rc;
}

static int run_sql(const struct session *s, const struct question *q)
{
	struct sql_result sql;
	const char *why;
	if (needs_of_sql(s, s->o->sql, q->arena, &sql, &why)) {
		cli_error("%s", why);
		return CLI_USAGE;
	}
	return print_explained(explain_sql(q, &sql));
}

static int run_needs(const struct session *s, const struct question *q)
{
	const struct need *needs;
	const char *why = "out of memory";
	int n = needs_parse(q->arena, s->o->needs, &needs, &why);
	if (n < 0) {
		cli_error("--needs: %s", why);
		return CLI_USAGE;
	}
	return print_explained(explain_needs(q, needs, n));
}

static int run_explain(int argc, char **argv, const struct options *o)
{
	_cleanup_(unrefp) struct plan *p = NULL;
	struct session s = {.o = o};
	struct arena a;
	char why[300];
	int n_warnings;
	if (argc != 1 || !o->role || !o->resource || !o->sql == !o->needs || (o->sql && !o->dsn))
		return cli_usage("policy", "explain needs a FILE, --role, --resource, and either "
					   "--needs or --sql with --dsn");
	if (load(argv[0], stderr, &p, &n_warnings))
		return CLI_USAGE;
	const struct resource *r = plan_resource_by_name(p, o->resource);
	if (!r || !plan_has_role(p, o->role)) {
		cli_error("%s has no %s \"%s\"", argv[0], r ? "role" : "resource",
			  r ? o->role : o->resource);
		return CLI_USAGE;
	}
	if (o->dsn && policy_catalog_load(o->dsn, &s.catalog, why, sizeof(why))) {
		cli_error("%s", why);
		return CLI_USAGE;
	}
	s.plan = p;
	arena_init(&a, ARENA_MAX);
	struct question q = {p, r, o->role, o->owner ? o->owner : "", NOW, &a};
	int rc = o->sql ? run_sql(&s, &q) : run_needs(&s, &q);
	arena_done(&a);
	catalog_unref(s.catalog);
	return rc;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv, const struct options *o);
} subcommands[] = {{"check", run_check}, {"test", run_test}, {"explain", run_explain}};

static const struct option long_options[] = {
    {"role", required_argument, NULL, 'r'},
    {"resource", required_argument, NULL, 'n'},
    {"needs", required_argument, NULL, 'N'},
    {"sql", required_argument, NULL, 's'},
    {"dsn", required_argument, NULL, 'd'},
    {"search-path", required_argument, NULL, 'p'},
    {"owner", required_argument, NULL, 'o'},
    {"quiet", no_argument, NULL, 'q'},
    {"duties", no_argument, NULL, 'D'},
    {0},
};

static int parse_options(int argc, char **argv, struct options *o)
{
	int c;
	optind = 1;
	while ((c = getopt_long(argc, argv, "q", long_options, NULL)) != -1) {
		const char **slots[] = {
		    ['r'] = &o->role, ['n'] = &o->resource, ['N'] = &o->needs, ['s'] = &o->sql,
		    ['d'] = &o->dsn,  ['p'] = &o->path,	    ['o'] = &o->owner};
		if (c == 'q')
			o->is_quiet = true;
		else if (c == 'D')
			o->with_duties = true;
		else if (c != '?' && c < (int)ARRAY_LEN(slots) && slots[c])
			*slots[c] = optarg;
		else
			return CLI_USAGE;
	}
	return 0;
}

int cmd_policy(int argc, char **argv)
{
	struct options o = {0};
	if (argc < 2)
		return cli_usage("policy", "expected check, test or explain");
	for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
		if (strcmp(argv[1], subcommands[i].name))
			continue;
		if (parse_options(argc - 1, argv + 1, &o))
			return cli_usage("policy", "an option of %s is not understood", argv[1]);
		return subcommands[i].run(argc - 1 - optind, argv + 1 + optind, &o);
	}
	return cli_usage("policy", "no \"policy %s\"; expected check, test or explain", argv[1]);
}
