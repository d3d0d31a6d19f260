#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/options.h"
#include "cli/session.h"

struct mint {
	const char *sub, *groups, *owner, *ttl, *aud, *out, *user;
};

/* "90s", "15m", "8h", "7d" -> seconds; 0: not understood. */
static long long seconds_of(const char *text)
{
	static const struct {
		char unit;
		long long seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 9 || strlen(text) != digits + 1)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (text[digits] == units[i].unit)
			return atoll(text) * units[i].seconds;
	return 0;
}

/* "a,b" -> ["a", "b"]; NULL if one of them is empty. */
static json_t *groups_of(const char *text)
{
	json_t *list = json_array();
	for (const char *p = text; list; p++) {
		size_t len = strcspn(p, ",");
		if (len == 0 || json_array_append_new(list, json_stringn(p, len)) < 0) {
			json_decref(list);
			return NULL;
		}
		p += len;
		if (!*p)
			break;
	}
	return list;
}

static int write_token(const struct mint *m, const struct passwd *pw, const char *token)
{
	if (!m->out) {
		puts(token);
		return 0;
	}
	char line[20000];
	int n = snprintf(line, sizeof(line), "%s\n", token);
	int r = (size_t)n >= sizeof(line) ? ERR_LIMIT
					  : file_write_for(m->out, span_of(line, (size_t)n), 0600,
							   pw ? pw->pw_uid : (uid_t)-1, pw ? pw->pw_gid : (gid_t)-1);
	explicit_bzero(line, sizeof(line));
	if (r < 0)
		cli_error("cannot write %s: %s", m->out, err_text(r));
	return r < 0;
}

static int mint(const struct mint *m)
{
	long long ttl = seconds_of(m->ttl ? m->ttl : "1h");
	if (ttl <= 0)
		return cli_usage("token", "--ttl %s is not understood, expected 90s, 15m, 8h or 7d", m->ttl);
	const struct passwd *pw = m->user ? getpwnam(m->user) : NULL;
	if (m->user && !pw)
		return cli_usage("token", "no user \"%s\"", m->user);
	json_t *groups = groups_of(m->groups), *answer = NULL;
	json_t *body = !groups ? NULL
			       : json_pack("{s:s, s:o, s:s*, s:I, s:s*}", "sub", m->sub, "groups", groups, "owner",
					   m->owner, "ttl", (json_int_t)ttl, "aud", m->aud);
	if (!body)
		return cli_usage("token", "--sub, --groups, --owner and --aud must be text, no group empty");
	int r = api_do("POST", "/v1/tokens", body, &answer);
	json_decref(body);
	if (r < 0)
		return 1;
	const char *token = json_text(answer, "token", NULL);
	int code = 1;
	if (token)
		code = write_token(m, pw, token);
	else
		cli_error("the daemon's answer holds no token");
	json_decref(answer);
	return code;
}

int cmd_token(int argc, char **argv)
{
	struct mint m = {0};
	const struct cli_option options[] = {
		{"sub", &m.sub, NULL, NULL},   {"groups", &m.groups, NULL, NULL}, {"owner", &m.owner, NULL, NULL},
		{"ttl", &m.ttl, NULL, NULL},   {"aud", &m.aud, NULL, NULL},	  {"o", &m.out, NULL, NULL},
		{"output", &m.out, NULL, NULL}, {"user", &m.user, NULL, NULL},	  {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2 || strcmp(argv[1], "mint") != 0)
		return cli_usage("token", "expected \"mint\"");
	if (!m.sub || !m.groups)
		return cli_usage("token", "--sub and --groups are needed");
	if (m.user && !m.out)
		return cli_usage("token", "--user goes with -o");
	return mint(&m);
}
