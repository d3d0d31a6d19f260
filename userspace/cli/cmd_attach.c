#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/token_file.h"

/* What the cgroup's processes hold, or held, open from before: each would be a way around the gateway. */
static void print_sockets(const json_t *sockets)
{
	size_t i;
	json_t *f;
	json_array_foreach (sockets, i, f)
		fprintf(stderr, "  process %lld, descriptor %lld: %s\n", json_number(f, "pid"),
			json_number(f, "fd"), json_text(f, "what", "a socket"));
}

static int attach(const char *cgroup, const char *role, struct span token)
{
	char left[32];
	json_t *answer = NULL, *body = json_pack("{s:s%, s:s, s:s*}", "token", (const char *)token.p, token.len,
						 "cgroup", cgroup, "role", role);
	int status = 0;
	int err = body ? api_call("POST", "/v1/sessions", body, &answer, &status) : ERR_MALFORMED;
	json_decref(body);
	bool is_good = err == 0 && status / 100 == 2;
	if (is_good) {
		printf("session %s  %s as %s, %s left\n", json_text(answer, "session", "?"),
		       json_text(answer, "subject", "?"), json_text(answer, "role", "?"),
		       left_text(json_number(answer, "expires"), time(NULL), left, sizeof(left)));
		if (json_object_get(answer, "ended"))
			fprintf(stderr, "ended, because they were open before:\n");
		print_sockets(json_object_get(answer, "ended"));
	} else {
		api_complain(err, status, answer);
		print_sockets(json_object_get(answer, "foreign"));
	}
	json_decref(answer);
	return !is_good;
}

int cmd_attach(int argc, char **argv)
{
	const char *cgroup = NULL, *token_path = NULL, *role = NULL;
	const struct cli_option options[] = {{"cgroup", &cgroup, NULL, NULL},
					     {"token-file", &token_path, NULL, NULL},
					     {"role", &role, NULL, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 1 || !cgroup || !token_path)
		return cli_usage("attach", "needs --cgroup and --token-file, and nothing else");
	/* The daemon stands elsewhere: give it the whole path. */
	char *path = realpath(cgroup, NULL);
	struct buf token;
	if (!path) {
		cli_error("no cgroup at %s", cgroup);
		return 1;
	}
	int code = 1;
	if (token_file_read(token_path, &token) == 0) {
		code = attach(path, role, span_of(buf_span(&token).p, buf_len(&token) - 1));
		buf_wipe(&token);
	}
	free(path);
	return code;
}
