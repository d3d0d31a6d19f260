/* The policy, and the credentials and keys that it names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/macro.h"
#include "check/internal.h"
#include "identity/identity.h"
#include "policy/policy.h"
#include "upstream/credential.h"
#include "upstream/tls_client.h"

/* Not run: it may cost something, or be meant for the machine at work. Who runs it is the user that
 * we are. */
static int check_command(struct checking *c, const char *source, char why[WHY_MAX])
{
	int fd = -1, r = credential_file(&c->monitor, source, &fd, why);
	if (r == 0 && faccessat(fd, "", X_OK, AT_EMPTY_PATH) < 0) {
		snprintf(why, WHY_MAX, "the user \"%s\" may not execute it", c->k->cfg->user);
		r = -errno;
	}
	closep(&fd);
	return r;
}

/* As a login reads it, up to where it would connect. */
static int check_file(struct checking *c, const char *source, char why[WHY_MAX])
{
	struct credential cred = {0};
	struct tls_client *tls = NULL;
	int r = credential_fetch(&c->monitor, source, &cred, why);
	if (r < 0)
		return r;
	r = tls_client_new(&c->monitor, &cred, "upstream", &tls, why);
	tls_client_unref(tls);
	credential_done(&cred);
	return r;
}

static void check_credential(struct checking *c, const struct source_text *in, int i,
			     const struct role_credential *of)
{
	char place[300], why[WHY_MAX] = "";
	int r = 0;
	if (!strncmp(of->source, "file:", 5))
		r = check_file(c, of->source, why);
	else if (!strncmp(of->source, "command:", 8))
		r = check_command(c, of->source, why);
	if (r == 0)
		return; /* "fd:": the service manager's, who alone can tell */
	snprintf(place, sizeof(place), "resources.%d.credentials.%s", i, of->role);
	found_in(c, in, place, "credential of %s: %s: %s", of->role, of->source,
		 *why ? why : err_text(r));
}

static void check_mask_key(struct checking *c, const struct source_text *in, const char *source)
{
	char why[WHY_MAX] = "";
	size_t n = 0;
	if (!source || strncmp(source, "file:", 5))
		return;
	char *page = secret_page();
	int r = page ? secret_key_fetch(&c->monitor, source, page, &n, why) : -ENOMEM;
	if (r < 0)
		found_in(c, in, "masks", "the key of a mask: %s: %s", source, *why ? why : err_text(r));
	if (page)
		secret_page_free(page);
}

/* Of a URL nothing is known without asking; of the local issuer's keys, that the daemon makes them
 * when it is on. */
static void check_issuer(struct checking *c, const struct source_text *in, int i,
			 const struct issuer *is)
{
	const struct config *cfg = c->k->cfg;
	char place[60], local[300], why[300];
	size_t len = 0;
	if (is->jwks ? strncmp(is->jwks, "file:", 5) != 0 : cfg->has_local_issuer)
		return;
	snprintf(local, sizeof(local), "%s/keys/local.jwks", cfg->state_dir);
	snprintf(place, sizeof(place), "issuers.%d", i);
	json_t *q =
	    json_pack("{s:s,s:s}", "t", "open_key", "path", is->jwks ? is->jwks + 5 : local);
	_cleanup_(freep) char *text = check_read(c, q, JWKS_MAX, &len, why, sizeof(why));
	struct jwks *keys = NULL;
	if (!text && !is->jwks)
		found_in(c, in, place,
			 "issuer \"%s\" has no \"jwks\", and this machine's own is off: set "
			 "\"local_issuer\": {\"enabled\": true} in %s, or name where its keys are",
			 is->issuer, c->k->name);
	else if (!text)
		found_in(c, in, place, "keys of \"%s\": %s: %s", is->issuer, is->jwks, why);
	else if (jwks_parse(span_of(text, len), &keys) < 0)
		found_in(c, in, place,
			 "keys of \"%s\": %s: it is no set of keys (RFC 7517) that can be used",
			 is->issuer, is->jwks ? is->jwks : local);
	jwks_unref(keys);
}

static void check_notified(struct checking *c, const struct source_text *in, const struct plan *p)
{
	const struct hooks *hooks = &c->k->cfg->hooks;
	const char *rule, *name;
	for (int i = 0; plan_notify(p, i, &rule, &name); i++) {
		int k = 0;
		while (k < hooks->n && strcmp(hooks->at[k].name, name))
			k++;
		if (k == hooks->n)
			found_in(c, in, "rules",
				 "rule \"%s\" notifies \"%s\", which is none of \"webhooks\" in %s",
				 rule, name, c->k->name);
	}
}

static void check_plan(struct checking *c, const struct source_text *in, const struct plan *p)
{
	for (int i = 0; i < plan_n_issuers(p); i++)
		check_issuer(c, in, i, plan_issuer(p, i));
	for (int i = 0; i < plan_n_resources(p); i++) {
		const struct resource *r = plan_resource(p, i);
		for (int k = 0; k < r->n_credentials; k++)
			check_credential(c, in, i, &r->credentials[k]);
	}
	for (int i = 0; i < plan_n_masks(p); i++)
		check_mask_key(c, in, plan_mask_key_source(p, i));
	check_notified(c, in, p);
}

void check_policy(struct checking *c)
{
	const char *path = c->k->cfg->policy;
	_cleanup_(freep) struct policy_errors *errors = calloc(1, sizeof(*errors));
	struct plan *plan = NULL;
	char why[300];
	size_t len = 0;
	_cleanup_(freep) char *text = check_read(c, json_pack("{s:s}", "t", "open_policy"),
						 POLICY_MAX + 1, &len, why, sizeof(why));
	struct source_text in = {path, span_of(text, len)};
	if (!text || !errors) {
		found_in(c, &(struct source_text){path, {0}}, "",
			 "the policy cannot be read: %s; sluice init --dsn URL "
			 "writes a first one",
			 why);
		return;
	}
	int r = plan_compile(in.text, &plan, errors);
	for (int i = 0; i < errors->n; i++, c->n_found++)
		fprintf(stderr, "%s:%d:%d: %s\n", path, errors->at[i].line, errors->at[i].column,
			errors->at[i].text);
	if (r < 0 && !errors->n)
		found_in(c, &in, "", "%s", err_text(r));
	if (r == 0)
		check_plan(c, &in, plan);
	plan_unref(plan);
}
