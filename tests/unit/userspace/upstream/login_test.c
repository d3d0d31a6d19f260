/* Logging in to servers that do what servers should not: scripted bytes from a real socket. */
#include "../flow/rig.c" /* one program: what it needs of it is static */

#include "upstream/login.h"

struct script {
	const char *what;
	const char *bytes;
	size_t len;
	int err;
	const char *why;
};
#define B(s) s, sizeof(s) - 1

#define R(code) "R\0\0\0\x8\0\0\0" code
#define READY	"Z\0\0\0\5I"
#define KEY	"K\0\0\0\xc\0\0\0\7\0\0\0\x9"
#define STATUS                                                                                     \
	"S\0\0\0\xe"                                                                               \
	"TimeZone\0\0"

static const struct script scripts[] = {
    {"cleartext", B(R("\3")), ERR_DENIED, "in clear"},
    {"kerberos", B(R("\2")), ERR_UNSUPPORTED, "does not have"},
    {"GSS", B(R("\7")), ERR_UNSUPPORTED, "does not have"},
    {"only channel binding", B("R\0\0\0\x1c\0\0\0\xaSCRAM-SHA-256-PLUS\0\0"), ERR_UNSUPPORTED,
     "no way to log in"},
    {"SASL's middle first", B("R\0\0\0\xc\0\0\0\xbr=ab"), ERR_UNSUPPORTED, "does not have"},
    {"SASL's end first", B("R\0\0\0\xc\0\0\0\xcv=ab"), ERR_UNSUPPORTED, "does not have"},
    {"let in before it has shown who it is", B("R\0\0\0\x17\0\0\0\xaSCRAM-SHA-256\0\0" R("\0") KEY READY), ERR_VERIFY,
     "does not check out"},
    {"MD5 after SASL", B("R\0\0\0\x17\0\0\0\xaSCRAM-SHA-256\0\0" "R\0\0\0\xc\0\0\0\5abcd"), ERR_MALFORMED, "malformed"},
    {"MD5 with half a salt", B("R\0\0\0\xa\0\0\0\5ab"), ERR_MALFORMED, "malformed"},
    {"MD5, then in clear", B("R\0\0\0\xc\0\0\0\5abcd" R("\3")), ERR_MALFORMED, "malformed"},
    {"SASL without an end", B("R\0\0\0\xc\0\0\0\xaSCRA"), ERR_MALFORMED, "malformed"},
    {"another protocol", B("HTTP/1.1 400 Bad Request\r\n\r\n"), ERR_MALFORMED, "does not speak"},
    {"length 3", B("R\0\0\0\3"), ERR_MALFORMED, "does not speak"},
    {"length -1", B("R\xff\xff\xff\xff"), ERR_MALFORMED, "does not speak"},
    {"length 2^31", B("R\x80\0\0\0"), ERR_MALFORMED, "does not speak"},
    {"data before login", B("D\0\0\0\6\0\0"), ERR_MALFORMED, "does not speak"},
    {"refusal", B("E\0\0\0\x1eSFATAL\0C28P01\0Msecret name\0\0"), ERR_UPSTREAM, "SQLSTATE 28P01"},
    {"another refusal",
     B("E\0\0\0\x16"
       "C3D000\0Mno \xff"
       "base\0\0"),
     ERR_UPSTREAM, "no ?base"},
    {"refusal without an end", B("E\0\0\0\7SFA"), ERR_UPSTREAM, "refused the gateway"},
    {"closed at once", B(""), ERR_UPSTREAM, "closed the connection"},
    {"closed in a message", B("R\0\0\0\x8\0\0"), ERR_UPSTREAM, "closed the connection"},
    {"closed before ready", B(R("\0") KEY), ERR_UPSTREAM, "closed the connection"},
    {"ready before it has let us in", B("R\0\0\0\x17\0\0\0\xaSCRAM-SHA-256\0\0" READY), ERR_MALFORMED, "malformed"},
    {"settings before it has let us in", B(STATUS), ERR_MALFORMED, "malformed"},
    {"asks again behind its yes", B(R("\0") R("\3")), ERR_MALFORMED, "malformed"},
    {"trusted", B(R("\0") STATUS KEY READY), 0, ""},
    {"more behind", B(R("\0") STATUS KEY READY "N\0\0\0\5\0"), 0, ""},
};

static int server_fd, server_port;

static void *serve(void *arg)
{
	const struct script *s = arg;
	char startup[1024];
	int fd = accept4(server_fd, NULL, NULL, SOCK_CLOEXEC);
	if (read(fd, startup, sizeof(startup)) < 8)
		abort();
	/* TLS is asked for first, where the credential does not say. */
	if (write(fd, "N", 1) != 1 || read(fd, startup, sizeof(startup)) < 8)
		abort();
	if (send(fd, s->bytes, s->len, MSG_NOSIGNAL) < 0)
		abort();
	if (s->err == 0)
		read_within(fd, startup, 1, 1000); /* the gateway closes */
	close(fd);
	return NULL;
}

static void run(const struct script *s)
{
	char upstream[32];
	pthread_t t;
	struct login l;
	struct target to = {.resource = "r",
			    .upstream = upstream,
			    .credential = "file:/rig",
			    .database = "d",
			    .options = "-c a=b",
			    .application = "x"};
	snprintf(upstream, sizeof(upstream), "127.0.0.1:%d", server_port);
	pthread_create(&t, NULL, serve, (void *)s);
	login_init(&l);
	int err = login_postgres(&rig.proxy.monitor, &to, clock_mono_ns() + 2 * NS_PER_SEC, &l);
	if (err != s->err || !strstr(l.why, s->why))
		printf("row: %s: %s\n", s->what, l.why);
	CHECK_INT(err, s->err);
	CHECK(strstr(l.why, s->why));
	CHECK(!strstr(l.why, "secret"));
	if (!err) {
		CHECK_INT(l.pid, 7);
		CHECK_INT(l.key, 9);
		CHECK_INT(buf_len(&l.greeting), sizeof(STATUS) - 1);
		CHECK_INT(buf_len(&l.leftover), !strcmp(s->what, "trusted") ? 0 : 6);
	}
	login_done(&l);
	pthread_join(t, NULL);
}

/* A server that never answers, and one that is not there. */
static void test_silence(void)
{
	char upstream[32];
	struct login l;
	struct target to = {.resource = "r", .upstream = upstream, .credential = "file:/rig"};
	uint64_t from = clock_mono_ns();
	snprintf(upstream, sizeof(upstream), "127.0.0.1:%d", server_port);
	login_init(&l);
	CHECK_INT(login_postgres(&rig.proxy.monitor, &to, from + 500 * NS_PER_MS, &l), -ETIMEDOUT);
	CHECK(clock_mono_ns() - from < 2 * NS_PER_SEC);
	login_done(&l);
	int port;
	close(listen_on(&port));
	snprintf(upstream, sizeof(upstream), "127.0.0.1:%d", port);
	login_init(&l);
	CHECK_INT(login_postgres(&rig.proxy.monitor, &to, from + 5 * NS_PER_SEC, &l), ERR_UPSTREAM);
	CHECK(strstr(l.why, "cannot be reached"));
	login_done(&l);
	to.upstream = "no port";
	login_init(&l);
	CHECK_INT(login_postgres(&rig.proxy.monitor, &to, from + 5 * NS_PER_SEC, &l), ERR_CONFIG);
	login_done(&l);
}

static void test_environment(void)
{
	setenv("PGOPTIONS", "-c x=y", 1);
	setenv("PGPASSWORD", "ambient", 1);
	setenv("PGTZ", "UTC", 1);
	setenv("PATH_OF_OTHERS", "stays", 1);
	login_scrub_environment();
	CHECK(!getenv("PGOPTIONS") && !getenv("PGPASSWORD") && !getenv("PGTZ"));
	CHECK(getenv("PATH_OF_OTHERS") != NULL);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	test_environment();
	server_fd = listen_on(&server_port);
	rig_start();
	strcpy(rig.credential, "postgres://app:secret@x/");
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		run(&scripts[i]);
	test_silence();
	rig_stop();
	return tap_done();
}
