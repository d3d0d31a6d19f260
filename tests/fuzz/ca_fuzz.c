/* What the proxy may ask the node's authority for: a name, an address and a key, all of its choosing. Each in the
 * input up to a NUL. Whatever it is, nothing is signed that is not declared. */
#include "priv/ca.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ossl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/ca-fuzz-XXXXXX";

static void clean(void)
{
	char command[100];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		abort();
}

static struct ca *authority(void)
{
	static struct config cfg = {.node = "fuzz", .run_dir = dir};
	static struct ca ca;
	json_t *j = json_loads("{\"names\": [\"db.example\"], \"nets\": [\"10.0.0.0/8\"]}", 0, NULL);
	if (!mkdtemp(dir) || atexit(clean))
		abort();
	ca_init(&ca, &cfg, open(dir, O_RDONLY | O_DIRECTORY));
	if (ca_declare(&ca, j))
		abort();
	json_decref(j);
	return &ca;
}

static void check(const struct buf *pem, const char *name, const char *address)
{
	BIO *b = BIO_new_mem_buf(buf_span(pem).p, (int)buf_len(pem));
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	bool is_name = !strcmp(name, "db.example"), is_net = !strncmp(address, "10.", 3) || strchr(address, ':');
	if (!x || X509_check_ca(x) || (!is_name && !is_net) ||
	    (X509_check_host(x, name, 0, 0, NULL) == 1 && !is_name))
		abort();
	X509_free(x);
	BIO_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ca *ca;
	char text[600];
	if (size < 2 || size > sizeof(text) - 3)
		return 0;
	memcpy(text, data, size);
	memset(text + size, 0, 3);
	const char *name = text, *address = name + strlen(name) + 1;
	const char *key = address + strlen(address) + 1;
	size_t used = (size_t)(key - text);
	struct buf pem;
	ca = ca ? ca : authority();
	buf_init(&pem, 65536);
	int r = ca_leaf(ca, name, address, span_of(key, used < size ? size - used : 0), &pem);
	if (!r)
		check(&pem, name, address);
	else if (buf_len(&pem))
		abort();
	buf_done(&pem);
	return 0;
}
