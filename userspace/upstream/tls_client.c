#include "upstream/tls_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "upstream/tls.h"

#define FILE_MAX  (1024 * 1024) /* a bundle of roots */
#define READ_MAX  16384

static const char *const modes[] = {
    [TLS_DISABLE] = "disable",	   [TLS_PREFER] = "prefer",	      [TLS_REQUIRE] = "require",
    [TLS_VERIFY_CA] = "verify-ca", [TLS_VERIFY_FULL] = "verify-full",
};

static int say(char why[WHY_MAX], int err, const char *text)
{
	snprintf(why, WHY_MAX, "%s", text);
	return err;
}

static int mode_of(const struct credential *c, enum tls_mode *ret)
{
	const char *text = credential_get(c, "sslmode");
	if (!text ||
	    !strcmp(text, "allow")) /* which asks for it when it is demanded: so do we, first */
		text = "prefer";
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(text, modes[i]))
			continue;
		*ret = (enum tls_mode)i;
		return 0;
	}
	return ERR_CONFIG;
}

/* ---- what a credential's files hold ---- */

/* Whom files are asked for, and the sum of all that a client is made from. */
struct reader {
	struct msg_line *monitor;
	EVP_MD_CTX *sum;
};

/* What everybody may read is read without the monitor: a bundle need not lie among credentials. */
static int open_file(struct reader *in, const char *path, bool is_secret, int *ret_fd,
		     char *why)
{
	char source[4096];
	int fd = is_secret ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	if ((size_t)snprintf(source, sizeof(source), "file:%s", path) >= sizeof(source))
		return say(why, ERR_CONFIG, "a file of the credential has too long a path");
	return credential_file(in->monitor, source, ret_fd, why);
}

static BIO *read_file(struct reader *in, const char *path, bool is_secret, char *why)
{
	_cleanup_(closep) int fd = -1;
	struct buf b;
	if (open_file(in, path, is_secret, &fd, why) < 0)
		return NULL;
	buf_init(&b, FILE_MAX);
	/* Of a key at once, as memory that is grown out of is not wiped. */
	uint8_t *room = buf_reserve(&b, is_secret ? 4 * READ_MAX : READ_MAX);
	for (ssize_t n = 1; n > 0; room = buf_reserve(&b, READ_MAX)) {
		n = room ? read(fd, room, READ_MAX) : -1;
		if (n > 0)
			buf_commit(&b, (size_t)n);
		else if (n < 0)
			b.err = ERR_LIMIT;
	}
	uint64_t len = buf_len(&b);
	bool is_summed = !buf_err(&b) && EVP_DigestUpdate(in->sum, &len, sizeof(len)) &&
			 EVP_DigestUpdate(in->sum, buf_span(&b).p, len);
	BIO *bio = is_summed ? BIO_new(BIO_s_mem()) : NULL;
	if (bio && BIO_write(bio, buf_span(&b).p, (int)buf_len(&b)) < 0) {
		BIO_free(bio);
		bio = NULL;
	}
	buf_wipe(&b);
	if (!bio)
		say(why, ERR_CONFIG, "a file that the credential names cannot be read");
	return bio;
}

static int add_roots(SSL_CTX *ctx, BIO *bio)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	int n = 0;
	for (X509 *x; (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++) {
		int ok = X509_STORE_add_cert(store, x);
		X509_free(x);
		if (!ok)
			return 0;
	}
	return n;
}

static int load_roots(struct reader *in, SSL_CTX *ctx, const char *path, char *why)
{
	if (!path || !strcmp(path, "system"))
		return SSL_CTX_set_default_verify_paths(ctx) == 1
			   ? 0
			   : say(why, ERR_CONFIG,
				 "the system's store of certificates cannot be read");
	BIO *bio = read_file(in, path, false, why);
	if (!bio)
		return ERR_CONFIG;
	int n = add_roots(ctx, bio);
	BIO_free(bio);
	return n ? 0 : say(why, ERR_CONFIG, "sslrootcert holds no certificate");
}

static int load_crl(struct reader *in, SSL_CTX *ctx, const char *path, char *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *bio = path ? read_file(in, path, false, why) : NULL;
	int n = 0;
	if (!bio)
		return path ? ERR_CONFIG : 0;
	for (X509_CRL *x; (x = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)); n++) {
		X509_STORE_add_crl(store, x);
		X509_CRL_free(x);
	}
	BIO_free(bio);
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return n ? 0 : say(why, ERR_CONFIG, "sslcrl holds no revocation list");
}

static int load_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	int ok = x && SSL_CTX_use_certificate(ctx, x) == 1;
	X509_free(x);
	while (ok && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		ok = SSL_CTX_add0_chain_cert(ctx, x) == 1;
	return ok;
}

static int password(char *out, int size, int writes, void *ctx)
{
	const char *text = ctx ? ctx : "";
	(void)writes;
	int n = (int)strlen(text);
	if (n > size)
		return -1;
	memcpy(out, text, (size_t)n);
	return n;
}

static int load_key(SSL_CTX *ctx, BIO *bio, const char *secret)
{
	EVP_PKEY *k = PEM_read_bio_PrivateKey(bio, NULL, password, (void *)secret);
	int ok = k && SSL_CTX_use_PrivateKey(ctx, k) == 1 && SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(k);
	return ok;
}

/* The BIO wipes its memory when it is freed (BUF_MEM). */
static int load_certificate(struct reader *in, SSL_CTX *ctx, const struct credential *c,
			    char *why)
{
	const char *cert = credential_get(c, "sslcert"), *key = credential_get(c, "sslkey");
	if (!cert && !key)
		return 0;
	if (!cert || !key)
		return say(why, ERR_CONFIG, "sslcert and sslkey go together in a credential");
	BIO *chain = read_file(in, cert, false, why);
	BIO *secret = chain ? read_file(in, key, true, why) : NULL;
	int err = secret ? 0 : ERR_CONFIG;
	if (!err && !load_chain(ctx, chain))
		err = say(why, ERR_CONFIG, "sslcert holds no certificate");
	if (!err && !load_key(ctx, secret, credential_get(c, "sslpassword")))
		err = say(why, ERR_CONFIG, "sslkey cannot be read, or is not that of sslcert");
	BIO_free(chain);
	BIO_free(secret);
	return err;
}

static void set_versions(SSL_CTX *ctx, const struct credential *c)
{
	static const struct {
		const char *name;
		int version;
	} known[] = {{"TLSv1.2", TLS1_2_VERSION}, {"TLSv1.3", TLS1_3_VERSION}};
	const char *min = credential_get(c, "ssl_min_protocol_version"),
		   *max = credential_get(c, "ssl_max_protocol_version");
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (min && !strcmp(min, known[i].name))
			SSL_CTX_set_min_proto_version(ctx, known[i].version);
		if (max && !strcmp(max, known[i].name))
			SSL_CTX_set_max_proto_version(ctx, known[i].version);
	}
}

static int fill(struct reader *in, struct tls_client *t, const struct credential *c,
		char *why)
{
	/* ALPN, as PostgreSQL 17 wants it with direct TLS; older ones do not look. */
	static const uint8_t alpn[] = "\012postgresql";
	const char *roots = credential_get(c, "sslrootcert");
	if (t->mode == TLS_REQUIRE && roots)
		t->mode = TLS_VERIFY_CA;
	set_versions(t->ctx, c);
	int err = 0;
	if (t->mode >= TLS_VERIFY_CA)
		err = load_roots(in, t->ctx, roots, why);
	if (!err && t->mode >= TLS_VERIFY_CA)
		err = load_crl(in, t->ctx, credential_get(c, "sslcrl"), why);
	if (!err)
		err = load_certificate(in, t->ctx, c, why);
	if (!err && SSL_CTX_set_alpn_protos(t->ctx, alpn, sizeof(alpn) - 1))
		err = say(why, -ENOMEM, "out of memory");
	SSL_CTX_set_verify(t->ctx, t->mode >= TLS_VERIFY_CA ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
			   NULL);
	return err;
}

/* All that makes one client another, beside what the files hold. */
static bool add_options(EVP_MD_CTX *sum, const struct tls_client *t, const struct credential *c)
{
	static const char *const keys[] = {"sslrootcert", "sslcrl", "sslcert", "sslkey", "ssl_min_protocol_version",
					   "ssl_max_protocol_version"};
	int how[] = {(int)t->mode, t->is_direct, t->has_sni};
	bool ok = EVP_DigestInit_ex(sum, EVP_sha256(), NULL) && EVP_DigestUpdate(sum, how, sizeof(how)) &&
		  EVP_DigestUpdate(sum, t->host, strlen(t->host) + 1);
	for (size_t i = 0; ok && i < ARRAY_LEN(keys); i++) {
		const char *value = credential_get(c, keys[i]);
		ok = EVP_DigestUpdate(sum, value ? value : "", value ? strlen(value) + 1 : 1);
	}
	return ok;
}

int tls_client_new(struct msg_line *monitor, const struct credential *c, const char *host,
		   struct tls_client **ret_c, char why[WHY_MAX])
{
	const char *sni = credential_get(c, "sslsni"), *how = credential_get(c, "sslnegotiation");
	enum tls_mode mode;
	if (mode_of(c, &mode))
		return say(why, ERR_CONFIG, "the credential's sslmode is none that exists");
	if (mode == TLS_DISABLE) {
		*ret_c = NULL;
		return 0;
	}
	struct tls_client *t = calloc(1, sizeof(*t));
	if (!t)
		return say(why, -ENOMEM, "out of memory");
	t->refs = 1;
	t->made_ns = clock_mono_ns();
	t->mode = mode;
	t->is_direct = how && !strcmp(how, "direct");
	t->has_sni = !sni || strcmp(sni, "0");
	snprintf(t->host, sizeof(t->host), "%s", host);
	t->ctx = tls_context(false);
	struct reader in = {.monitor = monitor, .sum = EVP_MD_CTX_new()};
	int err = t->ctx && in.sum && add_options(in.sum, t, c) ? fill(&in, t, c, why)
								: say(why, -ENOMEM, "out of memory");
	if (!err && !EVP_DigestFinal_ex(in.sum, t->sum, NULL))
		err = -ENOMEM;
	EVP_MD_CTX_free(in.sum);
	if (!err && t->is_direct && t->mode < TLS_REQUIRE)
		err = say(why, ERR_CONFIG, "sslnegotiation=direct needs sslmode=require or more");
	if (!err && t->mode == TLS_VERIFY_FULL && !host[0])
		err =
		    say(why, ERR_CONFIG, "sslmode=verify-full: the upstream has no name to verify");
	if (err) {
		tls_client_unref(t);
		return err;
	}
	*ret_c = tls_client_share(t);
	return 0;
}

bool tls_client_is_verified(const struct tls_client *c)
{
	return c->mode == TLS_VERIFY_FULL;
}

/* ---- on a connection ---- */

static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	for (;;) {
		uint64_t now = clock_mono_ns();
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		int n = poll(&p, 1, (int)((deadline_ns - now) / NS_PER_MS) + 1);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

/* Exactly one byte is read: whatever stands behind it goes to TLS, and never passes for something
 * that came through it (CVE-2021-23222). */
static int ask(int fd, uint64_t deadline_ns, char *ret_answer)
{
	static const uint8_t request[] = {0, 0, 0, 8, 4, 210, 22, 47};
	if (send(fd, request, sizeof(request), MSG_NOSIGNAL) != sizeof(request))
		return -EPIPE;
	for (;;) {
		int err = wait_for(fd, POLLIN, deadline_ns);
		if (err)
			return err;
		ssize_t n = recv(fd, ret_answer, 1, MSG_DONTWAIT);
		if (n == 1)
			return 0;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return n ? -errno : -ECONNRESET;
	}
}

static bool is_address(const char *host)
{
	struct addr a;
	return addr_parse_ip(host, &a) == 0;
}

static int expect_host(const struct tls_client *c, SSL *ssl)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
	bool is_ip = is_address(c->host);
	if (c->host[0] && !is_ip && c->has_sni && SSL_set_tlsext_host_name(ssl, c->host) != 1)
		return -ENOMEM;
	if (c->mode != TLS_VERIFY_FULL)
		return 0;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	int ok = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(p, c->host)
		       : X509_VERIFY_PARAM_set1_host(p, c->host, 0);
	return ok == 1 ? 0 : -ENOMEM;
}

static int shake(struct tls *t, int fd, uint64_t deadline_ns)
{
	for (;;) {
		int err = tls_handshake(t);
		if (err != -EAGAIN)
			return err;
		err = wait_for(fd, tls_wants_write(t) ? POLLOUT : POLLIN, deadline_ns);
		if (err)
			return err;
	}
}

static int negotiate(struct tls_client *c, int fd, uint64_t deadline_ns, char why[WHY_MAX])
{
	char answer = 'S';
	int err = c->is_direct ? 0 : ask(fd, deadline_ns, &answer);
	if (err)
		return say(why, err, "the upstream does not answer the request for TLS");
	if (answer == 'S')
		return 0;
	if (answer == 'N' && c->mode == TLS_PREFER)
		return 1;
	return say(why, ERR_UPSTREAM,
		   answer == 'N'
		       ? "the upstream has no TLS, and the credential demands it (sslmode)"
		       : "the upstream refuses the request for TLS");
}

int tls_client_start(struct tls_client *c, int fd, uint64_t deadline_ns, struct tls **ret_t,
		     char why[WHY_MAX])
{
	struct tls *t = NULL;
	int err = negotiate(c, fd, deadline_ns, why);
	if (err)
		return err > 0 ? 0 : err;
	err = tls_new(c->ctx, fd, false, (struct span){0}, &t);
	if (!err)
		err = expect_host(c, tls_ssl(t));
	if (!err)
		err = shake(t, fd, deadline_ns);
	if (err)
		snprintf(why, WHY_MAX, "TLS with the upstream failed: %s",
			 t && tls_why(t)[0] ? tls_why(t) : err_text(err));
	if (err)
		tls_free(t);
	else
		*ret_t = t;
	return err;
}
