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
#define MARK_MAX   (2 * TREE_EDGE_MAX + 64)

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

/* "SIZE EDGE" and a newline. */
static int read_tree(struct signer *s, const char *text)
{
	uint8_t edge[TREE_EDGE_MAX];
	char *end;
	uint64_t size = strtoull(text, &end, 10);
	size_t n = *end == ' ' ? strcspn(end + 1, "\n") : 0;
	if (!n || n > 2 * sizeof(edge) || n % 2 || hex_decode(span_of((uint8_t *)end + 1, n), edge, n / 2) < 0)
		return ERR_MALFORMED;
	return tree_read(span_of(edge, n / 2), size, &s->tree);
}

static int read_mark(struct signer *s)
{
	_cleanup_(freep) char *text = NULL;
	char *end;
	size_t len = 0;
	_cleanup_(closep) int fd = openat(s->dir_fd, "node.seq", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	int r = fd_read_all(fd, MARK_MAX, &text, &len);
	if (r < 0)
		return r;
	s->last_seq = strtoull(text, &end, 10);
	if (end == text || *end != '\n')
		return ERR_MALFORMED;
	return end[1] ? read_tree(s, end + 1) : 0; /* an older version's has no tree */
}

static int write_mark(struct signer *s, uint64_t seq)
{
	uint8_t edge[TREE_EDGE_MAX];
	char text[MARK_MAX], hex[2 * TREE_EDGE_MAX + 1] = "";
	hex_encode(edge, tree_edge(&s->tree, edge), hex);
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", seq);
	if (s->tree.size)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%" PRIu64 " %s\n", s->tree.size, hex);
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

static int sign_text(const struct signer *s, struct span text, uint8_t sig[SIG_LEN])
{
	EVP_PKEY *k = key_of(s);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t sig_len = SIG_LEN;
	int r = k && c && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1 &&
		EVP_DigestSign(c, sig, &sig_len, text.p, text.len) == 1 && sig_len == SIG_LEN;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return r ? 0 : -EIO;
}

int signer_sign(struct signer *s, struct checkpoint *c)
{
	struct buf text;
	uint8_t key[KEY_LEN];
	if (c->seq <= s->last_seq)
		return ERR_DENIED;
	int r = signer_public(s, key);
	if (r < 0)
		return r;
	buf_init(&text, NOTE_MAX);
	checkpoint_text(&text, c);
	r = buf_err(&text);
	if (r == 0)
		r = sign_text(s, buf_span(&text), c->sig);
	if (r == 0)
		r = write_mark(s, c->seq);
	if (r == 0) {
		checkpoint_key_id(c->node, key, c->key_id);
		s->last_seq = c->seq;
	}
	buf_done(&text);
	return r;
}

/* The tree that the nodes lead to, if it is the checkpoint's. */
static int grow(const struct signer *s, const struct checkpoint *c, struct span nodes, struct tree *ret_t)
{
	struct chain *chain;
	uint8_t root[HASH_LEN];
	int r = chain_new(&chain);
	if (r < 0)
		return r;
	*ret_t = s->tree;
	r = growth_take(nodes, chain, ret_t);
	if (r == 0)
		r = tree_root(ret_t, chain, root);
	chain_free(chain);
	if (r == 0 && (ret_t->size != c->seq || memcmp(root, c->root, HASH_LEN) != 0))
		r = ERR_VERIFY;
	return r == ERR_MALFORMED ? ERR_VERIFY : r;
}

int signer_extend(struct signer *s, struct checkpoint *c, uint64_t from, struct span nodes)
{
	struct tree before = s->tree, grown;
	if (c->seq <= s->last_seq)
		return ERR_DENIED;
	if (from != s->tree.size)
		return ERR_STATE;
	int r = grow(s, c, nodes, &grown);
	if (r < 0)
		return r;
	s->tree = grown; /* goes to the disk with the mark */
	r = signer_sign(s, c);
	if (r < 0)
		s->tree = before;
	return r;
}

int signer_public(const struct signer *s, uint8_t ret_key[KEY_LEN])
{
	size_t len = KEY_LEN;
	EVP_PKEY *k = key_of(s);
	int r = k && EVP_PKEY_get_raw_public_key(k, ret_key, &len) == 1 && len == KEY_LEN ? 0 : -EIO;
	EVP_PKEY_free(k);
	return r;
}
