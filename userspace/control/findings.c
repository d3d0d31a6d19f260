/* What "sluice doctor" and the console's page of the node say of the gateway itself, behind the
 * kernel's probe: one row a part, in the probe's form. What is off because nobody asked for it is
 * no finding. */
#include <errno.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/ossl.h"
#include <openssl/pem.h>

#include "approval/book.h"
#include "base/macro.h"
#include "control/control_internal.h"
#include "kernel/kernel.h"

#define GIB	    (1ull << 30)
#define ROOM_MIN    GIB /* less is soon full */
#define CA_SOON_S   (60 * 86400)
#define CERT_SOON_S (14 * 86400)
#define DATE_SIZE   32

static int64_t now_s(void)
{
	return (int64_t)(clock_real_ns() / NS_PER_SEC);
}

static const char *date(int64_t at, char out[DATE_SIZE])
{
	time_t t = (time_t)at;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(out, DATE_SIZE, "%Y-%m-%d %H:%M UTC", &tm))
		*out = 0;
	return out;
}

static void add_policy(json_t *rows, const struct control *c)
{
	const char *error = c->policy.last_error;
	probe_add(rows, "policy in force", c->policy.plan != NULL, "a policy without errors",
	    "nothing passes", error ? error : "sluice init --dsn URL writes a first one");
	probe_add(rows, "newest policy taken", !error, "a policy without errors",
	    "the policy from before stays in force", error ? error : "none");
}

static void add_record(json_t *rows, const struct control *c)
{
	char path[300], need[400];
	struct statvfs v;
	snprintf(path, sizeof(path), "%s/store", c->cfg->state_dir);
	probe_add(rows, "recorder", c->recorder.fd >= 0 && ring_check(c->ring) == 0,
	    "the recorder process, and that it can record", "nothing passes",
	    "see the daemon's log");
	probe_add(rows, "durable record", c->cfg->is_durable, "\"audit\": {\"durability\": \"sync\"}",
	    "a power cut may lose the record of what was done", "set audit.durability to sync");
	if (statvfs(path, &v) < 0) {
		snprintf(need, sizeof(need), "%s: %s", path, err_text(-errno));
		probe_add(rows, "room for the record", false, need,
		    "nothing passes where it cannot be written", "see the daemon's log");
		return;
	}
	uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
	snprintf(need, sizeof(need), "1 GiB at %s, where %llu.%llu GiB are free", path,
		 (unsigned long long)(room / GIB), (unsigned long long)(room % GIB * 10 / GIB));
	probe_add(rows, "room for the record", room >= ROOM_MIN, need, "a full disk: nothing passes",
	    "make room; audit.keep_seconds and audit.keep_bytes let old segments go");
}

/* --- people --- */

static void add_certificate(json_t *rows, const struct control *c)
{
	char when[DATE_SIZE], need[200];
	const char *fault = json_string_value(json_object_get(c->certificate, "fault"));
	int64_t until = json_integer_value(json_object_get(c->certificate, "until"));
	bool is_good = c->console.fd >= 0 && fault && !*fault && until > now_s() + CERT_SOON_S;
	if (until)
		snprintf(need, sizeof(need), "a certificate for 14 days more: it is good until %s",
			 date(until, when));
	else
		snprintf(need, sizeof(need),
			 "the console's process, with a certificate and its key");
	probe_add(rows, "console", is_good, need,
	    "people see and answer nothing in a browser once it is over",
	    fault && *fault	? fault
	    : c->console.fd < 0 ? "its process is away: see the daemon's log"
				: "renew it, then systemctl reload sluiced (SIGHUP)");
}

static void add_console(json_t *rows, const struct control *c)
{
	const struct config *cfg = c->cfg;
	if (!cfg->console_listen) {
		probe_add(rows, "console", true, "nothing: \"console.listen\" is not set, so it is off",
		    "", "");
		return;
	}
	add_certificate(rows, c);
	probe_add(rows, "console logins", cfg->public_url && c->people.provider.issuer,
	    "\"public_url\", and an answer of the provider in \"console.issuer\"",
	    "nobody can log in to the console",
	    !cfg->public_url ? "set \"public_url\""
	    : !cfg->console_issuer
		? "set \"console.issuer\""
		: "see the daemon's log: what the provider answers; \"console.issuer_ca\" names an "
		  "authority of your own");
}

static bool is_hook(const struct control *c, const char *name)
{
	for (int i = 0; i < c->hooks.n; i++)
		if (!strcmp(c->hooks.at[i].hook->name, name))
			return c->hooks.at[i].secret != NULL;
	return false;
}

/* Who asks people has to reach them: by the webhooks that the policy names, or they look
 * themselves. */
static void add_approvals(json_t *rows, const struct control *c)
{
	const char *rule = NULL, *hook = NULL;
	char need[200], remedy[400] = "";
	bool is_told = true;
	int open = book_n_open(c->approvals.book);
	for (int i = 0; is_told && c->policy.plan && plan_notify(c->policy.plan, i, &rule, &hook);
	     i++)
		is_told = is_hook(c, hook);
	if (!is_told)
		snprintf(remedy, sizeof(remedy),
			 "rule \"%s\" notifies \"%s\": \"webhooks\" of the configuration has none "
			 "of that name whose secret can be read",
			 rule, hook);
	snprintf(
	    need, sizeof(need),
	    "webhooks that rules notify, with their secrets; %d request%s wait%s for people now",
	    open, open == 1 ? "" : "s", open == 1 ? "s" : "");
	probe_add(rows, "approvals", is_told, need, "nobody is told of what waits", remedy);
}

/* --- the node's authority --- */

static int64_t authority_until(const struct control *c)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/ca.pem", c->cfg->run_dir);
	FILE *f = fopen(path, "re");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	int64_t until = ossl_good_until(x);
	X509_free(x);
	ERR_clear_error();
	if (f)
		fclose(f);
	return until;
}

static void add_authority(json_t *rows, const struct control *c)
{
	char need[200], when[DATE_SIZE];
	if (!c->policy.plan || !policy_offers_tls(c->policy.plan))
		return;
	int64_t until = authority_until(c);
	if (until)
		snprintf(need, sizeof(need), "a node CA for 60 days more: it is good until %s",
			 date(until, when));
	else
		snprintf(need, sizeof(need), "%s/ca.pem, which the daemon writes", c->cfg->run_dir);
	probe_add(rows, "TLS with workloads", until > now_s() + CA_SOON_S, need,
	    "a workload that asks for TLS gets none",
	    "restart the daemon, which issues it anew; workloads that live read the new one when "
	    "they start again");
}

json_t *findings(const struct control *c)
{
	json_t *rows = json_array();
	add_policy(rows, c);
	add_record(rows, c);
	add_console(rows, c);
	add_approvals(rows, c);
	add_authority(rows, c);
	return rows;
}
