/* The peer's bytes, as a server and as a client, some of them read before TLS began. */
#include "upstream/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ossl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static SSL_CTX *context(bool is_server)
{
	SSL_CTX *c = tls_context(is_server);
	EVP_PKEY *k = is_server ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") : NULL;
	X509 *x = k ? X509_new() : NULL;
	if (!x)
		return c;
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, k);
	if (!X509_sign(x, k, EVP_sha256()) || SSL_CTX_use_certificate(c, x) != 1 ||
	    SSL_CTX_use_PrivateKey(c, k) != 1)
		abort();
	X509_free(x);
	EVP_PKEY_free(k);
	return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static SSL_CTX *contexts[2];
	static uint8_t bytes[TLS_RECORD_MAX];
	struct tls *t;
	int ends[2];
	if (size < 2 || size > 16384)
		return 0;
	bool is_server = data[0] & 1;
	size_t first = is_server ? data[1] : 0;
	data += 2, size -= 2;
	first = first < size ? first : size;
	if (!contexts[is_server])
		contexts[is_server] = context(is_server);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ||
	    send(ends[1], data + first, size - first, 0) < 0 ||
	    tls_new(contexts[is_server], ends[0], is_server, span_of(data, first), &t))
		abort();
	shutdown(ends[1], SHUT_WR);
	ssize_t r = 1;
	for (int i = 0; i < 64 && (r > 0 || r == -EAGAIN); i++)
		r = tls_read(t, bytes, sizeof(bytes));
	if (r > 0 && !SSL_is_init_finished(tls_ssl(t)))
		abort(); /* nothing is told before the handshake is over */
	(void)tls_is_primed(t);
	tls_shut(t);
	tls_free(t);
	close(ends[0]);
	close(ends[1]);
	return 0;
}
