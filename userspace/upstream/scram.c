#include "upstream/scram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <stringprep.h>
#include <sys/random.h>

#include "base/macro.h"
#include "base/ossl.h"

#define ITERATIONS_MAX 1000000 /* about a second: a server that asks for more is no server */
#define PASSWORD_MAX   4096
#define SALT_MAX       256
#define AUTH_MAX       (SCRAM_FIRST_MAX + SCRAM_SERVER_MAX + 512)

static void add_base64(struct buf *out, const uint8_t *p, size_t n)
{
	uint8_t *room = buf_reserve(out, (n + 2) / 3 * 4 + 1);
	if (room)
		buf_commit(out, (size_t)EVP_EncodeBlock(room, p, (int)n));
}

/* Strict: groups of four, padding at the end alone. The number of bytes, or negative. */
static int read_base64(struct span s, uint8_t *out, size_t size)
{
	if (!s.len || s.len % 4 || s.len / 4 * 3 > size)
		return ERR_MALFORMED;
	int n = EVP_DecodeBlock(out, s.p, (int)s.len);
	for (size_t i = s.len; n > 0 && i > s.len - 2 && s.p[i - 1] == '='; i--)
		n--;
	return n <= 0 ? ERR_MALFORMED : n;
}

static int make_nonce(char nonce[SCRAM_NONCE_MAX])
{
	uint8_t random[24];
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	EVP_EncodeBlock((uint8_t *)nonce, random, sizeof(random));
	return 0;
}

int scram_first(struct scram *s, enum scram_channel channel, struct span binding, const char *nonce,
		struct buf *out)
{
	static const char *const headers[] = {[SCRAM_NO_CHANNEL] = "n,,",
					      [SCRAM_UNBOUND] = "y,,",
					      [SCRAM_BOUND] = "p=tls-server-end-point,,"};
	*s = (struct scram){.gs2 = headers[channel]};
	if (binding.len > sizeof(s->binding) || (channel == SCRAM_BOUND && !binding.len))
		return ERR_LIMIT;
	if (channel == SCRAM_BOUND) {
		memcpy(s->binding, binding.p, binding.len);
		s->n_binding = binding.len;
	}
	int err = nonce ? 0 : make_nonce(s->nonce);
	if (err)
		return err;
	if (nonce)
		snprintf(s->nonce, sizeof(s->nonce), "%s", nonce);
	/* The user is the startup packet's: PostgreSQL does not look at this one. */
	snprintf(s->bare, sizeof(s->bare), "n=,r=%s", s->nonce);
	buf_add_str(out, s->gs2);
	buf_add_str(out, s->bare);
	return buf_err(out);
}

struct server_first {
	struct span nonce;
	uint8_t salt[SALT_MAX];
	int n_salt, iterations;
};

/* The next attribute "k=value", up to the comma or the end. */
static struct span attribute(struct span *rest, char key)
{
	const uint8_t *comma = rest->len ? memchr(rest->p, ',', rest->len) : NULL;
	size_t n = comma ? (size_t)(comma - rest->p) : rest->len;
	struct span one = span_of(rest->p, n);
	rest->p += n + (comma != NULL);
	rest->len -= n + (comma != NULL);
	if (one.len < 2 || one.p[0] != (uint8_t)key || one.p[1] != '=')
		return (struct span){0};
	return span_of(one.p + 2, one.len - 2);
}

static int read_number(struct span s, int max)
{
	int n = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || n > max)
			return 0;
		n = n * 10 + (s.p[i] - '0');
	}
	return n > max ? 0 : n;
}

/* Nothing may stand before the nonce (a mandatory extension, m=); what stands behind is an optional
 * one. */
static int read_first(const struct scram *s, struct span server, struct server_first *f)
{
	size_t own = strlen(s->nonce);
	f->nonce = attribute(&server, 'r');
	f->n_salt = read_base64(attribute(&server, 's'), f->salt, sizeof(f->salt));
	f->iterations = read_number(attribute(&server, 'i'), ITERATIONS_MAX);
	if (f->nonce.len <= own || memcmp(f->nonce.p, s->nonce, own) || f->n_salt < 0 ||
	    !f->iterations)
		return ERR_MALFORMED;
	for (size_t i = 0; i < f->nonce.len; i++)
		if (f->nonce.p[i] < 0x21 || f->nonce.p[i] > 0x7e)
			return ERR_MALFORMED;
	return 0;
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if ((uint8_t)*text < ' ' || (uint8_t)*text > '~')
			return false;
	return true;
}

/* SASLprep where there is something to prepare; what it refuses goes as it is, as PostgreSQL has
 * it. */
static int salt_password(const char *password, const struct server_first *f,
			 uint8_t out[SCRAM_HASH])
{
	char text[PASSWORD_MAX];
	if ((size_t)snprintf(text, sizeof(text), "%s", password) >= sizeof(text)) {
		explicit_bzero(text, sizeof(text));
		return ERR_LIMIT;
	}
	if (!is_ascii(text) && stringprep(text, sizeof(text), STRINGPREP_NO_UNASSIGNED,
					  stringprep_saslprep) != STRINGPREP_OK)
		strcpy(text, password);
	int ok = PKCS5_PBKDF2_HMAC(text, (int)strlen(text), f->salt, f->n_salt, f->iterations,
				   EVP_sha256(), SCRAM_HASH, out);
	explicit_bzero(text, sizeof(text));
	return ok == 1 ? 0 : -ENOMEM;
}

static bool mac(const uint8_t key[SCRAM_HASH], struct span text, uint8_t out[SCRAM_HASH])
{
	return HMAC(EVP_sha256(), key, SCRAM_HASH, text.p, text.len, out, NULL) != NULL;
}

/* RFC 5802, 3: ClientProof, and what the server has to answer. */
static int prove(struct scram *s, const uint8_t salted[SCRAM_HASH], struct span auth,
		 uint8_t proof[SCRAM_HASH])
{
	uint8_t client[SCRAM_HASH], stored[SCRAM_HASH], signature[SCRAM_HASH], server[SCRAM_HASH];
	bool ok = mac(salted, span_str("Client Key"), client) &&
		  SHA256(client, sizeof(client), stored) && mac(stored, auth, signature) &&
		  mac(salted, span_str("Server Key"), server) &&
		  mac(server, auth, s->server_signature);
	for (int i = 0; ok && i < SCRAM_HASH; i++)
		proof[i] = client[i] ^ signature[i];
	explicit_bzero(client, sizeof(client));
	explicit_bzero(stored, sizeof(stored));
	explicit_bzero(server, sizeof(server));
	return ok ? 0 : -ENOMEM;
}

/* "c=...,r=...": client-final-message-without-proof. */
static void add_unproved(const struct scram *s, struct span nonce, struct buf *out)
{
	uint8_t bound[SCRAM_FIRST_MAX + SCRAM_BINDING_MAX];
	size_t n = strlen(s->gs2);
	memcpy(bound, s->gs2, n);
	memcpy(bound + n, s->binding, s->n_binding);
	buf_add_str(out, "c=");
	add_base64(out, bound, n + s->n_binding);
	buf_add_str(out, ",r=");
	buf_add_span(out, nonce);
}

int scram_final(struct scram *s, struct span server, const char *password, struct buf *out)
{
	struct server_first f;
	uint8_t salted[SCRAM_HASH], proof[SCRAM_HASH];
	struct buf auth, unproved;
	if (server.len > SCRAM_SERVER_MAX)
		return ERR_LIMIT;
	int err = read_first(s, server, &f);
	if (err)
		return err;
	buf_init(&auth, 2 * AUTH_MAX);
	buf_init(&unproved, AUTH_MAX);
	add_unproved(s, f.nonce, &unproved);
	buf_add_str(&auth, s->bare);
	buf_add_u8(&auth, ',');
	buf_add_span(&auth, server);
	buf_add_u8(&auth, ',');
	buf_add_span(&auth, buf_span(&unproved));
	err = buf_err(&unproved) ? buf_err(&unproved) : buf_err(&auth);
	if (!err)
		err = salt_password(password, &f, salted);
	if (!err)
		err = prove(s, salted, buf_span(&auth), proof);
	if (!err) {
		buf_add_span(out, buf_span(&unproved));
		buf_add_str(out, ",p=");
		add_base64(out, proof, sizeof(proof));
		err = buf_err(out);
	}
	explicit_bzero(salted, sizeof(salted));
	buf_done(&auth);
	buf_done(&unproved);
	return err;
}

int scram_check(const struct scram *s, struct span server)
{
	uint8_t got[SCRAM_HASH + 4];
	int n = read_base64(attribute(&server, 'v'), got, sizeof(got));
	return n == SCRAM_HASH && !CRYPTO_memcmp(got, s->server_signature, SCRAM_HASH) ? 0
										       : ERR_VERIFY;
}

void scram_wipe(struct scram *s)
{
	explicit_bzero(s, sizeof(*s));
}
