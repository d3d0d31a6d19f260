/* Exchanges over HTTP and HTTPS, against a real server on loopback that answers well, hugely, slowly, by a
 * redirect, or not at all. Python is the server. */
#include "identity/fetch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macro.h"

#include "../../tap.h"

#define TIMEOUT_MS 700
#define LIMIT	   262144

static char dir[] = "/tmp/sluice-fetch-XXXXXX";

/* Prints its plain and its TLS port; serves until killed. */
static const char server[] =
	"import http.server, ssl, sys, threading, time\n"
	"class H(http.server.BaseHTTPRequestHandler):\n"
	"    def log_message(self, *a): pass\n"
	"    def send(self, status, body, headers=()):\n"
	"        self.send_response(status)\n"
	"        for k, v in headers: self.send_header(k, v)\n"
	"        self.end_headers()\n"
	"        try: self.wfile.write(body)\n"
	"        except OSError: pass\n"
	"    def do_POST(self):\n"
	"        h = self.headers\n"
	"        body = self.rfile.read(int(h['Content-Length'])).decode()\n"
	"        said = ' '.join(['POST', self.path, h['Content-Type'], body, h['Authorization'], h['X-Seven']])\n"
	"        self.send(201, said.encode())\n"
	"    def do_GET(self):\n"
	"        p = self.path\n"
	"        if p == '/good': self.send(200, b'{\"keys\":[]}', [('Content-Length', '11')])\n"
	"        elif p == '/redirect': self.send(302, b'', [('Location', '/good')])\n"
	"        elif p == '/missing': self.send(404, b'{\"keys\":[]}')\n"
	"        elif p == '/empty': self.send(200, b'')\n"
	"        elif p == '/limit': self.send(200, b' ' * 262144)\n"
	"        elif p == '/huge': self.send(200, b' ' * 262145)\n"
	"        elif p == '/huge-told': self.send(200, b'', [('Content-Length', '100000000')])\n"
	"        elif p == '/endless':\n"
	"            self.send(200, b'')\n"
	"            try:\n"
	"                while True: self.wfile.write(b' ' * 65536)\n"
	"            except OSError: pass\n"
	"        elif p == '/slow':\n"
	"            self.send(200, b'')\n"
	"            try:\n"
	"                while True: self.wfile.write(b' '); time.sleep(0.1)\n"
	"            except OSError: pass\n"
	"        elif p == '/silent': time.sleep(5)\n"
	"plain = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\n"
	"tls = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\n"
	"c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
	"c.load_cert_chain(sys.argv[1] + '/cert.pem', sys.argv[1] + '/key.pem')\n"
	"tls.socket = c.wrap_socket(tls.socket, server_side=True)\n"
	"threading.Thread(target=tls.serve_forever, daemon=True).start()\n"
	"print(plain.server_port, tls.server_port, flush=True)\n"
	"plain.serve_forever()\n";

static pid_t start_server(int *ret_plain, int *ret_tls)
{
	char command[600], line[64] = "";
	int out[2];
	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 "
		 "-addext subjectAltName=IP:127.0.0.1 -keyout %s/key.pem -out %s/cert.pem 2>/dev/null", dir, dir);
	if (system(command) != 0 || pipe(out) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(out[1], 1);
		execlp("python3", "python3", "-c", server, dir, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	FILE *f = fdopen(out[0], "r");
	bool ok = fgets(line, sizeof(line), f) && sscanf(line, "%d %d", ret_plain, ret_tls) == 2;
	fclose(f);
	return ok ? pid : -1;
}

static int fetch(const char *ca, const char *form, int port, size_t *ret_len)
{
	char url[200], why[300] = "";
	char *text = NULL;
	*ret_len = 0;
	snprintf(url, sizeof(url), form, port);
	struct fetch f = {.url = url, .ca_file = ca, .timeout_ms = TIMEOUT_MS, .limit = LIMIT};
	long status = 0;
	int r = fetch_url(&f, &status, &text, ret_len, why, sizeof(why));
	CHECK((r == 0) == (text != NULL));
	CHECK((r < 0) == (why[0] != 0));
	free(text);
	return r == 0 && status != 200 ? (int)status : r;
}

static void fetches_within_bounds(int port)
{
	static const struct {
		const char *form;
		int expected;
		size_t len;
	} rows[] = {
		{"http://127.0.0.1:%d/good", 0, 11},
		{"http://127.0.0.1:%d/empty", 0, 0},
		{"http://127.0.0.1:%d/limit", 0, LIMIT},
		{"http://127.0.0.1:%d/huge", ERR_LIMIT, 0},
		{"http://127.0.0.1:%d/huge-told", ERR_LIMIT, 0},
		{"http://127.0.0.1:%d/endless", ERR_LIMIT, 0},
		{"http://127.0.0.1:%d/redirect", 302, 0},
		{"http://127.0.0.1:%d/missing", 404, 11},
		{"http://127.0.0.1:%d/slow", -ETIMEDOUT, 0},
		{"http://127.0.0.1:%d/silent", -ETIMEDOUT, 0},
		{"https://127.0.0.1:%d/good", ERR_UPSTREAM, 0}, /* speaks no TLS */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len;
		uint64_t start = clock_mono_ns();
		CHECK_INT(fetch(NULL, rows[i].form, port, &len), rows[i].expected);
		CHECK_INT(len, rows[i].len);
		CHECK((clock_mono_ns() - start) / NS_PER_MS < 3 * TIMEOUT_MS);
	}
}

static void refuses_urls(void)
{
	static const char *const rows[] = {
		"http://localhost/k", "http://192.0.2.1/k", "http://127.0.0.1.example/k", "ftp://127.0.0.1/k",
		"file:///etc/passwd", "https://u:p@127.0.0.1/k", "https://127.0.0.1/k#f", "127.0.0.1/k", "", "https://",
		"http://[::2]/k", "http://0.0.0.0/k", "HTTP://example.com/k", "gopher://127.0.0.1/",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len;
		CHECK_INT(fetch(NULL, rows[i], 0, &len), ERR_CONFIG);
	}
}

static void trusts_only_who_it_should(int port)
{
	char ca[64];
	size_t len;
	snprintf(ca, sizeof(ca), "%s/cert.pem", dir);
	CHECK_INT(fetch(ca, "https://127.0.0.1:%d/good", port, &len), 0);
	CHECK_INT(len, 11);
	CHECK_INT(fetch(NULL, "https://127.0.0.1:%d/good", port, &len), ERR_UPSTREAM);
	CHECK_INT(fetch(ca, "https://localhost:%d/good", port, &len), ERR_UPSTREAM); /* another name */
	CHECK_INT(fetch(ca, "https://127.0.0.1:%d/redirect", port, &len), 302);
}

/* What is posted, as whom, and with which header, arrives so. */
static void posts(int port)
{
	static const char *const expected = "POST /echo text/x hello Basic dTpwJTIw 7";
	char url[200], why[300];
	char *text = NULL;
	size_t len = 0;
	long status = 0;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/echo", port);
	struct fetch f = {.url = url,
			  .body = "hello",
			  .type = "text/x",
			  .user = "u",
			  .password = "p%20",
			  .headers = {"X-Seven: 7"},
			  .timeout_ms = TIMEOUT_MS,
			  .limit = LIMIT};
	CHECK_INT(fetch_url(&f, &status, &text, &len, why, sizeof(why)), 0);
	CHECK_INT(status, 201);
	CHECK_STR(text, expected);
	free(text);
}

int main(void)
{
	int plain = 0, tls = 0;
	/* A proxy in the environment is not for the loopback address. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	pid_t pid = mkdtemp(dir) ? start_server(&plain, &tls) : -1;
	if (pid < 0) {
		printf("FAIL %s: the server did not start\n", __FILE__);
		return 1;
	}
	fetches_within_bounds(plain);
	refuses_urls();
	posts(plain);
	trusts_only_who_it_should(tls);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	size_t len;
	CHECK_INT(fetch(NULL, "http://127.0.0.1:%d/good", plain, &len), ERR_UPSTREAM); /* nobody there */
	char path[64];
	static const char *const files[] = {"cert.pem", "key.pem"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	CHECK_INT(rmdir(dir), 0);
	return tap_done();
}
