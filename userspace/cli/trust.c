#include "cli/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macro.h"

/* Who reads which of the two: ca.pem is the node's authority alone, which libpq looks at with each connect and Node
 * beside its own; trust.pem is the system's bundle with it, for what reads one file instead of its own. */
static const struct {
	const char *name, *file;
} variables[] = {
	{"PGSSLROOTCERT", "ca.pem"},
	{"NODE_EXTRA_CA_CERTS", "ca.pem"},
	{"SSL_CERT_FILE", "trust.pem"},
};

void trust_give(const char *dir, char ret_bundle[TRUST_PATH])
{
	char path[TRUST_PATH];
	ret_bundle[0] = 0;
	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/trust.pem", dir);
	if (access(path, R_OK) < 0)
		return;
	snprintf(ret_bundle, TRUST_PATH, "%s", path);
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, variables[i].file);
		setenv(variables[i].name, path, 0);
	}
}
