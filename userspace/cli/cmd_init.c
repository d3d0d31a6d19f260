/* sluice init: a first policy for a database that is there. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/init.h"
#include "cli/session.h"
#include "config.h"
#include "policy/policy.h"

#define DEFAULT_DIR "/etc/sluice"
#define TEXT_MAX    (256 * 1024)

struct init {
	const char *dsn, *dir;
	bool is_forced;
	struct cli_list allow;
	char *whole_dir, *policy_path, *config_path, *credential_path;
	char resource[64];
	struct config *config; /* what is there already, or the defaults */
	bool is_configured;
};

static int say_write(const char *path, int r)
{
	if (r == -EEXIST) {
		cli_error("%s is there already", path);
		cli_remedy("--force overwrites it, -o DIR writes elsewhere");
	} else if (r < 0) {
		cli_error("cannot write %s: %s", path, err_text(r));
	}
	return r;
}

static int make_dirs(struct init *in)
{
	_cleanup_(freep) char *credentials = NULL;
	if (mkdir(in->dir, 0755) < 0 && errno != EEXIST)
		return say_write(in->dir, -errno);
	in->whole_dir = realpath(in->dir, NULL);
	if (!in->whole_dir || asprintf(&credentials, "%s/credentials", in->whole_dir) < 0 ||
	    asprintf(&in->policy_path, "%s/policy.json", in->whole_dir) < 0 ||
	    asprintf(&in->config_path, "%s/sluice.json", in->whole_dir) < 0)
		return say_write(in->dir, -ENOMEM);
	if (mkdir(credentials, 0700) < 0 && errno != EEXIST)
		return say_write(credentials, -errno);
	return asprintf(&in->credential_path, "%s/%s", credentials, in->resource) < 0 ? -ENOMEM : 0;
}

/* A daemon that is configured already names its issuer itself. */
static int read_config(struct init *in)
{
	char why[400];
	in->is_configured = access(in->config_path, F_OK) == 0;
	int r = config_load(in->is_configured ? in->config_path : NULL, &in->config, why, sizeof(why));
	if (r < 0) {
		cli_error("%s", r == ERR_CONFIG ? why : err_text(r));
		return r;
	}
	if (!in->is_configured)
		return 0;
	if (!in->config->has_local_issuer) {
		cli_error("%s leaves the local issuer off", in->config_path);
		cli_remedy("for sluice token mint: \"local_issuer\": {\"enabled\": true}");
	}
	if (strcmp(in->config->policy, in->policy_path) != 0)
		cli_error("%s has another policy: %s", in->config_path, in->config->policy);
	return 0;
}

static int check_policy(struct span text)
{
	struct plan *plan = NULL;
	struct policy_errors errors = {0};
	int r = plan_compile(text, &plan, &errors);
	plan_unref(plan);
	if (r < 0)
		cli_error("no policy can be written: %s", errors.n ? errors.at[0].text : err_text(r));
	return r;
}

static struct span without_nul(const struct buf *b)
{
	return span_of(buf_span(b).p, buf_len(b) - 1);
}

static int write_files(const struct init *in, const struct init_facts *f)
{
	struct buf policy, config;
	const struct init_place place = {.dir = in->whole_dir,
					 .issuer = in->config->local_issuer,
					 .audience = in->config->local_audience,
					 .credential = in->credential_path,
					 .resource = in->resource,
					 .allow = &in->allow};
	const char *user = getenv("SUDO_USER");
	buf_init(&policy, TEXT_MAX);
	buf_init(&config, TEXT_MAX);
	init_policy(f, &place, &policy);
	init_config(&place, user && strcmp(user, "root") ? user : NULL, &config);
	int r = buf_err(&policy) ? buf_err(&policy) : buf_err(&config);
	r = r < 0 ? say_write(in->policy_path, r) : check_policy(without_nul(&policy));
	/* The credential last: it is put only beside a policy that is ours. */
	if (r == 0)
		r = say_write(in->policy_path,
			      file_write(in->policy_path, without_nul(&policy), 0644, in->is_forced));
	if (r == 0 && !in->is_configured)
		r = say_write(in->config_path, file_write(in->config_path, without_nul(&config), 0644, false));
	if (r == 0)
		r = say_write(in->credential_path,
			      file_write(in->credential_path, buf_span(&f->credential), 0600, in->is_forced));
	buf_done(&policy);
	buf_done(&config);
	return r;
}

static void print_next(const struct init *in, const struct init_facts *f)
{
	const char *form = strchr(f->host, ':') ? "[%s]" : "%s";
	char host[300];
	snprintf(host, sizeof(host), form, f->host);
	printf("%s: %d schema%s of %s at %s:%s; viewer reads, operator inserts and updates\n", in->policy_path,
	       f->n_schemas, f->n_schemas == 1 ? "" : "s", f->database, host, f->port);
	printf("%s: the login %s, readable by root only\n", in->credential_path, f->user);
	if (!in->is_configured)
		printf("%s: the daemon's configuration, local issuer on\n", in->config_path);
	if (f->is_superuser)
		printf("note: %s is a superuser: a login with no more rights than the operator needs is better\n",
		       f->user);
	if (f->is_tls)
		printf("note: the database was reached over TLS, and so will the gateway; sslmode=verify-full in %s "
		       "makes sure which it is\n", in->credential_path);
	if (in->allow.n == 0)
		printf("note: an agent's LLM must be declared too: --allow api.openai.com:443, or paste what the "
		       "first run prints\n");
	puts("\nGo on:");
	/* Whom the daemon's processes run as: it does not start without. */
	if (!getpwnam(in->config->user))
		printf("  useradd --system --no-create-home --shell /usr/sbin/nologin %s\n", in->config->user);
	printf("  sluiced -c %s &\n"
	       "  sluice token mint --sub my-crew --groups viewer --ttl 8h -o crew.jwt\n"
	       "  sluice run --token-file crew.jwt -- psql postgres://agent:anything@%s:%s/%s\n",
	       in->config_path, host, f->port, f->database);
}

static int init(struct init *in)
{
	struct init_facts f;
	if (init_ask(in->dsn, &f) < 0)
		return 1;
	id_text(f.database, in->resource, sizeof(in->resource));
	if (!in->resource[0])
		strcpy(in->resource, "database");
	int r = make_dirs(in);
	r = r < 0 ? r : read_config(in);
	r = r < 0 ? r : write_files(in, &f);
	if (r == 0)
		print_next(in, &f);
	init_facts_done(&f);
	return r < 0;
}

int cmd_init(int argc, char **argv)
{
	struct init in = {.dir = NULL};
	const struct cli_option options[] = {{"dsn", &in.dsn, NULL, NULL},
					     {"o", &in.dir, NULL, NULL},
					     {"output", &in.dir, NULL, NULL},
					     {"allow", NULL, NULL, &in.allow},
					     {"force", NULL, &in.is_forced, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 1 || !in.dsn)
		return cli_usage("init", "needs --dsn, and no other argument");
	if (!in.dir)
		in.dir = DEFAULT_DIR;
	/* The password stands in the argument: not for longer than it must. */
	char *seen = (char *)in.dsn, *dsn = strdup(in.dsn);
	in.dsn = dsn;
	explicit_bzero(seen, strlen(seen));
	int code = dsn ? init(&in) : 1;
	if (dsn)
		explicit_bzero(dsn, strlen(dsn));
	free(dsn);
	config_free(in.config);
	free(in.whole_dir);
	free(in.policy_path);
	free(in.config_path);
	free(in.credential_path);
	return code;
}
