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

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char dir[] = "/tmp/signer-test-XXXXXX";
static int dir_fd;

static int verify(const char *text, const char *hex)
{
	uint8_t sig[64];
	char path[100];
	unsigned byte;
	for (int i = 0; i < 64; i++) {
		sscanf(hex + 2 * i, "%2x", &byte);
		sig[i] = (uint8_t)byte;
	}
	snprintf(path, sizeof(path), "%s/node.pub", dir);
	FILE *f = fopen(path, "r");
	EVP_PKEY *k = f ? PEM_read_PUBKEY(f, NULL, NULL, NULL) : NULL;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int ok = k && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1 &&
		 EVP_DigestVerify(c, sig, 64, (const uint8_t *)text, strlen(text)) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	if (f)
		fclose(f);
	return ok;
}

static void signs_what_rises(void)
{
	struct signer s;
	char hex[SIGNATURE_HEX] = "";
	CHECK_INT(signer_init(&s, dir_fd), 0);
	CHECK_INT(signer_sign(&s, "n", 7, HASH, 99, hex), 0);
	CHECK_INT(strlen(hex), 128);
	CHECK(verify("sluice checkpoint\nn\n7\n" HASH "\n99\n", hex));
	CHECK(!verify("sluice checkpoint\nn\n8\n" HASH "\n99\n", hex));
	CHECK_INT(signer_sign(&s, "n", 7, HASH, 99, hex), ERR_DENIED);
	CHECK_INT(signer_sign(&s, "n", 6, HASH, 99, hex), ERR_DENIED);
	CHECK_INT(signer_sign(&s, "n", 8, "xyz", 99, hex), ERR_MALFORMED);
	CHECK_INT(signer_sign(&s, "n", 8, HASH, 99, hex), 0);
	signer_done(&s);
}

static void remembers_over_restarts(void)
{
	struct signer s;
	char first[SIGNATURE_HEX];
	CHECK_INT(signer_init(&s, dir_fd), 0);
	CHECK_INT(signer_sign(&s, "n", 8, HASH, 99, first), ERR_DENIED); /* the mark was kept */
	CHECK_INT(signer_sign(&s, "n", 9, HASH, 99, first), 0);
	CHECK(verify("sluice checkpoint\nn\n9\n" HASH "\n99\n", first)); /* the key too */
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
	keeps_the_key_to_itself();
	refuses_a_bad_key_file();
	static const char *const names[] = {"node.key", "node.pub", "node.seq"};
	for (int i = 0; i < 3; i++)
		unlinkat(dir_fd, names[i], 0);
	rmdir(dir);
	return tap_done();
}
