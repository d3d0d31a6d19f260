#include "flow/tls_server.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "base/ossl.h"
#include "flow/questions.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "flow/proxy.h"
#include "upstream/tls.h"
#include "flow/worker.h"
#include "policy/login.h"

#define LEAVES_MAX 256
#define LEAF_NS	   (12 * 3600 * NS_PER_SEC) /* then a new one: it is good for longer */
#define HOST_MAX   256

/* One certificate. Which: the name, the address. */
struct leaf {
	char name[HOST_MAX];
	struct addr address;
	X509 *cert;
	uint64_t made_ns, used_ns;
};

struct leaves {
	struct proxy *proxy;
	pthread_mutex_t mutex;
	SSL_CTX *ctx;
	EVP_PKEY *key;
	char *spki; /* its public half, DER in base64 */
	struct leaf all[LEAVES_MAX];
	int n;
};

/* On its way to the monitor and back. */
struct mint_job {
	struct job job;
	struct mail mail;
	struct lane *lane;
	struct flow *flow; /* NULL: it has gone */
	char name[HOST_MAX];
	struct addr address;
	int err;
};

/* ---- the certificates that there are ---- */

static struct leaf *find(struct leaves *l, const char *name, const struct addr *a)
{
	for (int i = 0; i < l->n; i++)
		if (!strcmp(l->all[i].name, name) && !memcmp(l->all[i].address.ip, a->ip, 16))
			return &l->all[i];
	return NULL;
}

static X509 *get(struct leaves *l, const char *name, const struct addr *a)
{
	uint64_t now = clock_mono_ns();
	X509 *x = NULL;
	pthread_mutex_lock(&l->mutex);
	struct leaf *leaf = find(l, name, a);
	if (leaf && now - leaf->made_ns < LEAF_NS && X509_up_ref(leaf->cert)) {
		leaf->used_ns = now;
		x = leaf->cert;
	}
	pthread_mutex_unlock(&l->mutex);
	return x;
}

static struct leaf *idlest(struct leaves *l)
{
	struct leaf *found = &l->all[0];
	for (int i = 1; i < l->n; i++)
		if (l->all[i].used_ns < found->used_ns)
			found = &l->all[i];
	return found;
}

/* x is taken over. */
static void put(struct leaves *l, const char *name, const struct addr *a, X509 *x)
{
	pthread_mutex_lock(&l->mutex);
	struct leaf *leaf = find(l, name, a);
	if (!leaf)
		leaf = l->n < LEAVES_MAX ? &l->all[l->n++] : idlest(l);
	X509_free(leaf->cert);
	*leaf = (struct leaf){.address = *a, .cert = x, .made_ns = clock_mono_ns()};
	leaf->used_ns = leaf->made_ns;
	snprintf(leaf->name, sizeof(leaf->name), "%s", name);
	pthread_mutex_unlock(&l->mutex);
}

/* ---- minting ---- */

static X509 *read_cert(const json_t *answer)
{
	const char *pem = json_string_value(json_object_get(answer, "cert"));
	BIO *b = pem ? BIO_new_mem_buf(pem, -1) : NULL;
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	BIO_free(b);
	return x;
}

static int mint(struct leaves *l, const char *name, const struct addr *a)
{
	struct msg answer;
	char ip[ADDR_TEXT];
	json_t *ask = json_pack("{s:s, s:s, s:s}", "t", "leaf", "key", l->spki, "address",
				addr_ip_text(a, ip));
	if (ask && name[0])
		json_object_set_new(ask, "name", json_string(name));
	if (!ask)
		return -ENOMEM;
	int err = msg_line_call(&l->proxy->monitor, ask, &answer);
	json_decref(ask);
	if (err)
		return err;
	X509 *x = read_cert(answer.json);
	if (x)
		put(l, name, a, x);
	else
		log_warn("no certificate for %s: %s", name[0] ? name : ip,
			 json_string_value(json_object_get(answer.json, "why")) ?: "refused");
	msg_done(&answer);
	return x ? 0 : ERR_DENIED;
}

static void mint_work(struct job *job)
{
	struct mint_job *j = container_of(job, struct mint_job, job);
	j->err = mint(j->lane->proxy->leaves, j->name, &j->address);
	lane_post(j->lane, &j->mail);
}

static void mint_arrived(struct mail *m, struct lane *lane)
{
	struct mint_job *j = container_of(m, struct mint_job, mail);
	struct flow *f = j->flow;
	(void)lane;
	if (f) {
		f->minting = NULL;
		tls_certificate_came(f->ends[FROM_CLIENT].io_ctx, j->err);
		flow_step(f);
	}
	free(j);
}

static int start_mint(struct flow *f, const char *name)
{
	struct mint_job *j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->job.work = mint_work;
	j->mail.run = mint_arrived;
	j->lane = f->lane;
	j->flow = f;
	j->address = f->origin.info.dst;
	snprintf(j->name, sizeof(j->name), "%s", name);
	int err = pool_submit(f->lane->proxy->pool, &j->job);
	if (err)
		free(j);
	else
		f->minting = j;
	return err;
}

void tls_server_done(struct flow *f)
{
	if (f->minting)
		f->minting->flow = NULL;
	f->minting = NULL;
}

/* ---- what OpenSSL asks ---- */

/* The name that the client asks for, if the resource answers to it; else "". */
static void name_asked(const struct flow *f, const char *sni, char name[HOST_MAX])
{
	const struct resource *r = f->resource;
	snprintf(name, HOST_MAX, "%s", sni ? sni : "");
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (int i = 0; r && i < r->n_matches; i++)
		if (r->matches[i].host && !strcmp(r->matches[i].host, name))
			return;
	*name = '\0';
}

/* What the certificate names: that, or the name that led to the address. */
static void name_for(const struct flow *f, const char *sni, char name[HOST_MAX])
{
	name_asked(f, sni, name);
	if (!*name)
		snprintf(name, HOST_MAX, "%s", f->origin.name);
}

/* Who came by a name asks for this one, or for another of the resource that it asked the resolver for. Who came by a
 * declared address may call it what it likes. RFC 6066 3: unrecognized_name. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
	struct flow *f = tls_owner(SSL_get_app_data(ssl));
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char name[HOST_MAX];
	(void)arg;
	if (!sni || !f->origin.name[0] || plan_match(f->lane->plan, &f->origin.info.dst, NULL, 0) == f->resource)
		return SSL_TLSEXT_ERR_OK;
	name_asked(f, sni, name);
	if (!strcmp(name, f->origin.name) || (*name && questions_when(f->session->counts->questions, name)))
		return SSL_TLSEXT_ERR_OK;
	flow_blame(f, "TLS asks for a name that did not lead here");
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int use(SSL *ssl, struct leaves *l, X509 *x)
{
	int ok = SSL_use_certificate(ssl, x) == 1 && SSL_use_PrivateKey(ssl, l->key) == 1;
	X509_free(x);
	return ok;
}

/* 1: it is there; 0: there is none; -1: it is on its way. */
static int on_certificate(SSL *ssl, void *arg)
{
	struct leaves *l = arg;
	struct tls *t = SSL_get_app_data(ssl);
	struct flow *f = tls_owner(t);
	char name[HOST_MAX];
	name_for(f, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), name);
	X509 *x = get(l, name, &f->origin.info.dst);
	if (x)
		return use(ssl, l, x);
	if (tls_certificate_failed(t))
		return 0;
	if (f->minting)
		return -1;
	return start_mint(f, name) ? 0 : -1;
}

/* = PostgreSQL documentation, 55.2.10: "the ALPN ... must be postgresql" for direct TLS; with an
 * SSLRequest it need not be there. */
static int on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
		   unsigned in_len, void *arg)
{
	static const uint8_t ours[] = "\012postgresql";
	uint8_t *chosen;
	(void)ssl, (void)arg;
	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* A client without ALPN is found here: no callback is called for it. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);
	const uint8_t *bytes;
	size_t n;
	(void)arg;
	if (!tls_demands_alpn(t) ||
	    SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
				      &bytes, &n) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

/* ---- the context ---- */

static int make_key(struct leaves *l)
{
	uint8_t *der = NULL;
	l->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	int n = l->key ? i2d_PUBKEY(l->key, &der) : 0;
	l->spki = n > 0 ? malloc((size_t)n * 2 + 4) : NULL;
	if (l->spki)
		EVP_EncodeBlock((uint8_t *)l->spki, der, n);
	OPENSSL_free(der);
	return l->spki ? 0 : -ENOMEM;
}

int leaves_new(struct proxy *p, struct leaves **ret_l)
{
	struct leaves *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->proxy = p;
	pthread_mutex_init(&l->mutex, NULL);
	l->ctx = tls_context(true);
	if (!l->ctx || make_key(l)) {
		leaves_free(l);
		return -ENOMEM;
	}
	SSL_CTX_set_cert_cb(l->ctx, on_certificate, l);
	SSL_CTX_set_tlsext_servername_callback(l->ctx, on_name);
	SSL_CTX_set_alpn_select_cb(l->ctx, on_alpn, NULL);
	SSL_CTX_set_client_hello_cb(l->ctx, on_hello, NULL);
	*ret_l = l;
	return 0;
}

void leaves_free(struct leaves *l)
{
	if (!l)
		return;
	for (int i = 0; i < l->n; i++)
		X509_free(l->all[i].cert);
	SSL_CTX_free(l->ctx);
	EVP_PKEY_free(l->key);
	free(l->spki);
	pthread_mutex_destroy(&l->mutex);
	free(l);
}

int tls_server_start(struct flow *f, struct span first, bool is_direct)
{
	struct flow_end *e = &f->ends[FROM_CLIENT];
	struct tls *t;
	int err = end_flush(e); /* what was said in clear is sent in clear */
	if (err || buf_len(&e->out))
		return err ? err : ERR_STATE;
	err = tls_new(f->lane->proxy->leaves->ctx, e->source.fd, true, first, &t);
	if (err)
		return err;
	tls_set_owner(t, f, is_direct);
	if (login_is_clients(f->resource->login)) /* what comes may be a password */
		SSL_set_options(tls_ssl(t), SSL_OP_CLEANSE_PLAINTEXT);
	flow_secure(f, FROM_CLIENT, t);
	return 0;
}
