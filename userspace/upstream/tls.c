#include "upstream/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/ossl.h"

struct tls {
	SSL *ssl;
	int fd;
	struct buf first; /* read before TLS began */
	void *owner;
	bool wants_write, wants_certificate, is_broken, demands_alpn;
	bool has_come, has_failed; /* the certificate that was waited for */
	char why[160];
};

/* ---- the socket, as OpenSSL sees it ---- */

static int bio_read(BIO *b, char *p, int n)
{
	struct tls *t = BIO_get_data(b);
	ssize_t got;
	BIO_clear_retry_flags(b);
	if (buf_len(&t->first)) {
		size_t some = MIN(buf_len(&t->first), (size_t)n);
		memcpy(p, buf_span(&t->first).p, some);
		buf_consume(&t->first, some);
		if (!buf_len(&t->first))
			buf_done(&t->first);
		return (int)some;
	}
	do
		got = recv(t->fd, p, (size_t)n, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(b);
	return (int)got;
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct tls *t = BIO_get_data(b);
	ssize_t put;
	BIO_clear_retry_flags(b);
	do
		put = send(t->fd, p, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0 && errno == EAGAIN)
		BIO_set_retry_write(b);
	return (int)put;
}

static long bio_ctrl(BIO *b, int what, long n, void *p)
{
	(void)b, (void)n, (void)p;
	return what == BIO_CTRL_FLUSH; /* nothing is kept back */
}

static BIO_METHOD *method;

/* Never freed: it lives as long as the process. */
__attribute__((constructor)) static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
	if (!method || !BIO_meth_set_read(method, bio_read) ||
	    !BIO_meth_set_write(method, bio_write) || !BIO_meth_set_ctrl(method, bio_ctrl))
		abort();
}

/* ---- contexts and connections ---- */

SSL_CTX *tls_context(bool is_server)
{
	SSL_CTX *c = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
	if (!c)
		return NULL;
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
				   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(c, 0);
	/* What waits to be written lies in a buffer that grows and moves. Idle ones hold no memory.
	 */
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				SSL_MODE_RELEASE_BUFFERS);
	return c;
}

int tls_new(SSL_CTX *ctx, int fd, bool is_server, struct span first, struct tls **ret_t)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO *b = t ? BIO_new(method) : NULL;
	if (!b) {
		free(t);
		return -ENOMEM;
	}
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	t->fd = fd;
	buf_init(&t->first, 256 * 1024);
	buf_add_span(&t->first, first);
	t->ssl = SSL_new(ctx);
	if (!t->ssl || buf_err(&t->first)) {
		BIO_free(b);
		tls_free(t);
		return -ENOMEM;
	}
	SSL_set_bio(t->ssl, b, b);
	SSL_set_app_data(t->ssl, t);
	if (is_server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	*ret_t = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	buf_done(&t->first);
	free(t);
}

SSL *tls_ssl(struct tls *t)
{
	return t->ssl;
}

/* ---- reading and writing ---- */

static int fail(struct tls *t)
{
	long verified = SSL_get_verify_result(t->ssl);
	unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;
	t->is_broken = true;
	if (verified != X509_V_OK) {
		snprintf(t->why, sizeof(t->why), "%s", X509_verify_cert_error_string(verified));
		return ERR_VERIFY;
	}
	snprintf(t->why, sizeof(t->why), "%s", text ? text : "");
	return text ? -EPROTO : -ECONNRESET;
}

/* Of a call that returned r <= 0. OpenSSL looks at the thread's queue of errors to say what it was:
 * it must have been empty before the call. */
static ssize_t result(struct tls *t, int r)
{
	t->wants_write = t->wants_certificate = false;
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_WRITE:
		t->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_WANT_X509_LOOKUP:
		t->wants_certificate = true;
		return -EAGAIN;
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return fail(t);
	}
}

static void before(void)
{
	ERR_clear_error();
}

ssize_t tls_read(struct tls *t, void *p, size_t n)
{
	size_t got = 0;
	if (t->is_broken)
		return -ECONNRESET;
	t->has_come = false;
	do {
		before();
		int r = SSL_read(t->ssl, (char *)p + got, (int)MIN(n - got, (size_t)INT32_MAX));
		if (r > 0) {
			got += (size_t)r;
			continue;
		}
		ssize_t err = result(t, r);
		return got ? (ssize_t)got : err; /* it will say so again */
	} while (n - got >= TLS_RECORD_MAX);
	return (ssize_t)got;
}

ssize_t tls_write(struct tls *t, const void *p, size_t n)
{
	if (t->is_broken)
		return -EPIPE;
	before();
	int r = SSL_write(t->ssl, p, (int)MIN(n, (size_t)INT32_MAX));
	if (r > 0) {
		t->wants_write = false;
		return r;
	}
	ssize_t err = result(t, r);
	return err ? err : -EPIPE;
}

int tls_handshake(struct tls *t)
{
	before();
	int r = SSL_do_handshake(t->ssl);
	if (r == 1)
		return 0;
	ssize_t err = result(t, r);
	return err ? (int)err : -ECONNRESET;
}

void tls_shut(struct tls *t)
{
	/* After a failure OpenSSL must not be called again; before the end of the handshake there
	 * is nothing to end. */
	if (t->is_broken || !SSL_is_init_finished(t->ssl))
		return;
	before();
	SSL_shutdown(t->ssl);
	ERR_clear_error();
}

bool tls_wants_write(const struct tls *t)
{
	return t->wants_write;
}

bool tls_wants_certificate(const struct tls *t)
{
	return t->wants_certificate;
}

void tls_certificate_came(struct tls *t, int err)
{
	t->wants_certificate = false;
	t->has_come = true;
	t->has_failed = err != 0;
}

bool tls_certificate_failed(const struct tls *t)
{
	return t->has_failed;
}

void tls_set_owner(struct tls *t, void *owner, bool demands_alpn)
{
	t->owner = owner;
	t->demands_alpn = demands_alpn;
}

void *tls_owner(const struct tls *t)
{
	return t->owner;
}

bool tls_demands_alpn(const struct tls *t)
{
	return t->demands_alpn;
}

bool tls_is_primed(const struct tls *t)
{
	return t->has_come || buf_len(&t->first) ||
	       (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN);
}

const char *tls_why(const struct tls *t)
{
	return t->why;
}

size_t tls_server_end_point(const struct tls *t, uint8_t *ret, size_t size)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	int nid = NID_undef;
	unsigned n = 0;
	uint8_t sum[EVP_MAX_MD_SIZE];
	if (!cert || !X509_get_signature_info(cert, &nid, NULL, NULL, NULL))
		return 0;
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	const EVP_MD *md = nid == NID_undef ? NULL : EVP_get_digestbynid(nid);
	if (!md || !X509_digest(cert, md, sum, &n) || n > size)
		return 0;
	memcpy(ret, sum, n);
	return n;
}
