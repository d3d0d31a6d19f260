#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "config.h"
#include "console/console_internal.h"
#include "console/tls.h"

#define PEM_LIMIT (256 * 1024)

static int ask(int monitor_fd, const char *what, char **ret_text, size_t *ret_len,
	       struct tls_fault *fault)
{
	struct msg answer = {0};
	json_t *q = json_pack("{s:s,s:s}", "t", "open_tls", "what", what);
	int r = q ? msg_call(monitor_fd, q, NULL, 0, &answer) : -ENOMEM;
	json_decref(q);
	const char *why = r == 0 ? json_string_value(json_object_get(answer.json, "why")) : NULL;
	_cleanup_(closep) int fd = r == 0 ? msg_take_fd(&answer, 0) : -1;
	if (r == 0 && fd < 0)
		r = ERR_NOT_FOUND;
	if (r == 0)
		r = fd_read_all(fd, PEM_LIMIT, ret_text, ret_len);
	snprintf(fault->why, sizeof(fault->why), "%s", why ? why : err_text(r));
	msg_done(&answer);
	return r;
}

/* The first certificate is the server's own, the others are the chain above it. */
static int use_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *own = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL), *next;
	bool ok = own && SSL_CTX_use_certificate(ctx, own) == 1;
	X509_free(own);
	while (ok && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
			X509_free(next);
			ok = false;
		}
	ERR_clear_error(); /* the end of the file is one, too */
	return ok ? 0 : ERR_MALFORMED;
}

/* An encrypted key is of no use: nobody is here to be asked. */
static int no_passphrase(char *out, int size, int is_write, void *ctx)
{
	(void)out;
	(void)size;
	(void)is_write;
	(void)ctx;
	return -1;
}

static int use_key(SSL_CTX *ctx, BIO *bio)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	bool ok =
	    key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	return ok ? 0 : ERR_MALFORMED;
}

/* = RFC 7301: the one protocol that is spoken here. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned in_len, void *ctx)
{
	static const unsigned char http11[] = "\x08http/1.1";
	(void)ssl;
	(void)ctx;
	unsigned char *chosen = NULL;
	if (SSL_select_next_proto(&chosen, out_len, http11, sizeof(http11) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	/* Early data can be replayed. */
	SSL_CTX_set_max_early_data(ctx, 0);
	return ctx;
}

static int load(int monitor_fd, SSL_CTX *ctx, const char *what, int (*use)(SSL_CTX *, BIO *),
		struct tls_fault *fault)
{
	char *text = NULL;
	size_t len = 0;
	int r = ask(monitor_fd, what, &text, &len, fault);
	BIO *bio = r == 0 ? BIO_new_mem_buf(text, (int)len) : NULL;
	if (r == 0)
		r = bio ? use(ctx, bio) : -ENOMEM;
	BIO_free(bio);
	if (text)
		OPENSSL_cleanse(text, len);
	free(text);
	if (r == ERR_MALFORMED)
		snprintf(
		    fault->why, sizeof(fault->why), "%s",
		    *what == 'c'
			? "it holds no certificate (PEM)"
			: "it holds no key (PEM, without a passphrase) that is the certificate's");
	return r;
}

int tls_read_context(int monitor_fd, const struct config *cfg, SSL_CTX **ret_ctx,
		     struct tls_fault *ret_fault)
{
	SSL_CTX *ctx = new_context();
	*ret_fault =
	    (struct tls_fault){"console.certificate", cfg->console_certificate, "out of memory"};
	int r = ctx ? load(monitor_fd, ctx, "certificate", use_chain, ret_fault) : -ENOMEM;
	if (r == 0) {
		*ret_fault = (struct tls_fault){"console.key", cfg->console_key, ""};
		r = load(monitor_fd, ctx, "key", use_key, ret_fault);
	}
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret_ctx = ctx;
	return 0;
}

int tls_load(struct console *c)
{
	struct tls_fault fault;
	SSL_CTX *ctx = NULL;
	int r = tls_read_context(c->env->call_fd, c->cfg, &ctx, &fault);
	c->fault[0] = 0;
	if (r < 0) {
		snprintf(c->fault, sizeof(c->fault), "\"%s\": %s: %s", fault.key, fault.path,
			 fault.why);
		log_error("%s", c->fault);
		return r;
	}
	SSL_CTX_free(c->tls); /* connections hold their own reference */
	c->tls = ctx;
	return 0;
}

void tls_tell(struct console *c)
{
	const X509 *own = c->tls ? SSL_CTX_get0_certificate(c->tls) : NULL;
	json_t *j = json_pack("{s:s,s:I,s:s}", "t", "certificate", "until",
			      (json_int_t)ossl_good_until(own), "fault", c->fault);
	int r = c->control_fd < 0 ? 0 : j ? msg_send(c->control_fd, j, NULL, 0) : -ENOMEM;
	json_decref(j);
	if (r < 0)
		log_warn("control is not told of the certificate: %s", err_text(r));
}
