#include "upstream/authentication.h"

#include <errno.h>
#include <stdio.h>

#include "base/macro.h"
#include "base/ossl.h"
#include "base/pg_auth.h"
#include "upstream/credential.h"
#include "upstream/tls.h"

#define MD5_TEXT 36 /* "md5", 32 digits, the end */

static int fail(struct authentication_fault *f, int err, const char *why)
{
	*f = (struct authentication_fault){err == ERR_MALFORMED ? "08P01" : "28000", why};
	return err;
}

static const char *password_of(const struct authentication *a, struct authentication_fault *f)
{
	const char *text = credential_get(a->credential, "password");
	if (!text)
		(void)fail(f, ERR_DENIED,
			   "the upstream asks for a password, and the credential has none");
	return text;
}

/* A PasswordMessage, SASLInitialResponse or SASLResponse: all 'p'. */
static size_t begin_answer(struct buf *out)
{
	size_t at = buf_len(out);
	buf_add_u8(out, 'p');
	buf_add_u32(out, 0);
	return at;
}

static int end_answer(struct buf *out, size_t at)
{
	if (!buf_err(out))
		buf_put_u32_at(out, at + 1, (uint32_t)(buf_len(out) - at - 1));
	return buf_err(out);
}

static int give_password(struct authentication *a, struct buf *out, const char *text)
{
	size_t at = begin_answer(out);
	a->state = AUTHENTICATION_DONE;
	buf_add_cstr(out, text);
	return end_answer(out, at);
}

static int in_clear(struct authentication *a, struct buf *out, struct authentication_fault *f)
{
	if (!a->is_verified)
		return fail(
		    f, ERR_DENIED,
		    "the upstream asks for the password in clear, and it is not sure who it is "
		    "(sslmode=verify-full): refused");
	const char *password = password_of(a, f);
	return password ? give_password(a, out, password) : ERR_DENIED;
}

/* The digits of MD5(first second). */
static bool md5_digits(struct span first, struct span second, char out[33])
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, EVP_md5(), NULL) &&
		  EVP_DigestUpdate(c, first.p, first.len) &&
		  EVP_DigestUpdate(c, second.p, second.len) && EVP_DigestFinal_ex(c, sum, NULL);
	EVP_MD_CTX_free(c);
	for (int i = 0; ok && i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
	return ok;
}

static int by_md5(struct authentication *a, struct span salt, struct buf *out,
		  struct authentication_fault *f)
{
	char once[33], text[MD5_TEXT] = "md5";
	const char *password = password_of(a, f);
	if (!password)
		return ERR_DENIED;
	if (salt.len != 4)
		return fail(f, ERR_MALFORMED, "the upstream's login is malformed");
	bool ok = md5_digits(span_str(password), span_str(a->user), once) &&
		  md5_digits(span_of(once, 32), salt, text + 3);
	int err = ok ? give_password(a, out, text)
		     : fail(f, ERR_UNSUPPORTED,
			    "the upstream asks for MD5, which this machine's OpenSSL refuses");
	explicit_bzero(once, sizeof(once));
	explicit_bzero(text, sizeof(text));
	return err;
}

struct offer {
	bool has_plain, has_plus;
};

static int read_offer(struct span list, struct offer *o)
{
	struct cur c = cur_of(list);
	for (;;) {
		struct span name = cur_cstr(&c);
		if (cur_err(&c))
			return ERR_MALFORMED;
		if (!name.len)
			return 0;
		o->has_plain |= span_is(name, "SCRAM-SHA-256");
		o->has_plus |= span_is(name, "SCRAM-SHA-256-PLUS");
	}
}

/* channel_binding of the credential: prefer (the default), require, disable. */
static int choose(const struct authentication *a, const struct offer *o, size_t n_binding,
		  enum scram_channel *ret)
{
	const char *want = credential_get(a->credential, "channel_binding");
	bool may_bind = n_binding && (!want || strcmp(want, "disable"));
	*ret = !may_bind ? SCRAM_NO_CHANNEL : o->has_plus ? SCRAM_BOUND : SCRAM_UNBOUND;
	if (want && !strcmp(want, "require") && *ret != SCRAM_BOUND)
		return ERR_DENIED;
	return *ret == SCRAM_BOUND || o->has_plain ? 0 : ERR_UNSUPPORTED;
}

static int sasl_start(struct authentication *a, struct span list, struct buf *out,
		      struct authentication_fault *f)
{
	struct offer offer = {0};
	uint8_t binding[SCRAM_BINDING_MAX];
	enum scram_channel channel;
	if (read_offer(list, &offer))
		return fail(f, ERR_MALFORMED, "the upstream's login is malformed");
	size_t n = a->tls ? tls_server_end_point(a->tls, binding, sizeof(binding)) : 0;
	int err = choose(a, &offer, n, &channel);
	if (err == ERR_DENIED)
		return fail(f, err,
			    "the credential demands channel binding, which the upstream does not "
			    "offer here");
	if (err)
		return fail(f, err, "the upstream offers no way to log in that the gateway has");
	if (!password_of(a, f))
		return ERR_DENIED;
	struct buf first;
	buf_init(&first, SCRAM_SERVER_MAX);
	err = scram_first(&a->scram, channel, span_of(binding, n), NULL, &first);
	if (!err) {
		size_t at = begin_answer(out);
		buf_add_cstr(out, channel == SCRAM_BOUND ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256");
		buf_add_u32(out, (uint32_t)buf_len(&first));
		buf_add_span(out, buf_span(&first));
		err = end_answer(out, at);
	}
	buf_done(&first);
	a->state = AUTHENTICATION_ASKED;
	return err ? fail(f, err, "the login cannot be begun") : 0;
}

static int sasl_continue(struct authentication *a, struct span server, struct buf *out,
			 struct authentication_fault *f)
{
	struct buf final;
	buf_init(&final, 2 * SCRAM_SERVER_MAX); /* the nonce, and a proof */
	int err = scram_final(&a->scram, server, password_of(a, f), &final);
	a->state = AUTHENTICATION_PROVED;
	if (err) {
		err = fail(f, ERR_MALFORMED, "the upstream's login is malformed");
	} else {
		size_t at = begin_answer(out);
		buf_add_span(out, buf_span(&final));
		err = end_answer(out, at);
	}
	buf_wipe(&final);
	return err;
}

static int sasl_end(struct authentication *a, struct span server, struct authentication_fault *f)
{
	if (scram_check(&a->scram, server))
		return fail(f, ERR_VERIFY,
			    "the upstream does not know the password either: it is not the one it "
			    "should be");
	a->state = AUTHENTICATION_DONE;
	return 0;
}

/* A server that began SCRAM shows who it is before it lets us in: else what it asked for was the
 * proof alone. */
static int on_ok(const struct authentication *a, struct authentication_fault *f)
{
	const char *want = credential_get(a->credential, "channel_binding");
	bool is_bound = a->state == AUTHENTICATION_DONE && a->scram.n_binding;
	if (a->state == AUTHENTICATION_ASKED || a->state == AUTHENTICATION_PROVED)
		return fail(f, ERR_VERIFY, "the upstream's side of the login does not check out");
	if (want && !strcmp(want, "require") && !is_bound)
		return fail(
		    f, ERR_DENIED,
		    "the credential demands channel binding, and the upstream lets us in without");
	return 1;
}

int authentication_take(struct authentication *a, struct span body, struct buf *out,
			struct authentication_fault *f)
{
	struct cur c = cur_of(body);
	uint32_t code = cur_u32(&c);
	struct span rest = cur_bytes(&c, cur_left(&c));
	if (cur_err(&c))
		return fail(f, ERR_MALFORMED, "the upstream's login is malformed");
	if (code == AUTH_OK)
		return on_ok(a, f);
	if (code == AUTH_SASL_CONTINUE && a->state == AUTHENTICATION_ASKED)
		return sasl_continue(a, rest, out, f);
	if (code == AUTH_SASL_FINAL && a->state == AUTHENTICATION_PROVED)
		return sasl_end(a, rest, f);
	if (a->state != AUTHENTICATION_NONE)
		return fail(f, ERR_MALFORMED, "the upstream's login is malformed");
	if (code == AUTH_SASL)
		return sasl_start(a, rest, out, f);
	if (code == AUTH_CLEARTEXT)
		return in_clear(a, out, f);
	if (code == AUTH_MD5)
		return by_md5(a, rest, out, f);
	return fail(f, ERR_UNSUPPORTED,
		    "the upstream asks for a way to log in that the gateway does not have");
}

void authentication_done(struct authentication *a)
{
	scram_wipe(&a->scram);
	*a = (struct authentication){0};
}
