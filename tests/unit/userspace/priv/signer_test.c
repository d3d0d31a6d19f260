#include "priv/signer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ossl.h"

#include "../../tap.h"

static char dir[] = "/tmp/signer-test-XXXXXX";
static int dir_fd;

static struct checkpoint of(uint64_t seq)
{
	struct checkpoint c = {.seq = seq, .time = 99, .node = "n"};
	memset(c.hash, 0xab, HASH_LEN);
	memset(c.root, 0xcd, HASH_LEN);
	return c;
}

/* By the public key's file alone. */
static int verify(const struct checkpoint *c)
{
	uint8_t key[KEY_LEN];
	char path[100];
	snprintf(path, sizeof(path), "%s/node.pub", dir);
	return key_read(path, key) == 0 && checkpoint_check(c, key) == 0;
}

static void signs_what_rises(void)
{
	struct signer s;
	struct checkpoint c = of(7), again = of(7), less = of(6), next = of(8);
	CHECK_INT(signer_init(&s, dir_fd), 0);
	CHECK_INT(signer_sign(&s, &c), 0);
	CHECK(verify(&c));
	CHECK_INT(signer_sign(&s, &again), ERR_DENIED);
	CHECK_INT(signer_sign(&s, &less), ERR_DENIED);
	CHECK_INT(signer_sign(&s, &next), 0);
	c.seq = 8;
	CHECK(!verify(&c));
	signer_done(&s);
}

static void remembers_over_restarts(void)
{
	struct signer s;
	struct checkpoint same = of(8), next = of(9);
	CHECK_INT(signer_init(&s, dir_fd), 0);
	CHECK_INT(signer_sign(&s, &same), ERR_DENIED); /* the mark was kept */
	CHECK_INT(signer_sign(&s, &next), 0);
	CHECK(verify(&next)); /* the key too */
	signer_done(&s);
}

/* A tree of entries, each of one byte, and its growth from there. */
static void grow(struct tree *t, uint64_t to, uint8_t fill, struct buf *out, struct checkpoint *c)
{
	struct chain *chain;
	CHECK_INT(chain_new(&chain), 0);
	buf_reset(out);
	while (t->size < to) {
		uint8_t entry[HASH_LEN], leaf[1 + HASH_LEN] = {0};
		char hex[GROWTH_NODE + 1];
		memset(entry, fill, HASH_LEN);
		CHECK_INT(tree_leaf(chain, entry, leaf + 1), 0);
		CHECK_INT(tree_add(t, chain, entry, NULL), 0);
		hex_encode(leaf, sizeof(leaf), hex);
		buf_add(out, hex, GROWTH_NODE);
	}
	*c = of(to);
	CHECK_INT(tree_root(t, chain, c->root), 0);
	chain_free(chain);
}

static void signs_what_goes_on(void)
{
	struct signer s;
	struct tree t = {0}, other;
	struct buf nodes;
	struct checkpoint c;
	buf_init(&nodes, GROWTH_MAX);
	CHECK_INT(signer_init(&s, dir_fd), 0);
	grow(&t, 20, 1, &nodes, &c);
	CHECK_INT(signer_extend(&s, &c, 3, buf_span(&nodes)), ERR_STATE);
	CHECK_INT(signer_extend(&s, &c, 0, buf_span(&nodes)), 0);
	CHECK(verify(&c));
	CHECK_INT(signer_extend(&s, &c, 20, (struct span){0}), ERR_DENIED);
	signer_done(&s);

	CHECK_INT(signer_init(&s, dir_fd), 0); /* it is remembered */
	CHECK_INT(s.tree.size, 20);
	other = t;
	other.nodes[4][0] ^= 1; /* another past */
	grow(&other, 25, 2, &nodes, &c);
	CHECK_INT(signer_extend(&s, &c, 20, buf_span(&nodes)), ERR_VERIFY);
	grow(&t, 25, 2, &nodes, &c);
	CHECK_INT(signer_extend(&s, &c, 20, span_of(buf_span(&nodes).p, GROWTH_NODE)), ERR_VERIFY);
	CHECK_INT(signer_extend(&s, &c, 20, span_str("00")), ERR_VERIFY);
	CHECK_INT(s.tree.size, 20);
	CHECK_INT(signer_extend(&s, &c, 20, buf_span(&nodes)), 0);
	CHECK_INT(s.tree.size, 25);
	buf_done(&nodes);
	signer_done(&s);
}

static void keeps_the_key_to_itself(void)
{
	struct signer s;
	struct stat st;
	int status;
	CHECK_INT(fstatat(dir_fd, "node.key", &st, 0), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(signer_init(&s, dir_fd), 0);
	pid_t pid = fork();
	if (pid == 0) {
		uint8_t any = 0;
		for (int i = 0; i < 32; i++)
			any |= s.secret[i];
		_exit(any != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0); /* a fork sees zeros */
	signer_done(&s);
}

static void refuses_a_bad_key_file(void)
{
	struct signer s;
	CHECK_INT(fchmodat(dir_fd, "node.key", 0644, 0), 0);
	CHECK_INT(signer_init(&s, dir_fd), ERR_STATE);
	CHECK_INT(fchmodat(dir_fd, "node.key", 0600, 0), 0);
	int fd = openat(dir_fd, "node.seq", O_WRONLY | O_TRUNC);
	CHECK(write(fd, "nonsense", 8) == 8);
	close(fd);
	CHECK_INT(signer_init(&s, dir_fd), ERR_MALFORMED); /* never a mark of 0 instead */
	unlinkat(dir_fd, "node.key", 0);
	CHECK_INT(symlinkat("/etc/passwd", dir_fd, "node.key"), 0);
	CHECK(signer_init(&s, dir_fd) < 0);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	signs_what_rises();
	remembers_over_restarts();
	signs_what_goes_on();
	keeps_the_key_to_itself();
	refuses_a_bad_key_file();
	static const char *const names[] = {"node.key", "node.pub", "node.seq"};
	for (int i = 0; i < 3; i++)
		unlinkat(dir_fd, names[i], 0);
	rmdir(dir);
	return tap_done();
}
