/* Checkpoints to an https sink: taken under the given authority and the right name, and to nobody else does a
 * byte of them go. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../tap.h"
#include "base/log.h"
#include "base/ossl.h"
#include "control/sinks.h"

#define WAIT_MS 20000
#define LINE	"checkpoint sluice/node-07 7"

static char dir[] = "/tmp/sluice-sinks-XXXXXX";

/* name.pem, name.key: self-signed, so its own authority. */
static void make_cert(const char *name, const char *alternative)
{
	char command[700];
	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=sink "
		 "-addext subjectAltName=%s -keyout %s/%s.key -out %s/%s.pem 2>/dev/null",
		 alternative, dir, name, dir, name);
	CHECK_INT(system(command), 0);
}

struct sink {
	SSL_CTX *tls; /* NULL: it speaks plain */
	int fd, port;
	struct sinks *sinks;
	char url[64], ca[64];
};

/* A server with this certificate (NULL: without TLS), and sinks that send there and trust ca. */
static void begin(struct sink *k, const char *cert, const char *host, const char *ca)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	char file[80], why[1300] = "";
	*k = (struct sink){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (bind(k->fd, (struct sockaddr *)&in, len) < 0 || listen(k->fd, 5) < 0 ||
	    getsockname(k->fd, (struct sockaddr *)&in, &len) < 0)
		abort();
	if (cert) {
		k->tls = SSL_CTX_new(TLS_server_method());
		snprintf(file, sizeof(file), "%s/%s.pem", dir, cert);
		CHECK_INT(SSL_CTX_use_certificate_file(k->tls, file, SSL_FILETYPE_PEM), 1);
		snprintf(file, sizeof(file), "%s/%s.key", dir, cert);
		CHECK_INT(SSL_CTX_use_PrivateKey_file(k->tls, file, SSL_FILETYPE_PEM), 1);
	}
	snprintf(k->url, sizeof(k->url), "https://%s:%d/audit", host, ntohs(in.sin_port));
	snprintf(k->ca, sizeof(k->ca), "%s/%s.pem", dir, ca);
	struct config cfg = {
	    .node = "node-07", .audit_sinks = {k->url}, .n_audit_sinks = 1, .audit_sink_ca = k->ca};
	CHECK_INT(sinks_start(&cfg, &k->sinks, why, sizeof(why)), 0);
	CHECK_STR(why, "");
	sinks_put(k->sinks, LINE);
}

static void end(struct sink *k)
{
	close(k->fd); /* so that the last try ends at once */
	sinks_stop(k->sinks);
	SSL_CTX_free(k->tls);
}

static int accepted(const struct sink *k)
{
	const struct timeval timeout = {.tv_sec = WAIT_MS / 1000};
	struct pollfd p = {.fd = k->fd, .events = POLLIN};
	int peer = poll(&p, 1, WAIT_MS) == 1 ? accept(k->fd, NULL, NULL) : -1;
	CHECK(peer >= 0);
	if (peer >= 0)
		setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return peer;
}

/* One POST, answered with the status. */
static void takes(const struct sink *k, const char *status)
{
	char all[8192] = "", out[200];
	size_t n = 0;
	int peer = accepted(k);
	SSL *ssl = SSL_new(k->tls);
	SSL_set_fd(ssl, peer);
	CHECK_INT(SSL_accept(ssl), 1);
	CHECK(SSL_version(ssl) >= TLS1_2_VERSION);
	for (int got = 1; got > 0 && !strstr(all, LINE); n += got > 0 ? (size_t)got : 0)
		got = SSL_read(ssl, all + n, (int)(sizeof(all) - n - 1));
	CHECK(!strncmp(all, "POST /audit HTTP/1.1", 20) && strstr(all, "Content-Type: text/plain"));
	CHECK(strstr(all, LINE) != NULL);
	int len = snprintf(out, sizeof(out), "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
	CHECK_INT(SSL_write(ssl, out, len), len);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(peer);
}

/* A connection that comes to nothing: no request is read from it. */
static void gets_nothing(const struct sink *k)
{
	char any[64];
	int peer = accepted(k);
	SSL *ssl = SSL_new(k->tls);
	SSL_set_fd(ssl, peer);
	if (SSL_accept(ssl) == 1) /* TLS 1.3: the client's refusal comes behind the server's end of it */
		CHECK(SSL_read(ssl, any, sizeof(any)) <= 0);
	else
		CHECK(true);
	SSL_free(ssl);
	close(peer);
}

static void sends_until_it_is_taken(void)
{
	struct sink k;
	begin(&k, "good", "127.0.0.1", "good");
	takes(&k, "503 Later");
	takes(&k, "204 No Content");
	struct pollfd p = {.fd = k.fd, .events = POLLIN};
	CHECK_INT(poll(&p, 1, 300), 0); /* and then no more */
	end(&k);
}

/* Another authority's certificate, and one for another name: tried again, and never sent to. */
static void sends_to_nobody_else(void)
{
	static const struct {
		const char *cert, *host, *ca;
	} cases[] = {{"other", "127.0.0.1", "good"}, {"good", "localhost", "good"}, {"named", "127.0.0.1", "named"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sink k;
		begin(&k, cases[i].cert, cases[i].host, cases[i].ca);
		gets_nothing(&k);
		gets_nothing(&k);
		end(&k);
	}
}

/* A server without TLS sees the start of a handshake. */
static void sends_nothing_in_the_clear(void)
{
	struct sink k;
	char all[4096] = "";
	begin(&k, NULL, "127.0.0.1", "good");
	int peer = accepted(&k);
	ssize_t n = recv(peer, all, sizeof(all) - 1, 0);
	CHECK(n > 5 && all[0] == 0x16); /* RFC 8446 5.1: handshake */
	CHECK(!memmem(all, sizeof(all), "checkpoint", 10));
	CHECK_INT(write(peer, "HTTP/1.1 204 No Content\r\n\r\n", 27), 27);
	close(peer);
	peer = accepted(&k); /* that was no answer */
	close(peer);
	end(&k);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* a peer that hangs up is an errno */
	char command[100];
	log_init("test", LOG_ERROR + 1);
	if (!mkdtemp(dir))
		abort();
	make_cert("good", "IP:127.0.0.1");
	make_cert("other", "IP:127.0.0.1");
	make_cert("named", "DNS:sink.example.com");
	sends_until_it_is_taken();
	sends_to_nobody_else();
	sends_nothing_in_the_clear();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	CHECK_INT(system(command), 0);
	return tap_done();
}
