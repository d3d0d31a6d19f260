#include "approval/hash.h"

#include <stdio.h>

#include "base/ossl.h"

static void part(EVP_MD_CTX *h, const void *p, size_t len, bool is_there)
{
	uint64_t n = is_there ? len : UINT64_MAX;
	uint8_t be[8];
	for (int i = 0; i < 8; i++)
		be[i] = (uint8_t)(n >> (56 - 8 * i));
	EVP_DigestUpdate(h, be, sizeof(be));
	if (is_there && len)
		EVP_DigestUpdate(h, p, len);
}

static void text_part(EVP_MD_CTX *h, const char *s)
{
	part(h, s, s ? strlen(s) : 0, s != NULL);
}

static void number(EVP_MD_CTX *h, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)v);
	part(h, text, (size_t)n, true);
}

/* What each name stood for: the same text means something else once search_path or the catalogue does. */
static void needs(EVP_MD_CTX *h, const struct op *op)
{
	number(h, op->n_needs);
	for (int i = 0; i < op->n_needs; i++) {
		const struct need *n = &op->needs[i];
		number(h, n->kind);
		text_part(h, verb_name(n->verb));
		text_part(h, n->schema);
		text_part(h, n->name);
	}
}

/* And what its literals stood for. */
static void settings(EVP_MD_CTX *h, const struct op *op)
{
	number(h, op->n_settings);
	for (int i = 0; i < op->n_settings; i++)
		text_part(h, op->settings[i]);
	number(h, op->n_changed);
	for (int i = 0; i < 2 * op->n_changed; i++)
		text_part(h, op->changed[i]);
}

static void types(EVP_MD_CTX *h, const struct op *op)
{
	number(h, op->n_declared);
	for (int i = 0; i < op->n_declared; i++)
		number(h, op->declared[i]);
}

static void params(EVP_MD_CTX *h, const struct op *op)
{
	number(h, op->n_params);
	for (int i = 0; i < op->n_params; i++) {
		number(h, op->param_formats ? op->param_formats[i] : 0);
		part(h, op->params[i].p, op->params[i].len, op->params[i].p != NULL);
	}
}

void bound_hash(const struct bound *b, char out[65])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[32] = {0};
	EVP_MD_CTX *h = EVP_MD_CTX_new();
	out[0] = 0;
	if (!h || EVP_DigestInit_ex(h, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(h);
		return; /* no hash: nothing can be bound to it */
	}
	text_part(h, b->has_params ? "sluice approval 2" : "sluice approval 2 without parameters");
	text_part(h, b->resource);
	text_part(h, b->database);
	text_part(h, b->op->user);
	text_part(h, b->who->issuer);
	text_part(h, b->who->subject);
	text_part(h, b->who->owner);
	text_part(h, b->who->role);
	part(h, b->text.p, b->text.len, true);
	part(h, b->op->behind.p, b->op->behind.len, b->op->behind.p != NULL);
	text_part(h, b->flow);
	needs(h, b->op);
	settings(h, b->op);
	types(h, b->op);
	if (b->has_params)
		params(h, b->op);
	if (EVP_DigestFinal_ex(h, sum, NULL) == 1) {
		for (int i = 0; i < 32; i++) {
			out[2 * i] = digits[sum[i] >> 4];
			out[2 * i + 1] = digits[sum[i] & 15];
		}
		out[64] = 0;
	}
	EVP_MD_CTX_free(h);
}
