#include "priv/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/msg.h"
#include "base/ossl.h"

#define SECRET_LEN 32
#define PAGE	   4096

static int write_all(int fd, const void *p, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, (const char *)p + at, len - at);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Replaces a file so that it is whole, old or new, whatever happens. */
static int replace_file(int dir_fd, const char *name, const void *p, size_t len, mode_t mode)
{
	char temp[64];
	snprintf(temp, sizeof(temp), ".%s.new", name);
	unlinkat(dir_fd, temp, 0);
	_cleanup_(closep) int fd =
		openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, p, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || renameat(dir_fd, temp, dir_fd, name) < 0 ||
		       fsync(dir_fd) < 0))
		r = -errno;
	return r;
}

static EVP_PKEY *key_of(const struct signer *s)
{
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, s->secret, SECRET_LEN);
}

static int create_key(struct signer *s)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t len = SECRET_LEN;
	int r = k && EVP_PKEY_get_raw_private_key(k, s->secret, &len) == 1 ? 0 : -EIO;
	EVP_PKEY_free(k);
	return r == 0 ? replace_file(s->dir_fd, "node.key", s->secret, SECRET_LEN, 0600) : r;
}

static int read_key(struct signer *s)
{
	struct stat st;
	_cleanup_(closep) int fd = openat(s->dir_fd, "node.key", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? create_key(s) : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_mode & 077 || st.st_uid != geteuid() || st.st_size != SECRET_LEN)
		return ERR_STATE;
	return read(fd, s->secret, SECRET_LEN) == SECRET_LEN ? 0 : -EIO;
}

static int write_public(struct signer *s)
{
	EVP_PKEY *k = key_of(s);
	BIO *b = BIO_new(BIO_s_mem());
	char *text = NULL;
	int r = k && b && PEM_write_bio_PUBKEY(b, k) == 1 ? 0 : -EIO;
	if (r == 0) {
		long len = BIO_get_mem_data(b, &text);
		r = replace_file(s->dir_fd, "node.pub", text, (size_t)len, 0644);
	}
	BIO_free(b);
	EVP_PKEY_free(k);
	return r;
}

static int read_mark(struct signer *s)
{
	_cleanup_(freep) char *text = NULL;
	char *end;
	size_t len = 0;
	_cleanup_(closep) int fd = openat(s->dir_fd, "node.seq", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	int r = fd_read_all(fd, 64, &text, &len);
	if (r < 0)
		return r;
	s->last_seq = strtoull(text, &end, 10);
	return end > text && *end == '\n' ? 0 : ERR_MALFORMED;
}

static int write_mark(struct signer *s, uint64_t seq)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", seq);
	return replace_file(s->dir_fd, "node.seq", text, (size_t)n, 0600);
}

int signer_init(struct signer *s, int keys_dir_fd)
{
	*s = (struct signer){.dir_fd = keys_dir_fd};
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	s->secret = page;
	int r = 0;
	if (madvise(page, PAGE, MADV_WIPEONFORK) < 0 || madvise(page, PAGE, MADV_DONTDUMP) < 0 ||
	    mlock(page, PAGE) < 0)
		r = -errno;
	if (r == 0)
		r = read_key(s);
	if (r == 0)
		r = read_mark(s);
	if (r == 0)
		r = write_public(s);
	if (r < 0)
		signer_done(s);
	return r;
}

void signer_done(struct signer *s)
{
	if (!s->secret)
		return;
	explicit_bzero(s->secret, SECRET_LEN);
	munmap(s->secret, PAGE);
	s->secret = NULL;
}

static int sign_text(const struct signer *s, const char *text, size_t len, uint8_t sig[64])
{
	EVP_PKEY *k = key_of(s);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t sig_len = 64;
	int r = k && c && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1 &&
		EVP_DigestSign(c, sig, &sig_len, (const uint8_t *)text, len) == 1 && sig_len == 64;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return r ? 0 : -EIO;
}

int signer_sign(struct signer *s, const char *node, uint64_t seq, const char *hash, int64_t time,
		char ret_hex[SIGNATURE_HEX])
{
	char text[256];
	uint8_t sig[64];
	if (seq <= s->last_seq)
		return ERR_DENIED;
	if (strlen(hash) != 64 || strspn(hash, "0123456789abcdef") != 64)
		return ERR_MALFORMED;
	int n = snprintf(text, sizeof(text), "sluice checkpoint\n%s\n%" PRIu64 "\n%s\n%" PRId64 "\n", node,
			 seq, hash, time);
	int r = n > 0 && (size_t)n < sizeof(text) ? sign_text(s, text, (size_t)n, sig) : ERR_LIMIT;
	if (r == 0)
		r = write_mark(s, seq);
	if (r < 0)
		return r;
	s->last_seq = seq;
	for (int i = 0; i < 64; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", sig[i]);
	return 0;
}

int signer_public(const struct signer *s, char ret_hex[PUBLIC_HEX])
{
	uint8_t key[32];
	size_t len = sizeof(key);
	EVP_PKEY *k = key_of(s);
	int r = k && EVP_PKEY_get_raw_public_key(k, key, &len) == 1 && len == sizeof(key) ? 0 : -EIO;
	EVP_PKEY_free(k);
	for (int i = 0; r == 0 && i < 32; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", key[i]);
	return r;
}
