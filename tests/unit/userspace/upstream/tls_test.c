/* Both ends of a TLS connection over a socket pair: whole, a byte at a time, with bytes read before
 * it began, and with a peer that breaks it. */
#include "upstream/tls.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/ossl.h"

#include "../../tap.h"

#define BIG (3 * TLS_RECORD_MAX + 77)

static SSL_CTX *server_ctx, *client_ctx;

static X509 *certificate(EVP_PKEY *k)
{
	X509 *x = X509_new();
	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const uint8_t *)"t", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, k);
	X509_sign(x, k, EVP_sha256());
	return x;
}

static void contexts(void)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *x = certificate(k);
	server_ctx = tls_context(true);
	client_ctx = tls_context(false);
	CHECK(SSL_CTX_use_certificate(server_ctx, x) == 1 &&
	      SSL_CTX_use_PrivateKey(server_ctx, k) == 1);
	X509_free(x);
	EVP_PKEY_free(k);
}

struct pair {
	int client_fd,
	    server_fd; /* of a relay between them: what is written comes out at the other end */
	int inner[2];
	struct tls *client, *server;
};

/* Moves at most n bytes each way through the relay. */
static void relay(struct pair *p, size_t n)
{
	static uint8_t bytes[65536];
	const int ways[2][2] = {{p->inner[0], p->inner[1]}, {p->inner[1], p->inner[0]}};
	for (int i = 0; i < 2; i++) {
		ssize_t got = recv(ways[i][0], bytes, MIN(n, sizeof(bytes)), MSG_DONTWAIT);
		if (got > 0)
			CHECK_INT(send(ways[i][1], bytes, (size_t)got, MSG_NOSIGNAL), got);
	}
}

static void pair_open(struct pair *p)
{
	int a[2], b[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) || socketpair(AF_UNIX, SOCK_STREAM, 0, b))
		abort();
	*p = (struct pair){.client_fd = a[0], .server_fd = b[0], .inner = {a[1], b[1]}};
	CHECK_INT(tls_new(client_ctx, p->client_fd, false, (struct span){0}, &p->client), 0);
}

static void pair_close(struct pair *p)
{
	tls_free(p->client);
	tls_free(p->server);
	close(p->client_fd);
	close(p->server_fd);
	close(p->inner[0]);
	close(p->inner[1]);
}

static bool shake(struct pair *p, size_t n)
{
	int c = -EAGAIN, s = -EAGAIN;
	for (int i = 0; i < 20000 && (c == -EAGAIN || s == -EAGAIN); i++) {
		c = c ? tls_handshake(p->client) : 0;
		relay(p, n);
		s = s ? tls_handshake(p->server) : 0;
		relay(p, n);
	}
	return !c && !s;
}

/* Everything that was written comes out, in order. */
static void carries(struct pair *p, size_t n)
{
	static uint8_t sent[BIG], got[BIG + TLS_RECORD_MAX];
	size_t out = 0, in = 0;
	for (size_t i = 0; i < BIG; i++)
		sent[i] = (uint8_t)(i * 7 + i / 251);
	for (int i = 0; i < 400000 && in < BIG; i++) {
		ssize_t put = out < BIG ? tls_write(p->client, sent + out, BIG - out) : 0;
		if (put > 0)
			out += (size_t)put;
		else if (out < BIG)
			CHECK_INT(put, -EAGAIN);
		relay(p, n);
		ssize_t some = tls_read(p->server, got + in, TLS_RECORD_MAX);
		if (some > 0)
			in += (size_t)some;
		else
			CHECK_INT(some, -EAGAIN);
	}
	CHECK_INT(in, BIG);
	CHECK(!memcmp(sent, got, BIG));
}

static void works(size_t n, bool is_carrying)
{
	struct pair p;
	uint8_t bytes[TLS_RECORD_MAX];
	pair_open(&p);
	CHECK_INT(tls_new(server_ctx, p.server_fd, true, (struct span){0}, &p.server), 0);
	CHECK(shake(&p, n));
	if (is_carrying)
		carries(&p, n);
	tls_shut(p.client);
	ssize_t end = -EAGAIN;
	for (int i = 0; i < 20000 && end == -EAGAIN; i++) {
		relay(&p, n);
		end = tls_read(p.server, bytes, sizeof(bytes));
	}
	CHECK_INT(end, 0);
	CHECK(tls_is_primed(p.server)); /* its end stays to be read */
	CHECK_STR(tls_why(p.server), "");
	pair_close(&p);
}

/* What was read before TLS began is its beginning; the socket has only the rest. */
static void begins_with(size_t n)
{
	struct pair p;
	uint8_t hello[8192];
	pair_open(&p);
	CHECK_INT(tls_handshake(p.client), -EAGAIN);
	ssize_t got = recv(p.inner[0], hello, sizeof(hello), MSG_DONTWAIT);
	CHECK(got > 100);
	size_t first = MIN(n, (size_t)got);
	CHECK_INT(tls_new(server_ctx, p.server_fd, true, span_of(hello, first), &p.server), 0);
	CHECK(tls_is_primed(p.server));
	CHECK_INT(send(p.inner[1], hello + first, (size_t)got - first, 0),
		  (ssize_t)((size_t)got - first));
	CHECK(shake(&p, 65536));
	CHECK(!tls_is_primed(p.server));
	pair_close(&p);
}

static void breaks(void)
{
	static const char *const peers[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff",
					    "\x16\x03\x01\x00\x05hello",
					    "\x15\x03\x01\x00\x02\x02\x28"};
	for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
		struct pair p;
		uint8_t bytes[TLS_RECORD_MAX];
		size_t len = i == 0 ? strlen(peers[0]) : i == 1 ? 5 : i == 2 ? 10 : 7;
		pair_open(&p);
		CHECK_INT(tls_new(server_ctx, p.server_fd, true, (struct span){0}, &p.server), 0);
		CHECK_INT(send(p.inner[1], peers[i], len, 0), (ssize_t)len);
		CHECK_INT(shutdown(p.inner[1], SHUT_WR), 0);
		ssize_t r = tls_read(p.server, bytes, sizeof(bytes));
		CHECK(r < 0 && r != -EAGAIN);
		CHECK_INT(tls_read(p.server, bytes, sizeof(bytes)),
			  -ECONNRESET); /* and not again */
		CHECK_INT(tls_write(p.server, "x", 1), -EPIPE);
		tls_shut(p.server);
		pair_close(&p);
	}
}

/* A peer whose certificate nobody vouches for, an old protocol, and one who is gone. */
static void refuses(void)
{
	struct pair p;
	SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, NULL);
	pair_open(&p);
	CHECK_INT(tls_new(server_ctx, p.server_fd, true, (struct span){0}, &p.server), 0);
	CHECK(!shake(&p, 65536));
	CHECK(strstr(tls_why(p.client), "self-signed") || strstr(tls_why(p.client), "self signed"));
	pair_close(&p);
	SSL_CTX_set_verify(client_ctx, SSL_VERIFY_NONE, NULL);
	pair_open(&p);
	SSL_set_min_proto_version(tls_ssl(p.client), TLS1_1_VERSION);
	SSL_set_max_proto_version(tls_ssl(p.client), TLS1_1_VERSION);
	SSL_set_security_level(tls_ssl(p.client), 0);
	CHECK_INT(tls_new(server_ctx, p.server_fd, true, (struct span){0}, &p.server), 0);
	CHECK(!shake(&p, 65536));
	pair_close(&p);
	pair_open(&p);
	CHECK_INT(tls_new(server_ctx, p.server_fd, true, (struct span){0}, &p.server), 0);
	CHECK(shake(&p, 65536));
	shutdown(p.client_fd, SHUT_RDWR);
	shutdown(p.inner[1], SHUT_RDWR);
	uint8_t bytes[TLS_RECORD_MAX];
	CHECK(tls_read(p.server, bytes, sizeof(bytes)) <= 0);
	CHECK(tls_write(p.server, "x", 1) < 0); /* and no SIGPIPE */
	pair_close(&p);
}

int main(void)
{
	signal(SIGPIPE, SIG_DFL);
	contexts();
	works(65536, true);
	works(1000, true);
	works(1, false);
	for (size_t n = 1; n < 4096; n = n * 3 + 1)
		begins_with(n);
	breaks();
	refuses();
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
	return tap_done();
}
