/* The local issuer: one Ed25519 key of this machine, its public half as a JWKS, and tokens by it. */
#include "identity/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/jw.h"
#include "base/macro.h"
#include "base/msg.h"
#include "identity/token.h"

#define KEY_FILE_MAX 4096
#define ED25519_LEN  32

static void free_key(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static void free_bio(BIO **b)
{
	BIO_free(*b);
}

/* Whole or not at all, with its mode from the start, on disk before it has its name. */
static int write_file(const char *path, struct span text, mode_t mode)
{
	_cleanup_(freep) char *tmp = NULL;
	if (asprintf(&tmp, "%s.%d.tmp", path, (int)getpid()) < 0)
		return -ENOMEM;
	_cleanup_(closep) int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text.p, text.len);
	int r = n < 0 ? -errno : (size_t)n != text.len ? -EIO : 0;
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r;
}

static int create_key(const char *path, EVP_PKEY **ret)
{
	_cleanup_(free_key) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	_cleanup_(free_bio) BIO *b = BIO_new(BIO_s_secmem());
	char *text = NULL;
	if (!key || !b || PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) != 1)
		return -ENOMEM;
	long n = BIO_get_mem_data(b, &text);
	int r = write_file(path, span_of(text, (size_t)n), 0600);
	OPENSSL_cleanse(text, (size_t)n);
	if (r == 0)
		*ret = TAKE(key);
	return r;
}

/* A key that others could read or put there is none. */
static int check_owner(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	return 0;
}

static int read_key(int fd, EVP_PKEY **ret)
{
	char *text = NULL;
	size_t len = 0;
	int r = check_owner(fd);
	r = r < 0 ? r : fd_read_all(fd, KEY_FILE_MAX, &text, &len);
	if (r < 0)
		return r;
	_cleanup_(free_bio) BIO *b = BIO_new_mem_buf(text, (int)len);
	_cleanup_(free_key) EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, NULL, "") : NULL;
	OPENSSL_cleanse(text, len);
	free(text);
	ERR_clear_error();
	if (!key || !EVP_PKEY_is_a(key, "ED25519"))
		return ERR_MALFORMED;
	*ret = TAKE(key);
	return 0;
}

/* The key's public half as canonical members, and its name by RFC 7638: SHA-256 over the required
 * members in order, so it never changes while the key does not. */
static int name_key(EVP_PKEY *key, struct buf *ret_x, struct buf *ret_kid)
{
	uint8_t pub[ED25519_LEN], md[SHA256_DIGEST_LENGTH];
	size_t len = sizeof(pub);
	if (EVP_PKEY_get_raw_public_key(key, pub, &len) != 1)
		return ERR_MALFORMED;
	buf_add_base64url(ret_x, span_of(pub, len));
	buf_add_u8(ret_x, 0);
	struct buf thumb;
	buf_init(&thumb, 256);
	buf_printf(&thumb, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", (const char *)buf_span(ret_x).p);
	struct span s = buf_span(&thumb);
	SHA256(s.p, s.len, md);
	buf_add_base64url(ret_kid, span_of(md, sizeof(md)));
	buf_add_u8(ret_kid, 0);
	int r = buf_err(&thumb) ? buf_err(&thumb) : buf_err(ret_x) ? buf_err(ret_x) : buf_err(ret_kid);
	buf_done(&thumb);
	return r;
}

static int write_jwks(EVP_PKEY *key, const char *path)
{
	struct buf x, kid, text;
	buf_init(&x, 128);
	buf_init(&kid, 128);
	buf_init(&text, 1024);
	int r = name_key(key, &x, &kid);
	if (r == 0) {
		buf_printf(&text,
			   "{\"keys\":[{\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"kid\":\"%s\",\"kty\":\"OKP\","
			   "\"use\":\"sig\",\"x\":\"%s\"}]}\n",
			   (const char *)buf_span(&kid).p, (const char *)buf_span(&x).p);
		r = buf_err(&text) ? buf_err(&text) : write_file(path, buf_span(&text), 0644);
	}
	buf_done(&x);
	buf_done(&kid);
	buf_done(&text);
	return r;
}

int local_key_load(const char *key_path, const char *jwks_path, void **ret_pkey)
{
	_cleanup_(free_key) EVP_PKEY *key = NULL;
	_cleanup_(closep) int fd = open(key_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	int r = fd >= 0 ? read_key(fd, &key) : create_key(key_path, &key);
	r = r < 0 ? r : write_jwks(key, jwks_path);
	if (r < 0)
		return r;
	*ret_pkey = TAKE(key);
	return 0;
}

static int sign(EVP_PKEY *key, struct span text, struct buf *out)
{
	uint8_t sig[64];
	size_t len = sizeof(sig);
	EVP_MD_CTX *m = EVP_MD_CTX_new();
	bool ok = m && EVP_DigestSignInit(m, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestSign(m, sig, &len, text.p, text.len) == 1;
	EVP_MD_CTX_free(m);
	ERR_clear_error();
	if (!ok)
		return ERR_VERIFY;
	buf_add_u8(out, '.');
	buf_add_base64url(out, span_of(sig, len));
	return buf_err(out);
}

static int write_token(EVP_PKEY *key, struct span claims, const char *kid, struct buf *out)
{
	struct buf header;
	buf_init(&header, 256);
	buf_printf(&header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":\"JWT\"}", kid);
	buf_add_base64url(out, buf_span(&header));
	buf_add_u8(out, '.');
	buf_add_base64url(out, claims);
	int r = buf_err(&header) ? buf_err(&header) : buf_err(out);
	buf_done(&header);
	return r < 0 ? r : sign(key, buf_span(out), out);
}

int token_mint(void *pkey, struct span claims_json, struct buf *ret_token)
{
	json_t *claims = NULL;
	struct buf x, kid, token;
	int r = strict_object(claims_json, &claims);
	if (r < 0)
		return r;
	json_decref(claims);
	buf_init(&x, 128);
	buf_init(&kid, 128);
	buf_init(&token, TOKEN_MAX);
	r = name_key(pkey, &x, &kid);
	r = r < 0 ? r : write_token(pkey, claims_json, (const char *)buf_span(&kid).p, &token);
	if (r == 0) {
		buf_add_span(ret_token, buf_span(&token));
		r = buf_err(ret_token);
	}
	buf_done(&x);
	buf_done(&kid);
	buf_wipe(&token);
	return r;
}

void local_key_free(void *pkey)
{
	EVP_PKEY_free(pkey);
}
