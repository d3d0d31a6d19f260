#include "priv/ca.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "base/ossl.h"

#define DAY_S	   (24 * 3600L)
#define CA_DAYS	   3650
#define LEAF_DAYS  30
#define BACK_S	   3600 /* a clock that was set back */
#define BUNDLE_MAX (8 * 1024 * 1024)

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/cert.pem",
};

void ca_init(struct ca *ca, const struct config *cfg, int keys_dir_fd)
{
	*ca = (struct ca){.cfg = cfg, .dir_fd = keys_dir_fd};
}

void ca_done(struct ca *ca)
{
	json_decref(ca->declared);
	X509_free(ca->cert);
	*ca = (struct ca){.dir_fd = -1};
}

/* --- the key ------------------------------------------------------------------------------------ */

static EVP_PKEY *create_key(int dir_fd)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	int fd = k ? openat(dir_fd, ".ca.key.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)
		   : -1;
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool is_good = f && PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL) == 1 && fflush(f) == 0 &&
		       fsync(fd) == 0;
	if (f)
		is_good = fclose(f) == 0 && is_good;
	else if (fd >= 0)
		close(fd);
	if (is_good && renameat(dir_fd, ".ca.key.new", dir_fd, "ca.key") == 0 && fsync(dir_fd) == 0)
		return k;
	EVP_PKEY_free(k);
	return NULL;
}

static EVP_PKEY *load_key(int dir_fd)
{
	struct stat st;
	_cleanup_(closep) int fd = openat(dir_fd, "ca.key", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? create_key(dir_fd) : NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mode & 077 || st.st_uid != geteuid())
		return NULL;
	BIO *b = BIO_new_fd(fd, BIO_NOCLOSE);
	EVP_PKEY *k = b ? PEM_read_bio_PrivateKey(b, NULL, NULL, NULL) : NULL;
	BIO_free(b);
	return k;
}

/* --- what is declared --------------------------------------------------------------------------- */

static bool is_dns_name(const char *s)
{
	size_t n = s ? strlen(s) : 0;
	return n && n < 254 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n && s[0] != '.';
}

/* "10.0.0.0/8", "fd00::/8": the address, and its prefix in the family's own bits. */
static bool read_net(const char *text, struct addr *ret, int *ret_bits)
{
	char ip[64], *end;
	const char *slash = text ? strchr(text, '/') : NULL;
	if (!slash || (size_t)(slash - text) >= sizeof(ip))
		return false;
	snprintf(ip, sizeof(ip), "%.*s", (int)(slash - text), text);
	long bits = strtol(slash + 1, &end, 10);
	if (*end || end == slash + 1 || addr_parse_ip(ip, ret) < 0)
		return false;
	*ret_bits = (int)bits;
	return bits >= 0 && bits <= (addr_is_v4(ret) ? 32 : 128);
}

static bool permits_name(const struct ca *ca, const char *name)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(ca->declared, "names"), i, v)
		if (!strcmp(json_string_value(v), name))
			return true;
	return false;
}

static bool permits_address(const struct ca *ca, const struct addr *a)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(ca->declared, "nets"), i, v)
	{
		struct addr net;
		int bits;
		if (read_net(json_string_value(v), &net, &bits) && addr_is_v4(&net) == addr_is_v4(a) &&
		    addr_in(a, net.ip, addr_is_v4(&net) ? bits + 96 : bits))
			return true;
	}
	return false;
}

/* --- constraints -------------------------------------------------------------------------------- */

static int add_subtree(STACK_OF(GENERAL_SUBTREE) *to, int type, ASN1_STRING *value)
{
	GENERAL_SUBTREE *t = value ? GENERAL_SUBTREE_new() : NULL;
	if (!t) {
		ASN1_STRING_free(value);
		return -ENOMEM;
	}
	GENERAL_NAME_set0_value(t->base, type, value);
	if (sk_GENERAL_SUBTREE_push(to, t))
		return 0;
	GENERAL_SUBTREE_free(t);
	return -ENOMEM;
}

static int add_name(STACK_OF(GENERAL_SUBTREE) *to, const char *name)
{
	ASN1_STRING *s = ASN1_IA5STRING_new();
	if (s && !ASN1_STRING_set(s, name, -1)) {
		ASN1_STRING_free(s);
		s = NULL;
	}
	return add_subtree(to, GEN_DNS, s);
}

/* Address and mask, 8 or 32 bytes. */
static int add_net(STACK_OF(GENERAL_SUBTREE) *to, const struct addr *net, int bits)
{
	uint8_t bytes[32] = {0};
	int size = addr_is_v4(net) ? 4 : 16;
	memcpy(bytes, net->ip + 16 - size, (size_t)size);
	for (int i = 0; i < bits; i++)
		bytes[size + i / 8] |= (uint8_t)(0x80 >> (i % 8));
	for (int i = 0; i < size; i++)
		bytes[i] &= bytes[size + i];
	ASN1_STRING *s = ASN1_OCTET_STRING_new();
	if (s && !ASN1_STRING_set(s, bytes, 2 * size)) {
		ASN1_STRING_free(s);
		s = NULL;
	}
	return add_subtree(to, GEN_IPADD, s);
}

/* A kind of name of which none is permitted would be free: so all of it is excluded. */
static int exclude_rest(NAME_CONSTRAINTS *nc, bool has_names, bool has_nets)
{
	static const struct addr v4 = {.ip = {[10] = 0xff, [11] = 0xff}}, v6 = {.ip = {0}};
	int r = has_names ? 0 : add_name(nc->excludedSubtrees, "");
	if (r == 0 && !has_nets)
		r = add_net(nc->excludedSubtrees, &v4, 0);
	if (r == 0 && !has_nets)
		r = add_net(nc->excludedSubtrees, &v6, 0);
	return r;
}

static int fill_constraints(NAME_CONSTRAINTS *nc, const json_t *declared)
{
	const json_t *names = json_object_get(declared, "names"), *nets = json_object_get(declared, "nets");
	size_t i;
	json_t *v;
	int r = 0;
	json_array_foreach((json_t *)names, i, v)
	{
		if (r == 0)
			r = is_dns_name(json_string_value(v))
				    ? add_name(nc->permittedSubtrees, json_string_value(v))
				    : ERR_MALFORMED;
	}
	json_array_foreach((json_t *)nets, i, v)
	{
		struct addr net;
		int bits;
		if (r == 0)
			r = read_net(json_string_value(v), &net, &bits)
				    ? add_net(nc->permittedSubtrees, &net, bits)
				    : ERR_MALFORMED;
	}
	return r ? r : exclude_rest(nc, json_array_size(names) != 0, json_array_size(nets) != 0);
}

static int add_constraints(X509 *x, const json_t *declared)
{
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	int r = -ENOMEM;
	if (nc) {
		nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
		nc->excludedSubtrees = sk_GENERAL_SUBTREE_new_null();
	}
	if (nc && nc->permittedSubtrees && nc->excludedSubtrees)
		r = fill_constraints(nc, declared);
	if (r == 0 && !sk_GENERAL_SUBTREE_num(nc->excludedSubtrees)) {
		sk_GENERAL_SUBTREE_free(nc->excludedSubtrees); /* an empty list is none */
		nc->excludedSubtrees = NULL;
	}
	if (r == 0 && X509_add1_ext_i2d(x, NID_name_constraints, nc, 1, 0) != 1)
		r = -ENOMEM;
	NAME_CONSTRAINTS_free(nc);
	return r;
}

/* --- certificates ------------------------------------------------------------------------------- */

static int add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	int ok = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok ? 0 : -EIO;
}

static int set_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	int ok = n && BN_rand(n, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
		 BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return ok ? 0 : -EIO;
}

static int begin(X509 *x, EVP_PKEY *key, const char *name, long days)
{
	X509_NAME *n = X509_get_subject_name(x);
	int ok = X509_set_version(x, 2) == 1 && X509_gmtime_adj(X509_getm_notBefore(x), -BACK_S) &&
		 X509_gmtime_adj(X509_getm_notAfter(x), days * DAY_S) && X509_set_pubkey(x, key) == 1 &&
		 X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0) == 1;
	return ok ? set_serial(x) : -EIO;
}

static int issue_ca(const struct ca *ca, EVP_PKEY *key, const json_t *declared, X509 **ret_x)
{
	char name[64];
	X509 *x = X509_new();
	snprintf(name, sizeof(name), "gateway of node %.40s", ca->cfg->node);
	int r = x ? begin(x, key, name, CA_DAYS) : -ENOMEM;
	if (r == 0 && X509_set_issuer_name(x, X509_get_subject_name(x)) != 1)
		r = -EIO;
	if (r == 0)
		r = add_ext(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
	if (r == 0)
		r = add_ext(x, x, NID_key_usage, "critical,keyCertSign");
	if (r == 0)
		r = add_ext(x, x, NID_subject_key_identifier, "hash");
	if (r == 0)
		r = add_constraints(x, declared);
	if (r == 0 && !X509_sign(x, key, EVP_sha256()))
		r = -EIO;
	if (r == 0)
		*ret_x = x;
	else
		X509_free(x);
	return r;
}

static int add_alt_names(X509 *x, const char *name, const struct addr *a)
{
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *n = name ? a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_DNS, name, 0) : NULL;
	char ip[ADDR_TEXT];
	int ok = all && (!name || (n && sk_GENERAL_NAME_push(all, n)));
	n = ok && a ? a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_IPADD, addr_ip_text(a, ip), 0) : NULL;
	ok = ok && (!a || (n && sk_GENERAL_NAME_push(all, n))) &&
	     X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0) == 1;
	sk_GENERAL_NAME_pop_free(all, GENERAL_NAME_free);
	return ok ? 0 : -ENOMEM;
}

static int fill_leaf(const struct ca *ca, X509 *x, const char *name, const struct addr *a)
{
	int r = X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) == 1 ? 0 : -EIO;
	if (r == 0)
		r = add_ext(x, ca->cert, NID_basic_constraints, "critical,CA:FALSE");
	if (r == 0)
		r = add_ext(x, ca->cert, NID_key_usage, "critical,digitalSignature");
	if (r == 0)
		r = add_ext(x, ca->cert, NID_ext_key_usage, "serverAuth");
	if (r == 0)
		r = add_ext(x, ca->cert, NID_authority_key_identifier, "keyid:always");
	return r == 0 ? add_alt_names(x, name, a) : r;
}

static int add_pem(X509 *x, struct buf *to)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	int r = b && PEM_write_bio_X509(b, x) == 1 ? 0 : -ENOMEM;
	if (r == 0) {
		long n = BIO_get_mem_data(b, &text);
		buf_add(to, text, (size_t)n);
		r = buf_err(to);
	}
	BIO_free(b);
	return r;
}

int ca_leaf(const struct ca *ca, const char *name, const char *address, struct span spki, struct buf *ret)
{
	struct addr a;
	const uint8_t *der = spki.p;
	bool has_name = name && ca->declared && permits_name(ca, name);
	bool has_address = address && ca->declared && addr_parse_ip(address, &a) == 0 &&
			   permits_address(ca, &a);
	if (!has_name && !has_address)
		return ERR_DENIED;
	EVP_PKEY *its = d2i_PUBKEY(NULL, &der, (long)spki.len);
	if (!its || EVP_PKEY_get_base_id(its) != EVP_PKEY_EC || EVP_PKEY_get_bits(its) != 256) {
		EVP_PKEY_free(its);
		return ERR_MALFORMED;
	}
	EVP_PKEY *key = load_key(ca->dir_fd);
	X509 *x = X509_new();
	int r = key && x ? begin(x, its, "the gateway of this node", LEAF_DAYS) : -EIO;
	if (r == 0)
		r = fill_leaf(ca, x, has_name ? name : NULL, has_address ? &a : NULL);
	if (r == 0)
		r = X509_sign(x, key, EVP_sha256()) ? add_pem(x, ret) : -EIO;
	X509_free(x);
	EVP_PKEY_free(key);
	EVP_PKEY_free(its);
	return r;
}

/* --- what workloads are given ------------------------------------------------------------------- */

static int write_file(const struct ca *ca, const char *name, struct span text)
{
	char path[300], temp[310];
	snprintf(path, sizeof(path), "%s/%s", ca->cfg->run_dir, name);
	snprintf(temp, sizeof(temp), "%s.new", path);
	_cleanup_(closep) int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return -errno;
	for (size_t at = 0; at < text.len;) {
		ssize_t n = write(fd, text.p + at, text.len - at);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return rename(temp, path) < 0 ? -errno : 0;
}

static void add_system_bundle(struct buf *to)
{
	for (size_t i = 0; i < ARRAY_LEN(bundles); i++) {
		_cleanup_(closep) int fd = open(bundles[i], O_RDONLY | O_CLOEXEC);
		_cleanup_(freep) char *text = NULL;
		size_t n = 0;
		if (fd < 0 || fd_read_all(fd, BUNDLE_MAX, &text, &n) < 0)
			continue;
		buf_add(to, text, n);
		return;
	}
}

static int publish(const struct ca *ca, X509 *x)
{
	struct buf own, all;
	buf_init(&own, 1024 * 1024);
	buf_init(&all, BUNDLE_MAX + 1024 * 1024);
	int r = add_pem(x, &own);
	add_system_bundle(&all);
	buf_add_span(&all, buf_span(&own));
	if (r == 0)
		r = buf_err(&all);
	if (r == 0)
		r = write_file(ca, "ca.pem", buf_span(&own));
	if (r == 0)
		r = write_file(ca, "trust.pem", buf_span(&all));
	buf_done(&own);
	buf_done(&all);
	return r;
}

static void withdraw(struct ca *ca)
{
	char path[300];
	json_decref(TAKE(ca->declared));
	X509_free(TAKE(ca->cert));
	snprintf(path, sizeof(path), "%s/ca.pem", ca->cfg->run_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/trust.pem", ca->cfg->run_dir);
	unlink(path);
}

int ca_declare(struct ca *ca, const json_t *declared)
{
	X509 *x = NULL;
	if (!json_is_array(json_object_get(declared, "names")) ||
	    !json_is_array(json_object_get(declared, "nets")))
		return ERR_MALFORMED;
	if (!json_array_size(json_object_get(declared, "names")) &&
	    !json_array_size(json_object_get(declared, "nets"))) {
		withdraw(ca);
		return 0;
	}
	if (ca->declared && json_equal(ca->declared, declared))
		return 0;
	EVP_PKEY *key = load_key(ca->dir_fd);
	int r = key ? issue_ca(ca, key, declared, &x) : -EIO;
	EVP_PKEY_free(key);
	if (r == 0)
		r = publish(ca, x);
	if (r < 0) {
		X509_free(x);
		return r;
	}
	json_decref(ca->declared);
	X509_free(ca->cert);
	ca->declared = json_deep_copy(declared);
	ca->cert = x;
	return ca->declared ? 0 : -ENOMEM;
}
