/* Key pairs of auditors, made by openssl in a folder. */
#pragma once

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seal_keys {
	char dir[64], public[PATH_MAX], private[PATH_MAX];
};

/* name: of the files. algorithm: "RSA -pkeyopt rsa_keygen_bits:3072" */
static inline void seal_keys_make(struct seal_keys *k, const char *name, const char *algorithm)
{
	char command[4 * PATH_MAX];
	if (!k->dir[0]) {
		strcpy(k->dir, "/tmp/sluice-keys-XXXXXX");
		if (!mkdtemp(k->dir))
			abort();
	}
	snprintf(k->private, sizeof(k->private), "%s/%s.key", k->dir, name);
	snprintf(k->public, sizeof(k->public), "%s/%s.pem", k->dir, name);
	snprintf(command, sizeof(command),
		 "openssl genpkey -algorithm %s -out %s 2>/dev/null && openssl pkey -in %s -pubout "
		 "-out %s 2>/dev/null",
		 algorithm, k->private, k->private, k->public);
	if (system(command))
		abort();
}

static inline void seal_keys_remove(const struct seal_keys *k)
{
	char command[200];
	snprintf(command, sizeof(command), "rm -rf %s", k->dir);
	if (system(command))
		perror(k->dir);
}

#define SEAL_RSA "RSA -pkeyopt rsa_keygen_bits:3072"
