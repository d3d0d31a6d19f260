#include "config.h"

#include "base/addr.h"
#include "base/log.h"

#include "../tap.h"

static struct config *parse(const char *text, char why[400])
{
	struct config *c = NULL;
	why[0] = 0;
	return config_parse(span_str(text), "f.json", &c, why, 400) == 0 ? c : NULL;
}

static void gives_defaults(void)
{
	char why[400];
	struct config *c = parse("", why);
	CHECK(c != NULL);
	CHECK_STR(c->instance, "sluice");
	CHECK_STR(c->run_dir, "/run/sluice");
	CHECK_INT(c->n_credential_dirs, 1);
	CHECK_STR(c->credential_dirs[0], "/etc/sluice/credentials");
	CHECK(c->is_durable);
	CHECK(!c->has_local_issuer);
	CHECK(c->cgroup_root == NULL && c->metrics_listen == NULL);
	CHECK(c->node && *c->node);
	CHECK_INT(c->log_level, LOG_INFO);
	CHECK_INT(c->n_enrol_uids, 0);
	config_free(c);
	config_free(NULL);
}

/* What an installation begins with. */
static void takes_the_examples(void)
{
	static const char *const files[] = {"deploy/sluice.json", "deploy/sluice-console.json"};
	char why[400] = "";
	for (int i = 0; i < 2; i++) {
		struct config *c = NULL;
		CHECK_INT(config_load(files[i], &c, why, sizeof(why)), 0);
		if (c)
			CHECK_INT(c->console_listen != NULL, i);
		else
			printf("  %s\n", why);
		config_free(c);
	}
}

static void takes_every_kind(void)
{
	char why[400];
	struct config *c = parse(
		"{\"node\":\"n-1\",\"loops\":3,\"audit\":{\"durability\":\"memory\",\"segment_bytes\":"
		"1048576},"
		"\"enrol\":{\"users\":[\"root\",7],\"groups\":[0]},\"local_issuer\":{\"enabled\":true},"
		"\"key_dirs\":[\"/a\",\"/b/c\"],\"metrics_listen\":\"[::1]:9464\",\"log_level\":\"error\"}",
		why);
	CHECK_STR(why, "");
	CHECK(c != NULL);
	if (!c)
		return;
	CHECK_STR(c->node, "n-1");
	CHECK_INT(c->loops, 3);
	CHECK_INT(c->spin_us, 100);
	CHECK(!c->is_durable);
	CHECK_INT(c->store_bytes, 1048576);
	CHECK_INT(c->n_enrol_uids, 2);
	CHECK_INT(c->enrol_uids[0], 0);
	CHECK_INT(c->enrol_uids[1], 7);
	CHECK_INT(c->n_enrol_gids, 1);
	CHECK(c->has_local_issuer);
	CHECK_INT(c->n_key_dirs, 2);
	CHECK_STR(c->key_dirs[1], "/b/c");
	CHECK_STR(c->metrics_listen, "[::1]:9464");
	CHECK_INT(c->log_level, LOG_ERROR);
	config_free(c);
}

/* Every error has its place and says what was expected. */
static void tells_errors(void)
{
	static const struct {
		const char *text, *place, *expected;
	} rows[] = {
		{"{", "f.json:1:", ""},
		{"[]", "f.json:1:1: ", "expected an object"},
		{"{\"node\":\"a\",\n \"node\":\"b\"}", "f.json:2:", "duplicate"},
		{"{\n  \"nodes\": \"a\"}", "f.json:2:12: ", "no such key"},
		{"{\n  \"node\": 1}", "f.json:2:11: ", "expected a string"},
		{"{\"node\": \"a b\"}", "f.json:1:10: ", "letters"},
		{"{\"node\": \"\"}", "f.json:1:10: ", "letters"},
		{"{\"run_dir\": \"/\"}", "f.json:1:13: ", "bytes long"},
		{"{\"run_dir\": \"run\"}", "f.json:1:13: ", "absolute path"},
		{"{\"run_dir\": \"/a/../b\"}", "f.json:1:13: ", "absolute path"},
		{"{\"loops\": 17}", "f.json:1:11: ", "expected 0 to 16"},
		{"{\"spin_us\": 1001}", "f.json:1:13: ", "expected 0 to 1000"},
		{"{\"loops\": 1.5}", "f.json:1:11: ", "expected an integer"},
		{"{\"audit\": {\n \"durability\": \"maybe\"}}", "f.json:2:16: ", "memory|sync"},
		{"{\"audit\": {\"x\": 1}}", "f.json:1:17: ", "no such key"},
		{"{\"audit\": 1}", "f.json:1:11: ", "expected an object"},
		{"{\"audit.durability\": \"sync\"}", "f.json:1:", ""},
		{"{\"key_dirs\": [\"/a\", \"b\"]}", "f.json:1:21: ", "absolute path"},
		{"{\"key_dirs\": \"/a\"}", "f.json:1:14: ", "expected a list"},
		{"{\"enrol\": {\"users\": [\"root\", \"no-such-user-here\"]}}",
		 "f.json:1:30: ", "user of this machine"},
		{"{\"enrol\": {\"users\": [-1]}}", "f.json:1:22: ", "user of this machine"},
		{"{\"metrics_listen\": \"localhost:1\"}", "f.json:1:20: ", "address and a port"},
		{"{\"local_issuer\": {\"enabled\": \"yes\"}}", "f.json:1:30: ", "true or false"},
		{"{\"max_flows\": 0}", "f.json:1:15: ", "expected 1 to"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[400];
		struct config *c = parse(rows[i].text, why);
		CHECK(c == NULL || !strcmp(rows[i].text, "{\"audit.durability\": \"sync\"}"));
		if (c) {
			config_free(c);
			continue;
		}
		CHECK(!strncmp(why, rows[i].place, strlen(rows[i].place)));
		CHECK(strstr(why, rows[i].expected) != NULL);
		if (strncmp(why, rows[i].place, strlen(rows[i].place)) || !strstr(why, rows[i].expected))
			printf("  %s\n  -> %s\n", rows[i].text, why);
	}
}

static void reads_endpoints(void)
{
	static const struct {
		const char *text;
		int port; /* 0: refused */
	} rows[] = {
		{"127.0.0.1:80", 80},
		{"[::1]:65535", 65535},
		{"::1:80", 0},
		{"127.0.0.1", 0},
		{"127.0.0.1:0", 0},
		{"127.0.0.1:65536", 0},
		{":80", 0},
		{"127.0.0.1:", 0},
		{"127.0.0.1:8x", 0},
		{"[::1:80", 0},
		{"[127.0.0.1]:80", 80},
		{"host:80", 0},
		{"", 0},
		{"127.0.0.1:-1", 0},
		{"127.0.0.1:000080", 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = {.port = 0};
		CHECK_INT(config_endpoint(rows[i].text, &a) == 0 ? a.port : 0, rows[i].port);
	}
}

static void says_what_cannot_be_read(void)
{
	char why[400] = "";
	struct config *c = NULL;
	CHECK_INT(config_load("/no/such/file.json", &c, why, sizeof(why)), ERR_CONFIG);
	CHECK(!strncmp(why, "/no/such/file.json:1:1: ", 24));
	CHECK(c == NULL);
	CHECK_INT(config_load("/dev/null", &c, why, sizeof(why)), ERR_CONFIG);
	CHECK(strstr(why, "empty") != NULL);
}

int main(void)
{
	gives_defaults();
	takes_the_examples();
	takes_every_kind();
	tells_errors();
	reads_endpoints();
	says_what_cannot_be_read();
	return tap_done();
}
