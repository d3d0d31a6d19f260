/* The closed table: what a child may ask, and that anything else is the end of it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "priv/monitor_internal.h"

#include "../../tap.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct monitor m;
static char dir[] = "/tmp/requests-test-XXXXXX";

/* The answer's text, or NULL if the peer would be ended. */
static char *ask(enum child_kind kind, const char *request)
{
	int ends[2];
	struct msg in = {.json = json_loads(request, 0, NULL)}, answer = {0};
	CHECK(in.json != NULL);
	CHECK_INT(msg_pair(ends), 0);
	struct child c = {.m = &m, .kind = kind, .call_fd = ends[0], .notify_fd = -1};
	int r = request_answer(&c, &in);
	char *text = r == 0 && msg_recv(ends[1], &answer) == 0
			     ? json_dumps(answer.json, JSON_COMPACT | JSON_SORT_KEYS)
			     : NULL;
	CHECK(r == 0 || r == ERR_MALFORMED);
	msg_done(&answer);
	msg_done(&in);
	close(ends[0]);
	close(ends[1]);
	return text;
}

static void ends_whoever_asks_wrongly(void)
{
	static const struct {
		enum child_kind kind;
		const char *request;
	} rows[] = {
		/* another child's requests */
		{CHILD_PROXY, "{\"t\":\"sign\",\"seq\":1,\"hash\":\"" HASH "\",\"time\":1}"},
		{CHILD_PROXY, "{\"t\":\"mint\",\"claims\":{}}"},
		{CHILD_PROXY, "{\"t\":\"enrol\"}"},
		{CHILD_PROXY, "{\"t\":\"open_key\",\"path\":\"/etc/shadow\"}"},
		{CHILD_CONTROL, "{\"t\":\"sign\",\"seq\":1,\"hash\":\"" HASH "\",\"time\":1}"},
		{CHILD_CONTROL, "{\"t\":\"credential\",\"source\":\"file:/x\"}"},
		{CHILD_RECORDER, "{\"t\":\"credential\",\"source\":\"file:/x\"}"},
		{CHILD_RECORDER, "{\"t\":\"workloads\"}"},
		/* nobody's */
		{CHILD_CONTROL, "{}"},
		{CHILD_CONTROL, "{\"t\":1}"},
		{CHILD_CONTROL, "{\"t\":\"exec\"}"},
		{CHILD_CONTROL, "{\"t\":\"\"}"},
		/* wrong in form */
		{CHILD_CONTROL, "{\"t\":\"enrol\",\"session\":\"../x\",\"pid\":2,\"state\":{}}"},
		{CHILD_CONTROL, "{\"t\":\"enrol\",\"session\":\"s-abc\",\"pid\":2}"},
		{CHILD_CONTROL, "{\"t\":\"enrol\",\"session\":\"s-abc\",\"pid\":1,\"state\":{}}"},
		{CHILD_CONTROL,
		 "{\"t\":\"enrol\",\"session\":\"s-abc\",\"pid\":2,\"state\":{}}"}, /* no pidfd */
		{CHILD_CONTROL,
		 "{\"t\":\"enrol\",\"session\":\"s-abc\",\"pid\":2,\"state\":{},\"cgroup\":\"/a/../b\"}"},
		{CHILD_CONTROL, "{\"t\":\"update\",\"cgroup_id\":1}"},
		{CHILD_CONTROL, "{\"t\":\"unenrol\",\"cgroup_id\":\"1\"}"},
		{CHILD_CONTROL, "{\"t\":\"managed\",\"pid\":0}"},
		{CHILD_CONTROL, "{\"t\":\"managed\",\"pid\":99999999999}"},
		{CHILD_CONTROL, "{\"t\":\"mint\"}"},
		{CHILD_PROXY, "{\"t\":\"credential\"}"},
		{CHILD_RECORDER, "{\"t\":\"sign\",\"seq\":-1,\"hash\":\"" HASH "\",\"time\":1}"},
		{CHILD_RECORDER, "{\"t\":\"sign\",\"seq\":1,\"hash\":\"xyz\",\"time\":1}"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = ask(rows[i].kind, rows[i].request);
		CHECK(text == NULL);
		if (text)
			printf("  %s -> %s\n", rows[i].request, text);
		free(text);
	}
}

static bool answers(enum child_kind kind, const char *request, const char *part)
{
	char *text = ask(kind, request);
	bool ok = text && strstr(text, part);
	if (!ok)
		printf("  %s -> %s\n", request, text ? text : "(ended)");
	free(text);
	return ok;
}

static void refuses_without_ending(void)
{
	CHECK(answers(CHILD_PROXY, "{\"t\":\"credential\",\"source\":\"file:/etc/shadow\"}",
		      "credential_dirs"));
	CHECK(answers(CHILD_PROXY, "{\"t\":\"credential\",\"source\":\"command:/bin/sh\"}",
		      "credential_dirs"));
	CHECK(answers(CHILD_PROXY, "{\"t\":\"credential\",\"source\":\"fd:none\"}", "inherited"));
	CHECK(answers(CHILD_PROXY, "{\"t\":\"credential\",\"source\":\"env:X\"}", "\"ok\":false"));
	CHECK(answers(CHILD_CONTROL, "{\"t\":\"open_key\",\"path\":\"/etc/shadow\"}", "key_dirs"));
	CHECK(answers(CHILD_CONTROL, "{\"t\":\"mint\",\"claims\":{\"sub\":\"x\"}}", "local issuer is off"));
	CHECK(answers(CHILD_CONTROL, "{\"t\":\"update\",\"cgroup_id\":5,\"state\":{}}", "\"ok\":false"));
	CHECK(answers(CHILD_CONTROL, "{\"t\":\"workloads\"}", "\"ok\":true"));
}

static void signs_only_what_rises(void)
{
	CHECK(answers(CHILD_RECORDER, "{\"t\":\"sign\",\"seq\":5,\"hash\":\"" HASH "\",\"time\":1}",
		      "\"sig\":\""));
	CHECK(answers(CHILD_RECORDER, "{\"t\":\"sign\",\"seq\":5,\"hash\":\"" HASH "\",\"time\":2}",
		      "\"ok\":false"));
	CHECK(answers(CHILD_RECORDER, "{\"t\":\"sign\",\"seq\":6,\"hash\":\"" HASH "\",\"time\":2}",
		      "\"ok\":true"));
}

int main(void)
{
	static const char *const files[] = {"node.key", "node.pub", "node.seq"};
	struct config *cfg = NULL;
	char why[200];
	if (!mkdtemp(dir) || config_load(NULL, &cfg, why, sizeof(why)) < 0)
		return 1;
	m = (struct monitor){.cfg = cfg, .keys_dir_fd = open(dir, O_RDONLY | O_DIRECTORY)};
	CHECK_INT(signer_init(&m.signer, m.keys_dir_fd), 0);
	ends_whoever_asks_wrongly();
	refuses_without_ending();
	signs_only_what_rises();
	signer_done(&m.signer);
	for (int i = 0; i < 3; i++)
		unlinkat(m.keys_dir_fd, files[i], 0);
	rmdir(dir);
	config_free(cfg);
	return tap_done();
}
