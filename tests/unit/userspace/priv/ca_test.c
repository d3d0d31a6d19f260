/* What the node vouches for, judged by OpenSSL's own verification. */
#include "priv/ca.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/ossl.h"

#include "../../tap.h"

static char dir[] = "/tmp/ca-test-XXXXXX";
static struct config cfg;
static struct ca ca;
static EVP_PKEY *leaf_key;

static struct span public_key(EVP_PKEY *k, uint8_t **ret_der)
{
	*ret_der = NULL;
	int n = i2d_PUBKEY(k, ret_der);
	return span_of(*ret_der, n > 0 ? (size_t)n : 0);
}

static json_t *declared(const char *names, const char *nets)
{
	char text[600];
	snprintf(text, sizeof(text), "{\"names\": [%s], \"nets\": [%s]}", names, nets);
	return json_loads(text, 0, NULL);
}

static int declare(const char *names, const char *nets)
{
	json_t *j = declared(names, nets);
	int r = ca_declare(&ca, j);
	json_decref(j);
	return r;
}

static X509 *leaf(const char *name, const char *address, int want)
{
	struct buf pem;
	uint8_t *der;
	X509 *x = NULL;
	buf_init(&pem, 65536);
	CHECK_INT(ca_leaf(&ca, name, address, public_key(leaf_key, &der), &pem), want);
	if (buf_len(&pem)) {
		BIO *b = BIO_new_mem_buf(buf_span(&pem).p, (int)buf_len(&pem));
		x = PEM_read_bio_X509(b, NULL, NULL, NULL);
		BIO_free(b);
	}
	CHECK_INT(x != NULL, want == 0);
	buf_done(&pem);
	OPENSSL_free(der);
	return x;
}

/* Does a client that trusts the node's authority alone take it, under this name or address? */
static bool is_taken(X509 *x, const char *host, const char *ip)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE_add_cert(store, ca.cert);
	X509_STORE_CTX_init(ctx, store, x, NULL);
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_SERVER);
	if (host)
		X509_VERIFY_PARAM_set1_host(p, host, 0);
	if (ip)
		X509_VERIFY_PARAM_set1_ip_asc(p, ip);
	bool is_good = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return is_good;
}

static void declares(void)
{
	static const struct {
		const char *names, *nets;
		int want;
	} rows[] = {
	    {"\"db.example\"", "", 0},
	    {"", "\"10.0.0.0/8\"", 0},
	    {"\"db.example\", \"x_1.y\"", "\"fd00::/8\", \"192.0.2.1/32\"", 0},
	    {"\"DB.example\"", "", ERR_MALFORMED},
	    {"\"*.example\"", "", ERR_MALFORMED},
	    {"\".example\"", "", ERR_MALFORMED},
	    {"\"a b\"", "", ERR_MALFORMED},
	    {"1", "", ERR_MALFORMED},
	    {"", "\"10.0.0.0\"", ERR_MALFORMED},
	    {"", "\"10.0.0.0/33\"", ERR_MALFORMED},
	    {"", "\"10.0.0.0/-1\"", ERR_MALFORMED},
	    {"", "\"10.0.0.0/8x\"", ERR_MALFORMED},
	    {"", "\"fd00::/129\"", ERR_MALFORMED},
	    {"", "null", ERR_MALFORMED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(declare(rows[i].names, rows[i].nets), rows[i].want);
	json_t *odd = json_loads("{\"names\": {}}", 0, NULL);
	CHECK_INT(ca_declare(&ca, odd), ERR_MALFORMED);
	json_decref(odd);
}

static void vouches(void)
{
	static const struct {
		const char *name, *address; /* asked of the authority */
		int want;
		const char *host, *ip; /* as which a client takes it */
	} rows[] = {
	    {"db.example", NULL, 0, "db.example", NULL},
	    {NULL, "10.1.2.3", 0, NULL, "10.1.2.3"},
	    {NULL, "fd00::1", 0, NULL, "fd00::1"},
	    {"db.example", "10.1.2.3", 0, "db.example", "10.1.2.3"},
	    {"bank.example", NULL, ERR_DENIED, NULL, NULL},
	    {"sub.db.example", NULL, ERR_DENIED, NULL, NULL},
	    {NULL, "11.0.0.1", ERR_DENIED, NULL, NULL},
	    {NULL, "no address", ERR_DENIED, NULL, NULL},
	    {NULL, NULL, ERR_DENIED, NULL, NULL},
	    {"", "", ERR_DENIED, NULL, NULL},
	    {"bank.example", "10.1.2.3", 0, NULL, "10.1.2.3"}, /* the name is left out */
	};
	CHECK_INT(declare("\"db.example\"", "\"10.0.0.0/8\", \"fd00::/8\""), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		X509 *x = leaf(rows[i].name, rows[i].address, rows[i].want);
		if (x) {
			CHECK(is_taken(x, rows[i].host, rows[i].ip));
			CHECK(!is_taken(x, "bank.example", NULL) && !is_taken(x, NULL, "11.0.0.1"));
			CHECK(X509_check_ca(x) == 0);
		}
		X509_free(x);
	}
}

/* A leaf from before the declaration changed, or signed with a stolen key, is bound by what is declared. */
static void is_bound(void)
{
	X509 *old = leaf("db.example", NULL, 0);
	CHECK_INT(declare("\"other.example\"", ""), 0);
	CHECK(!is_taken(old, "db.example", NULL));
	X509_free(old);
	X509 *address = leaf(NULL, "10.1.2.3", ERR_DENIED);
	X509_free(address);
}

static void refuses_keys(void)
{
	static const char *const curves[] = {"P-384", "P-521"};
	struct buf pem;
	uint8_t *der;
	buf_init(&pem, 65536);
	for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
		EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[i]);
		CHECK_INT(ca_leaf(&ca, "other.example", NULL, public_key(k, &der), &pem), ERR_MALFORMED);
		OPENSSL_free(der);
		EVP_PKEY_free(k);
	}
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	CHECK_INT(ca_leaf(&ca, "other.example", NULL, public_key(rsa, &der), &pem), ERR_MALFORMED);
	OPENSSL_free(der);
	EVP_PKEY_free(rsa);
	CHECK_INT(ca_leaf(&ca, "other.example", NULL, span_str("no key"), &pem), ERR_MALFORMED);
	CHECK_INT(ca_leaf(&ca, "other.example", NULL, (struct span){0}, &pem), ERR_MALFORMED);
	CHECK_INT(buf_len(&pem), 0);
	buf_done(&pem);
}

static void keeps_its_key(void)
{
	char path[100], trust[100];
	struct stat st;
	snprintf(path, sizeof(path), "%s/ca.key", dir);
	snprintf(trust, sizeof(trust), "%s/trust.pem", dir);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(stat(trust, &st) == 0);
	CHECK_INT(declare("", ""), 0);
	CHECK(stat(trust, &st) < 0); /* nothing is declared: nothing is trusted */
	CHECK_INT(declare("\"a\"", ""), 0);
	CHECK(chmod(path, 0644) == 0);
	CHECK(declare("\"b\"", "") < 0); /* a key that others may have read */
	CHECK(chmod(path, 0600) == 0);
	CHECK_INT(declare("\"b\"", ""), 0);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	cfg.node = "test";
	cfg.run_dir = dir;
	leaf_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	ca_init(&ca, &cfg, fd);
	declares();
	vouches();
	is_bound();
	refuses_keys();
	keeps_its_key();
	ca_done(&ca);
	EVP_PKEY_free(leaf_key);
	close(fd);
	char command[100];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) ? 1 : tap_done();
}
