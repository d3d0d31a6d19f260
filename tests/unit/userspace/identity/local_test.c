/* The local issuer: its key file, its set, its tokens through the same front end as all others. */
#include "identity/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "base/msg.h"

#include "../../tap.h"

static char dir[] = "/tmp/sluice-local-XXXXXX", key_path[100], jwks_path[100];

static int mode_of(const char *path)
{
	struct stat st;
	return stat(path, &st) < 0 ? -1 : (int)(st.st_mode & 07777);
}

static struct jwks *published(void)
{
	struct jwks *k = NULL;
	char *text = NULL;
	size_t len = 0;
	int fd = open(jwks_path, O_RDONLY | O_CLOEXEC);
	CHECK_INT(fd_read_all(fd, JWKS_MAX, &text, &len), 0);
	close(fd);
	CHECK_INT(jwks_parse(span_of(text, len), &k), 0);
	free(text);
	return k;
}

static void mints_what_verifies(void)
{
	void *key = NULL, *again = NULL;
	struct buf token;
	struct arena a;
	struct identity id;
	char why[200];
	struct token_rules rules = {.issuer = "sluice-local", .audience = "sluice", .now = 1000};
	CHECK_INT(local_key_load(key_path, jwks_path, &key), 0);
	CHECK_INT(mode_of(key_path), 0600);
	CHECK_INT(mode_of(jwks_path), 0644);
	arena_init(&a, 1 << 16);
	buf_init(&token, TOKEN_MAX);
	const char *claims = "{\"aud\":\"sluice\",\"exp\":2000,\"groups\":[\"g\"],"
			     "\"iss\":\"sluice-local\",\"sub\":\"crew\"}";
	CHECK_INT(token_mint(key, span_str(claims), &token), 0);
	struct jwks *keys = published();
	CHECK_INT(token_verify(buf_span(&token), keys, &rules, &a, &id, why, sizeof(why)), 0);
	CHECK_STR(id.subject, "crew");
	/* The key stays the same over a restart. */
	CHECK_INT(local_key_load(key_path, jwks_path, &again), 0);
	struct jwks *keys_again = published();
	CHECK_INT(token_verify(buf_span(&token), keys_again, &rules, &a, &id, why, sizeof(why)), 0);
	buf_reset(&token);
	CHECK_INT(token_mint(key, span_str("[1]"), &token), ERR_MALFORMED);
	CHECK_INT(token_mint(key, span_str("{\"a\":1,\"a\":2}"), &token), ERR_MALFORMED);
	CHECK_INT(buf_len(&token), 0);
	char *big = malloc(TOKEN_MAX + 20);
	snprintf(big, TOKEN_MAX + 20, "{\"a\":\"%0*d\"}", TOKEN_MAX, 1);
	CHECK_INT(token_mint(key, span_str(big), &token), ERR_LIMIT);
	free(big);
	buf_done(&token);
	arena_done(&a);
	jwks_unref(keys);
	jwks_unref(keys_again);
	local_key_free(key);
	local_key_free(again);
}

static void refuses_keys_that_are_not_private(void)
{
	void *key = NULL;
	CHECK_INT(chmod(key_path, 0640), 0);
	CHECK_INT(local_key_load(key_path, jwks_path, &key), -EPERM);
	CHECK_INT(chmod(key_path, 0600), 0);
	if (geteuid() == 0) {
		CHECK_INT(chown(key_path, 1, 1), 0);
		CHECK_INT(local_key_load(key_path, jwks_path, &key), -EPERM);
		CHECK_INT(chown(key_path, 0, 0), 0);
	}
	char other[120];
	snprintf(other, sizeof(other), "%s/link", dir);
	CHECK_INT(symlink(key_path, other), 0);
	CHECK_INT(local_key_load(other, jwks_path, &key), -ELOOP);
	FILE *f = fopen(key_path, "w");
	fputs("no key\n", f);
	fclose(f);
	CHECK_INT(local_key_load(key_path, jwks_path, &key), ERR_MALFORMED);
	CHECK(key == NULL);
	unlink(other);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(key_path, sizeof(key_path), "%s/local.key", dir);
	snprintf(jwks_path, sizeof(jwks_path), "%s/local.jwks", dir);
	mints_what_verifies();
	refuses_keys_that_are_not_private();
	unlink(key_path);
	unlink(jwks_path);
	CHECK_INT(rmdir(dir), 0);
	return tap_done();
}
