/* sluiced: arguments, configuration, then the monitor. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "check/check.h"
#include "config.h"
#include "priv/monitor.h"
#include "priv/spawn.h"

#define DEFAULT_CONFIG "/etc/sluice/sluice.json"
#define CONFIG_LIMIT   (256 * 1024)

static int help(void)
{
	printf("usage: sluiced [-c FILE] [--foreground]\n"
	       "       sluiced [-c FILE] --check-config | --cleanup\n"
	       "       sluiced --help | --version\n\n"
	       "  -c, --config FILE  the configuration (default " DEFAULT_CONFIG ")\n"
	       "      --check-config read it, say what is wrong, and end\n"
	       "      --cleanup      remove what a stopped daemon left: programs, maps, workloads\n"
	       "      --foreground   stay in the foreground, as it always does\n\n"
	       "Keys of the configuration, a JSON object (a.b is member b of object a):\n");
	config_help(stdout);
	return 0;
}

static int say_checked(const struct check *k)
{
	bool is_partial = false;
	if (check_run(k, true, &is_partial))
		return 1;
	printf("%s: good%s\n", k->name,
	       is_partial ? ", as far as this user sees (root: policy, credentials, certificates, keys, too)" : "");
	return 0;
}

/* A mistake ends it here, with its place, and not when a process that has read it dies. */
static int start(const struct check *k)
{
	bool is_partial;
	if (check_run(k, false, &is_partial))
		return EX_CONFIG;
	return monitor_run(k->cfg, &(struct monitor_options){k->name, k->text});
}

/* The text is read once and handed to every child, so that all live by the same configuration. */
static int read_text(const char *path, char **ret_text, size_t *ret_len)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : fd_read_all(fd, CONFIG_LIMIT, ret_text, ret_len);
	if (r < 0)
		fprintf(stderr, "%s:1:1: cannot be read: %s\n", path, err_text(r));
	else if (!*ret_len)
		fprintf(stderr, "%s:1:1: empty, expected an object\n", path);
	return r < 0 ? r : *ret_len ? 0 : ERR_CONFIG;
}

static int run(const char *path, bool is_check, bool is_cleanup)
{
	_cleanup_(freep) char *text = NULL;
	struct config *cfg = NULL;
	char why[500];
	size_t len = 0;
	if (read_text(path, &text, &len) < 0)
		return is_check ? 1 : EX_CONFIG;
	if (config_parse(span_of(text, len), path, &cfg, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", why);
		return is_check ? 1 : EX_CONFIG;
	}
	log_init("monitor", (enum log_level)cfg->log_level);
	const struct check k = {cfg, path, span_of(text, len)};
	int r;
	if (is_check)
		r = say_checked(&k);
	else if (geteuid() != 0)
		r = (fprintf(stderr, "sluiced: must be started as root\n"), 1);
	else
		r = is_cleanup ? monitor_cleanup(cfg) : start(&k);
	config_free(cfg);
	return r;
}

int main(int argc, char **argv)
{
	enum { OPT_CHECK = 256, OPT_CLEANUP, OPT_FOREGROUND, OPT_VERSION, OPT_HELP };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, OPT_CHECK},
		{"cleanup", no_argument, NULL, OPT_CLEANUP},
		{"foreground", no_argument, NULL, OPT_FOREGROUND},
		{"version", no_argument, NULL, OPT_VERSION},
		{"help", no_argument, NULL, OPT_HELP},
		{NULL, 0, NULL, 0},
	};
	const char *path = DEFAULT_CONFIG;
	bool is_check = false, is_cleanup = false;
	if (argc == 3 && !strcmp(argv[1], "--child"))
		return child_main(argv[2]);
	for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		if (o == OPT_VERSION)
			return printf("sluiced %s\n", SLUICE_VERSION) < 0;
		if (o == OPT_HELP || o == 'h')
			return help();
		if (o == '?')
			return 2;
		path = o == 'c' ? optarg : path;
		is_check = is_check || o == OPT_CHECK;
		is_cleanup = is_cleanup || o == OPT_CLEANUP;
	}
	if (optind != argc) {
		fprintf(stderr, "sluiced: unexpected argument: %s\n", argv[optind]);
		return 2;
	}
	return run(path, is_check, is_cleanup);
}
