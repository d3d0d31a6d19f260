/* One TLS connection over a socket that is read and written here: SSL without its own I/O, so that
 * bytes which were read before it began can be given to it, and no write raises SIGPIPE. TLS 1.2
 * and up, no renegotiation, no compression, no resumption. Not shared between threads at one time.
 *
 * Nothing stays readable inside: what tls_read leaves, the socket still has (no read-ahead, and
 * room for a whole record each time), so a level-triggered poll of the socket is enough. */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/span.h"

struct ssl_ctx_st;
struct ssl_st;

#define TLS_RECORD_MAX 16384 /* plaintext of one record: the least room that tls_read needs */

struct tls;

/* fd: borrowed, non-blocking. first: bytes of the peer that were read already; copied. */
must_check int tls_new(struct ssl_ctx_st *ctx, int fd, bool is_server, struct span first,
		       struct tls **ret_t);
void tls_free(struct tls *t);
struct ssl_st *tls_ssl(struct tls *t);

/* Bytes; 0: the end; -EAGAIN; ERR_VERIFY: the peer's certificate; -ECONNRESET, -EPROTO: tls_why.
 * The first ones do the handshake. */
ssize_t tls_read(struct tls *t, void *p, size_t n);
ssize_t tls_write(struct tls *t, const void *p, size_t n);
/* Says that nothing more will be written; the socket stays open. */
void tls_shut(struct tls *t);
/* Handshake alone. 0, -EAGAIN, or as above. */
must_check int tls_handshake(struct tls *t);
/* Does it wait for room in the socket, whatever was called? */
bool tls_wants_write(const struct tls *t);
/* Does it wait for its own certificate (SSL_CTX_set_cert_cb)? */
bool tls_wants_certificate(const struct tls *t);
/* It came (0), or will not come: the handshake goes on with the next read, which asks for it again.
 */
void tls_certificate_came(struct tls *t, int err);
bool tls_certificate_failed(const struct tls *t);
/* Whose it is, for the callbacks of a context. */
void tls_set_owner(struct tls *t, void *owner, bool demands_alpn);
void *tls_owner(const struct tls *t);
bool tls_demands_alpn(const struct tls *t);
/* Is there something to read that the socket does not tell of: bytes of "first", the peer's end,
 * a handshake that its certificate came for? */
bool tls_is_primed(const struct tls *t);
/* Why it failed, for people, in OpenSSL's words; "" if the connection broke. t's. */
const char *tls_why(const struct tls *t);

/* The hash of the server's certificate that a login can be bound to (tls-server-end-point, RFC 5929, 4). Its length; 0:
 * there is none, as the certificate's signature names no hash. */
size_t tls_server_end_point(const struct tls *t, uint8_t *ret, size_t size);

/* What a context of ours has in common, whichever side. NULL: out of memory. */
struct ssl_ctx_st *tls_context(bool is_server);
