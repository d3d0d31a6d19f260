/* The closed table: what a child may ask, and that anything else is the end of it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "priv/monitor_internal.h"

#include "../../tap.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOT_HASH "\"root\":\"" HASH "\",\"hash\":\"" HASH "\""

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
		{CHILD_PROXY, "{\"t\":\"sign\",\"seq\":1," ROOT_HASH ",\"time\":1}"},
		{CHILD_PROXY, "{\"t\":\"mint\",\"claims\":{}}"},
		{CHILD_PROXY, "{\"t\":\"enrol\"}"},
		{CHILD_PROXY, "{\"t\":\"open_key\",\"path\":\"/etc/shadow\"}"},
		{CHILD_CONTROL, "{\"t\":\"sign\",\"seq\":1," ROOT_HASH ",\"time\":1}"},
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
		{CHILD_RECORDER, "{\"t\":\"sign\",\"seq\":-1," ROOT_HASH ",\"time\":1}"},
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

/* What the recorder asks for: the tree of so many entries, and its growth from the one before. */
static bool asks_to_sign(struct tree *t, uint64_t from, uint64_t seq, const char *part)
{
	struct chain *chain;
	struct buf b;
	char hex[GROWTH_NODE + 1], root_hex[HASH_HEX + 1];
	uint8_t root[HASH_LEN], leaf[1 + HASH_LEN] = {0}, entry[HASH_LEN] = {7};
	buf_init(&b, 64 * 1024);
	CHECK_INT(chain_new(&chain), 0);
	buf_printf(&b, "{\"t\":\"sign\",\"seq\":%llu,\"from\":%llu,\"time\":1,\"hash\":\"" HASH "\",\"nodes\":\"",
		   (unsigned long long)seq, (unsigned long long)from);
	while (t->size < seq) {
		CHECK_INT(tree_leaf(chain, entry, leaf + 1), 0);
		CHECK_INT(tree_add(t, chain, entry, NULL), 0);
		hex_encode(leaf, sizeof(leaf), hex);
		buf_add(&b, hex, GROWTH_NODE);
	}
	CHECK_INT(tree_root(t, chain, root), 0);
	chain_free(chain);
	hex_encode(root, HASH_LEN, root_hex);
	buf_printf(&b, "\",\"root\":\"%.*s\"}", HASH_HEX, root_hex);
	buf_add_u8(&b, 0);
	bool ok = answers(CHILD_RECORDER, (const char *)buf_span(&b).p, part);
	buf_done(&b);
	return ok;
}

static void signs_only_what_rises(void)
{
	struct tree t = {0};
	CHECK(asks_to_sign(&t, 0, 5, "\"sig\":\""));
	CHECK(asks_to_sign(&t, 5, 5, "\"ok\":false"));
	CHECK(asks_to_sign(&t, 5, 6, "\"ok\":true"));
}

/* --- command: ------------------------------------------------------------------------------------- */

static void put_script(const char *name, const char *text)
{
	int fd = openat(m.keys_dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0755);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, 0755) == 0);
	close(fd);
}

static void stop_loop(struct source *s, uint32_t events)
{
	(void)s;
	(void)events;
	loop_stop(m.loop);
}

/* Runs it as the proxy would have it run, until the answer is there; its secret, or "" and why. */
static void run_command(const char *name, char secret[100], char why[200])
{
	int ends[2];
	char source[200];
	struct msg answer = {0};
	snprintf(source, sizeof(source), "command:%s/%s", dir, name);
	struct msg in = {.json = json_pack("{s:s,s:s}", "t", "credential", "source", source)};
	CHECK_INT(loop_new(&m.loop), 0);
	CHECK_INT(msg_pair(ends), 0);
	static struct child c;
	c = (struct child){.m = &m, .kind = CHILD_PROXY, .call_fd = ends[0], .notify_fd = -1};
	struct source done = {ends[1], EPOLLIN, stop_loop, false};
	CHECK_INT(request_answer(&c, &in), 0);
	CHECK(c.command.is_active);
	CHECK_INT(loop_add(m.loop, &done), 0);
	CHECK_INT(loop_run(m.loop), 0);
	CHECK_INT(msg_recv(ends[1], &answer), 0);
	CHECK(!c.command.is_active);
	memset(secret, 0, 100);
	const char *text = json_string_value(json_object_get(answer.json, "why"));
	snprintf(why, 200, "%s", text ? text : "");
	if (answer.n_fds == 1)
		CHECK(read(answer.fds[0], secret, 99) >= 0);
	msg_done(&answer);
	msg_done(&in);
	close(ends[0]);
	close(ends[1]);
	loop_free(m.loop);
	m.loop = NULL;
}

static void runs_credential_commands(void)
{
	char secret[100], why[200];
	if (geteuid() != 0) {
		SKIP("needs root");
		return;
	}
	CHECK_INT(chmod(dir, 0755), 0);
	put_script("good", "#!/bin/sh\necho user=app password=s3cret; echo noise >&2\n");
	put_script("bad", "#!/bin/sh\necho half a secret; exit 3\n");
	put_script("whoami", "#!/bin/sh\nid -u; ls /proc/self/fd | wc -l\n");
	run_command("good", secret, why);
	CHECK_STR(secret, "user=app password=s3cret\n");
	run_command("bad", secret, why);
	CHECK_STR(secret, "");
	CHECK(strstr(why, "failed") != NULL);
	run_command("whoami", secret, why);
	CHECK(!strncmp(secret, "65534\n", 6)); /* the unprivileged user, never root */
	unlinkat(m.keys_dir_fd, "good", 0);
	unlinkat(m.keys_dir_fd, "bad", 0);
	unlinkat(m.keys_dir_fd, "whoami", 0);
}

int main(void)
{
	static const char *const files[] = {"node.key", "node.pub", "node.seq"};
	struct config *cfg = NULL;
	char why[200], text[300];
	if (!mkdtemp(dir))
		return 1;
	snprintf(text, sizeof(text), "{\"user\":\"nobody\",\"credential_dirs\":[\"%s\"]}", dir);
	if (config_parse(span_str(text), "test", &cfg, why, sizeof(why)) < 0)
		return 1;
	m = (struct monitor){.cfg = cfg, .keys_dir_fd = open(dir, O_RDONLY | O_DIRECTORY)};
	CHECK_INT(signer_init(&m.signer, m.keys_dir_fd), 0);
	ends_whoever_asks_wrongly();
	refuses_without_ending();
	signs_only_what_rises();
	runs_credential_commands();
	signer_done(&m.signer);
	for (int i = 0; i < 3; i++)
		unlinkat(m.keys_dir_fd, files[i], 0);
	rmdir(dir);
	config_free(cfg);
	return tap_done();
}
