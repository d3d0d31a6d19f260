/* What the configuration itself names. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/ossl.h"
#include <openssl/pem.h>

#include "base/macro.h"
#include "check/internal.h"
#include "console/tls.h"
#include "control/sink_send.h"
#include "record/sealer.h"

#define SECRET_FILE_MAX 4096

static void check_auditors(struct checking *c)
{
	const struct config *cfg = c->k->cfg;
	char why[500];
	for (int i = 0; i < cfg->n_encrypt_to; i++) {
		struct sealer *sealer = NULL;
		if (sealer_new(&cfg->encrypt_to[i], 1, 0, &sealer, why, sizeof(why)) < 0)
			found(c, "audit.encrypt_to", i, "%s", why);
		sealer_free(sealer);
	}
}

static void check_sinks(struct checking *c)
{
	const struct config *cfg = c->k->cfg;
	struct sink_target target;
	char why[1300];
	for (int i = 0; i < cfg->n_audit_sinks; i++) {
		if (sink_target_read(cfg->audit_sinks[i], cfg, &target, why, sizeof(why)) < 0)
			found(c, "audit.sinks", i, "%s", why);
		else
			sink_target_done(&target);
	}
}

/* The recorder's store lies in it, and a folder above that others may not enter keeps it out. */
static void check_reach(struct checking *c, const char *key, const char *path)
{
	char part[300];
	for (const char *end = path; *end; end++) {
		if (end[1] != '/' && end[1])
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)(end + 1 - path), path);
		if (access(part, X_OK) == 0 || errno == ENOENT)
			continue;
		found(c, key, -1,
		      "\"%s\": the user \"%s\" cannot enter %s: %s: chmod o+x %s, or another place",
		      key, c->k->cfg->user, part, strerror(errno), part);
		return;
	}
}

void check_needed(struct checking *c)
{
	check_reach(c, "state_dir", c->k->cfg->state_dir);
	check_auditors(c);
	check_sinks(c);
}

/* --- the rest --- */

/* Read as the user, as the process that needs it does. */
static void check_authorities(struct checking *c, const char *key, const char *path)
{
	FILE *f = path ? fopen(path, "re") : NULL;
	if (path && !f)
		found(c, key, -1, "\"%s\": %s: %s (the user \"%s\" must be able to read it)", key,
		      path, strerror(errno), c->k->cfg->user);
	if (!f)
		return;
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
	if (!x)
		found(c, key, -1, "\"%s\": %s: expected the certificates (PEM) of authorities", key,
		      path);
	X509_free(x);
	ERR_clear_error();
	fclose(f);
}

/* source: "file:/path". */
static void check_secret(struct checking *c, const char *place, const char *key, const char *source,
			 size_t min)
{
	char why[300];
	size_t len = 0;
	if (strncmp(source, "file:/", 6)) {
		found(c, place, -1, "\"%s\": expected \"file:/path\"", key);
		return;
	}
	char *text = check_read(c, json_pack("{s:s,s:s}", "t", "open_key", "path", source + 5),
				SECRET_FILE_MAX, &len, why, sizeof(why));
	if (!text)
		found(c, place, -1, "\"%s\": %s: %s", key, source + 5, why);
	else if (strcspn(text, "\r\n") < min)
		found(c, place, -1,
		      "\"%s\": %s: shorter than %zu characters: openssl rand -hex 32 makes one",
		      key, source + 5, min);
	if (text)
		explicit_bzero(text, len);
	free(text);
}

static void check_certificate(struct checking *c)
{
	const struct config *cfg = c->k->cfg;
	struct tls_fault fault;
	SSL_CTX *ctx = NULL;
	if (tls_read_context(c->monitor.fd, cfg, &ctx, &fault) < 0) {
		found(c, fault.key, -1, "\"%s\": %s: %s", fault.key, fault.path, fault.why);
		return;
	}
	const X509 *own = SSL_CTX_get0_certificate(ctx);
	if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0)
		found(c, "console.certificate", -1, "\"console.certificate\": %s: it has expired",
		      cfg->console_certificate);
	SSL_CTX_free(ctx);
}

static void check_console(struct checking *c)
{
	const struct config *cfg = c->k->cfg;
	if (!cfg->console_listen)
		return;
	check_certificate(c);
	if (!cfg->public_url)
		found(c, "console", -1,
		      "\"public_url\" is not set: nobody can log in to the console without the "
		      "address that "
		      "people reach it at");
	if (!cfg->console_issuer)
		found(c, "console", -1,
		      "\"console.issuer\" is not set: the OpenID provider that people log in with");
	if (!cfg->n_admin_groups && !cfg->n_approver_groups && !cfg->n_auditor_groups)
		found(c, "console", -1,
		      "none of \"console.admin_groups\", \"console.approver_groups\" and "
		      "\"console.auditor_groups\" is set: whoever logs in sees nothing");
	check_authorities(c, "console.issuer_ca", cfg->console_issuer_ca);
	if (cfg->console_client_secret)
		check_secret(c, "console.client_secret", "console.client_secret",
			     cfg->console_client_secret, 1);
}

void check_named(struct checking *c)
{
	const struct config *cfg = c->k->cfg;
	char place[60];
	check_authorities(c, "audit.sink_ca", cfg->audit_sink_ca);
	check_console(c);
	for (int i = 0; i < cfg->hooks.n; i++) {
		snprintf(place, sizeof(place), "webhooks.%d.secret", i);
		check_secret(c, place, "webhooks: secret", cfg->hooks.at[i].secret,
			     HOOK_SECRET_MIN);
	}
}
