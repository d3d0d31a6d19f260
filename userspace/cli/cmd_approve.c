/* What waits for an approval, and the answers. A request is shown whole before anybody can answer it; what
 * the agent wrote is shown inert. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/macro.h"
#include "cli/api.h"
#include "cli/approval.h"
#include "cli/cli.h"
#include "cli/inert.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/token_file.h"

#define OUTCOME_MS 10000

static json_t *with_token(const char *path)
{
	struct buf token;
	if (token_file_read(path, &token) < 0)
		return NULL;
	json_t *body = json_pack("{s:s}", "token", (const char *)buf_span(&token).p);
	buf_wipe(&token);
	return body;
}

static int request_path(const char *id, const char *suffix, char path[256])
{
	size_t len = strlen(id);
	if (!len || len > 30 || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != len) {
		cli_error("\"%.40s\" is no request", id);
		cli_remedy("sluice requests lists them");
		return -1;
	}
	snprintf(path, 256, "/v1/requests/%s%s", id, suffix);
	return 0;
}

/* As root or the session's user without a token, as an approver with one. */
static int get_request(const char *id, const char *token_path, json_t **ret)
{
	char path[256];
	if (request_path(id, "", path) < 0)
		return -1;
	json_t *body = token_path ? with_token(token_path) : NULL;
	if (token_path && !body)
		return -1;
	int r = api_do(body ? "POST" : "GET", path, body, ret);
	json_decref(body);
	return r;
}

/* --- showing ------------------------------------------------------------------------------------ */

static void line(const char *name, const char *value)
{
	struct buf b;
	if (!value || !*value)
		return;
	buf_init(&b, 1024 * 1024);
	inert_add(&b, span_str(value), NULL);
	printf("  %-12s %.*s\n", name, (int)buf_len(&b), (const char *)buf_span(&b).p);
	buf_done(&b);
}

static int screen_rows(void)
{
	struct winsize w = {0};
	bool is_screen =
		isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0;
	return is_screen && w.ws_row > 8 ? w.ws_row - 4 : 0;
}

/* Inert, and on a terminal a screen at a time. False: the reader turned away before the end. */
static bool show_text(const char *text, const char *indent, int rows)
{
	struct buf b;
	int n = 0;
	bool has_all = true;
	buf_init(&b, 8 * 1024 * 1024);
	inert_add(&b, span_str(text), indent);
	struct span s = buf_span(&b);
	printf("%s", indent);
	for (size_t at = 0; at < s.len && has_all;) {
		const uint8_t *end = memchr(s.p + at, '\n', s.len - at);
		size_t len = end ? (size_t)(end - (s.p + at)) + 1 : s.len - at;
		fwrite(s.p + at, 1, len, stdout);
		at += len;
		if (rows && ++n % rows == 0 && at < s.len) {
			printf("-- more: Enter, or q --");
			fflush(stdout);
			int c = getchar();
			has_all = c != 'q' && c != EOF;
			while (c != '\n' && c != EOF)
				c = getchar();
		}
	}
	printf("\n");
	buf_done(&b);
	return has_all;
}

/* What else is approved with the text: what its name runs, what the session has set; and what is not. */
static bool show_around(const json_t *body, int rows)
{
	const char *behind = json_text(body, "behind", NULL), *b64 = json_text(body, "behind_b64", NULL);
	bool has_all = true;
	size_t i;
	json_t *s;
	if (behind || b64) {
		printf("  which runs, prepared before%s\n", behind ? "" : " (no UTF-8, in base64)");
		has_all = show_text(behind ? behind : b64, "    ", rows);
	}
	json_array_foreach(json_object_get(body, "settings"), i, s)
	{
		if (!i)
			printf("  with settings that the session has changed\n");
		const char *name = json_text(s, "name", json_text(s, "name_b64", "?"));
		char line_of[8192];
		snprintf(line_of, sizeof(line_of), "%.200s = %.7900s", name,
			 json_text(s, "value", json_text(s, "value_b64", "?")));
		has_all = show_text(line_of, "    ", rows) && has_all;
	}
	if (json_is_true(json_object_get(body, "reads_data")))
		printf("\n  NOT SHOWN    the rows that the client sends behind COPY FROM STDIN: they are not part of "
		       "what is approved\n");
	return has_all;
}

static bool show_params(const json_t *params, int rows)
{
	size_t i;
	json_t *p;
	bool has_all = true;
	json_array_foreach((json_t *)params, i, p)
	{
		const char *text = json_text(p, "text", NULL), *hex = json_text(p, "hex", NULL),
			   *b64 = json_text(p, "b64", ""), *type = json_text(p, "type", "");
		const char *form = text ? "" : hex ? "in hex" : "not UTF-8, in base64";
		printf("  $%zu%s", i + 1, json_is_null(p) ? " NULL" : "");
		if (!json_is_null(p) && (*type || *form))
			printf(" (%s%s%s)", type, *type && *form ? ", " : "", form);
		printf("\n");
		if (!json_is_null(p))
			has_all = show_text(text ? text : hex ? hex : b64, "    ", rows) && has_all;
	}
	return has_all;
}

static void show_diff(const json_t *r)
{
	const char *before = json_text(json_object_get(r, "before"), "text", NULL);
	const char *now = json_text(json_object_get(r, "body"), "text", NULL);
	if (!before || !now)
		return;
	printf("\n  against what was approved last (%s):\n",
	       json_text(json_object_get(r, "before"), "request", "?"));
	if (!strcmp(before, now))
		printf("    the same text\n");
	else
		approval_diff(before, now, "    ");
}

/* What the database says it would be, where the rule lets it be asked; the planner's guess, no part of what is
 * approved. */
static void show_estimate(const json_t *r)
{
	const json_t *e = json_object_get(r, "estimated"), *part;
	char text[400];
	size_t i;
	if (!json_is_true(json_object_get(r, "estimate")))
		return;
	if (!json_is_object(e)) {
		line("estimate", strcmp(json_text(r, "state", ""), "ended") ? "the database has not said yet" : "");
		return;
	}
	if (json_object_get(e, "why"))
		snprintf(text, sizeof(text), "none: %s", json_text(e, "why", "?"));
	else
		snprintf(text, sizeof(text), "%lld rows, cost %lld%s", json_number(e, "rows"), json_number(e, "cost"),
			 json_is_true(json_object_get(e, "more")) ? ", and more than these:" : "");
	line("estimate", text);
	json_array_foreach(json_object_get(e, "parts"), i, part)
	{
		snprintf(text, sizeof(text), "%s on %s, %lld rows", json_text(part, "how", "?"),
			 json_text(part, "relation", "?"), json_number(part, "rows"));
		line("", text);
	}
}

static void show_need(const json_t *r)
{
	const json_t *stages = json_object_get(r, "need"), *stage, *g;
	size_t i, k;
	json_array_foreach((json_t *)stages, i, stage)
	{
		printf("  %-12s ", i ? "or" : "needs");
		json_array_foreach((json_t *)stage, k, g)
			printf("%s%lld of %s (%lld missing)", k ? " and " : "", json_number(g, "need"),
			       json_text(g, "group", "?"), json_number(g, "missing"));
		printf("\n");
	}
}

static void show_votes(const json_t *r)
{
	size_t i;
	json_t *v;
	char text[700];
	json_array_foreach(json_object_get(r, "votes"), i, v)
	{
		snprintf(text, sizeof(text), "%s, %s%s%s (%s)", json_text(v, "subject", "?"),
			 json_text(v, "verdict", "?"), *json_text(v, "words", "") ? ": " : "",
			 json_text(v, "words", ""), json_text(v, "state", "?"));
		line("answer", text);
	}
}

/* Whoever sent it has gone: it can be approved all the same. */
static bool is_left(const json_t *r)
{
	return !strcmp(json_text(r, "state", ""), "pending") && !strcmp(json_text(r, "kind", ""), "operation") &&
	       json_number(r, "waiting") == 0;
}

static void show_head(const json_t *r)
{
	char left[32], text[300];
	const json_t *body = json_object_get(r, "body");
	snprintf(text, sizeof(text), "%s%s%s", json_text(r, "state", "?"),
		 *json_text(r, "end", "") ? ", " : "", json_text(r, "end", ""));
	printf("request %s  %s%s\n", json_text(r, "request", "?"), text,
	       json_is_true(json_object_get(r, "break_glass")) ? "  *** BREAK GLASS ***" : "");
	line("who", json_text(r, "subject", ""));
	line("for", json_text(r, "owner", ""));
	line("role", json_text(r, "role", ""));
	line("on", json_text(r, "node", ""));
	line("resource", json_text(r, "resource", ""));
	line("database", json_text(body, "database", ""));
	line("what", json_text(r, "tag", ""));
	line("gives role", json_text(r, "gives", ""));
	line("rule", json_text(r, "rule", ""));
	line("because", json_text(r, "description", ""));
	line("it says", json_text(r, "reason", ""));
	if (json_is_true(json_object_get(body, "in_transaction")))
		line("note", "a transaction is open: what it has locked stays locked while this waits");
	if (is_left(r))
		line("note", "whoever sent it is gone: approved, it runs when it is sent again");
	if (strcmp(json_text(r, "state", ""), "ended"))
		line("left", left_text(json_number(r, "deadline"), time(NULL), left, sizeof(left)));
	line("ended", json_text(r, "end_reason", ""));
	line("outcome", json_text(json_object_get(r, "outcome"), "text", ""));
	line("grant", json_text(r, "grant", ""));
}

bool approval_show(const json_t *r, bool is_paged)
{
	int rows = is_paged ? screen_rows() : 0;
	const json_t *body = json_object_get(r, "body");
	const char *text = json_text(body, "text", NULL), *b64 = json_text(body, "text_b64", NULL);
	show_head(r);
	show_estimate(r);
	show_need(r);
	show_votes(r);
	printf("\n");
	bool has_all = (text || b64) && show_text(text ? text : b64, "    ", rows);
	has_all = show_params(json_object_get(body, "params"), rows) && has_all;
	has_all = show_around(body, rows) && has_all;
	show_diff(r);
	printf("\n  hash         %s\n", json_text(r, "hash", "?"));
	return has_all;
}

/* --- the list ----------------------------------------------------------------------------------- */

static void add_row(json_t *rows, const json_t *r)
{
	char left[32] = "", answers[64];
	size_t n = json_array_size(json_object_get(r, "votes"));
	bool is_over = !strcmp(json_text(r, "state", ""), "ended");
	const char *state = is_over ? json_text(r, "end", "?") : is_left(r) ? "left" : json_text(r, "state", "?");
	if (!is_over)
		left_text(json_number(r, "deadline"), time(NULL), left, sizeof(left));
	snprintf(answers, sizeof(answers), "%zu", n);
	json_array_append_new(rows, json_pack("[s,s,s,s,s,s,s,s]", json_text(r, "request", "?"),
					      state, json_text(r, "subject", "?"), json_text(r, "owner", ""),
					      json_text(r, "resource", ""), json_text(r, "tag", "?"), answers,
					      left));
}

static int list_requests(const char *token_path, bool with_ended, bool is_json)
{
	json_t *body = token_path ? with_token(token_path) : NULL, *answer = NULL, *r;
	size_t i;
	if (token_path && !body)
		return 1;
	if (body && with_ended)
		json_object_set_new(body, "all", json_true());
	int err = api_do(body ? "POST" : "GET", with_ended && !body ? "/v1/requests?all=1" : "/v1/requests",
			 body, &answer);
	json_decref(body);
	json_t *rows = json_pack("[[s,s,s,s,s,s,s,s]]", "REQUEST", "STATE", "WHO", "FOR", "RESOURCE", "WHAT",
				 "ANSWERS", "LEFT");
	json_array_foreach(json_object_get(answer, "requests"), i, r)
	{
		add_row(rows, r);
		if (is_json) {
			json_dumpf(r, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
			putchar('\n');
		}
	}
	if (err == 0 && !is_json)
		table_print(rows);
	json_decref(rows);
	json_decref(answer);
	return err < 0;
}

int cmd_requests(int argc, char **argv)
{
	const char *token = NULL;
	bool all = false, is_json = false;
	json_t *r = NULL;
	const struct cli_option options[] = {{"token-file", &token, NULL, NULL},
					     {"all", NULL, &all, NULL},
					     {"json", NULL, &is_json, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 2)
		return cli_usage("requests", "one request at most");
	if (argc < 2)
		return list_requests(token, all, is_json);
	if (get_request(argv[1], token, &r) < 0)
		return 1;
	if (is_json) {
		json_dumpf(r, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
		putchar('\n');
	} else {
		approval_show(r, true);
	}
	json_decref(r);
	return 0;
}

/* --- the answer --------------------------------------------------------------------------------- */

struct answer {
	const char *token, *hash, *words, *choice, *for_text, *uses, *resource;
	struct cli_list relations, classes;
	bool no_wait;
};

static json_t *list_json(const struct cli_list *l)
{
	json_t *a = json_array();
	for (int i = 0; i < l->n; i++)
		json_array_append_new(a, json_string(l->at[i]));
	return a;
}

static json_t *vote_body(const struct answer *a, const char *verdict, const char *hash)
{
	json_t *body = with_token(a->token);
	if (!body)
		return NULL;
	json_object_set_new(body, "verdict", json_string(verdict));
	json_object_set_new(body, "hash", json_string(hash));
	if (a->words)
		json_object_set_new(body, "words", json_string(a->words));
	if (a->choice)
		json_object_set_new(body, "choice", json_string(a->choice));
	if (a->for_text)
		json_object_set_new(body, "for", json_integer(cli_seconds(a->for_text)));
	if (a->uses)
		json_object_set_new(body, "uses", json_integer(strtol(a->uses, NULL, 10)));
	if (a->resource)
		json_object_set_new(body, "resource", json_string(a->resource));
	json_object_set_new(body, "relations", list_json(&a->relations));
	json_object_set_new(body, "classes", list_json(&a->classes));
	return body;
}

/* Was it read? On a terminal by a word typed under it, elsewhere by the hash that stands under it. */
static bool is_meant(const struct answer *a, const json_t *r, bool has_seen_all, const char *verdict)
{
	const char *hash = json_text(r, "hash", "");
	char typed[16];
	if (a->hash) {
		if (!strcmp(a->hash, hash))
			return true;
		cli_error("--hash is not that of the request as it is now");
		return false;
	}
	if (!isatty(STDIN_FILENO)) {
		cli_error("nobody can be asked whether this was read: there is no terminal");
		cli_remedy("read it with sluice requests %s, then add --hash %s",
			   json_text(r, "request", "ID"), "HASH");
		return false;
	}
	if (!has_seen_all) {
		cli_error("it was not shown to its end");
		return false;
	}
	printf("type %s to answer: ", verdict);
	fflush(stdout);
	return fgets(typed, sizeof(typed), stdin) && !strncmp(typed, verdict, strlen(verdict)) &&
	       typed[strlen(verdict)] == '\n';
}

/* The last answer that was missing: what came of it? */
static void tell_outcome(const struct answer *a, const char *id)
{
	struct timespec nap = {.tv_nsec = 50 * 1000000};
	for (int ms = 0; ms < OUTCOME_MS; ms += 50) {
		json_t *r = NULL;
		if (get_request(id, a->token, &r) < 0)
			return;
		const char *state = json_text(r, "state", "?");
		bool is_over = !strcmp(state, "ended");
		bool is_idle = !strcmp(state, "pending") ||
			       (!strcmp(state, "approved") && json_number(r, "waiting") == 0 &&
				json_number(r, "release"));
		if (is_over || is_idle) {
			const char *outcome = json_text(json_object_get(r, "outcome"), "text", NULL);
			printf("request %s  ", id);
			approval_print(outcome	 ? outcome
				       : is_over ? json_text(r, "end_reason", json_text(r, "end", "?"))
				       : !strcmp(state, "pending")
					       ? "answered; others are still asked"
					       : "approved; nobody waits now: it runs once it is sent again");
			if (*json_text(r, "grant", ""))
				printf("grant %s\n", json_text(r, "grant", ""));
			json_decref(r);
			return;
		}
		json_decref(r);
		nanosleep(&nap, NULL);
	}
	printf("request %s  approved, and still running\n", id);
}

static int give(const struct answer *a, const char *id, const char *verdict)
{
	json_t *r = NULL, *answer = NULL;
	char path[256];
	if (request_path(id, "/vote", path) < 0 || get_request(id, a->token, &r) < 0)
		return 1;
	bool has_all = approval_show(r, !a->hash); /* with its hash it was read before */
	if (!is_meant(a, r, has_all, verdict)) {
		json_decref(r);
		return 1;
	}
	json_t *body = vote_body(a, verdict, json_text(r, "hash", ""));
	int err = body ? api_do("POST", path, body, &answer) : -1;
	json_decref(body);
	if (err == 0) {
		printf("request %s  your answer \"%s\" is event %lld of the record\n", id, verdict,
		       json_number(answer, "seq"));
		if (!a->no_wait && !strcmp(verdict, "approve"))
			tell_outcome(a, id);
	}
	json_decref(answer);
	json_decref(r);
	return err < 0;
}

int cmd_approve(int argc, char **argv)
{
	struct answer a = {0};
	const struct cli_option options[] = {{"token-file", &a.token, NULL, NULL},
					     {"hash", &a.hash, NULL, NULL},
					     {"words", &a.words, NULL, NULL},
					     {"choice", &a.choice, NULL, NULL},
					     {"for", &a.for_text, NULL, NULL},
					     {"uses", &a.uses, NULL, NULL},
					     {"resource", &a.resource, NULL, NULL},
					     {"relation", NULL, NULL, &a.relations},
					     {"class", NULL, NULL, &a.classes},
					     {"no-wait", NULL, &a.no_wait, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2 || !a.token)
		return cli_usage("approve", "needs a request and --token-file");
	if (a.for_text && cli_seconds(a.for_text) <= 0)
		return cli_usage("approve", "--for %s is not understood, expected 90s, 15m, 8h or 7d",
				 a.for_text);
	if (a.uses && (strspn(a.uses, "0123456789") != strlen(a.uses) || strtol(a.uses, NULL, 10) < 1))
		return cli_usage("approve", "--uses %s is not understood, expected a number from 1 on", a.uses);
	return give(&a, argv[1], "approve");
}

int cmd_deny(int argc, char **argv)
{
	struct answer a = {0};
	const struct cli_option options[] = {{"token-file", &a.token, NULL, NULL},
					     {"hash", &a.hash, NULL, NULL},
					     {"reason", &a.words, NULL, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2 || !a.token || !a.words)
		return cli_usage("deny", "needs a request, --token-file and --reason");
	return give(&a, argv[1], "deny");
}
