/* The line after a run and the stanza to paste. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/macro.h"
#include "cli/session.h"

#define REFUSED_SHOWN 4
#define STANZAS_MAX   8
#define POSTGRES_PORT 5432

/* "name:443", "[::1]:80", "name" without a port; the name that was asked for says more than an address. */
static void target_text(const json_t *r, char *out, size_t size)
{
	const char *name = json_text(r, "name", "");
	const char *host = *name ? name : json_text(r, "host", "?");
	long long port = json_number(r, "port");
	const char *form = strchr(host, ':') ? "[%s]:%lld" : "%s:%lld";
	if (port > 0 && strcmp(json_text(r, "proto", ""), "dns") != 0)
		snprintf(out, size, form, host, port);
	else
		snprintf(out, size, "%s", host);
	for (; *out; out++) /* names come from the agent: nothing that moves a cursor or ends a string */
		if (!isgraph((unsigned char)*out) || *out == '"' || *out == '\\')
			*out = '?';
}

/* A resource and a rule would help. Otherwise the reason is worth telling: the gateway was away, the role
 * may not, the far end did not answer. */
static bool is_undeclared(const json_t *r)
{
	const char *why = json_text(r, "reason", "");
	return !*why || !strcmp(why, "not declared") || !strncmp(why, "no resource declares ", 21);
}

static void print_reason(const json_t *r)
{
	if (is_undeclared(r))
		return;
	fputs(" (", stderr);
	for (const char *c = json_text(r, "reason", ""); *c; c++)
		fputc(isprint((unsigned char)*c) ? *c : '?', stderr);
	fputc(')', stderr);
}

static void print_denied(const json_t *summary)
{
	long long denied = json_number(summary, "denied");
	const char *rule;
	json_t *n;
	const char *before = " (rule ";
	if (denied <= 0)
		return;
	fprintf(stderr, "  %lld denied", denied);
	json_object_foreach (json_object_get(summary, "denied_rules"), rule, n) {
		fprintf(stderr, "%s%s", before, rule);
		before = ", ";
	}
	if (before[0] == ',')
		fputc(')', stderr);
}

/* As many as "sluice sessions" counts; a place that was tried again and again is named once. */
static void print_refused(const json_t *summary, const json_t *refused)
{
	size_t n = json_array_size(refused), i;
	json_t *r;
	char target[300];
	if (n == 0)
		return;
	fprintf(stderr, "  %lld refused: ", MAX(json_number(summary, "refusals"), (long long)n));
	json_array_foreach (refused, i, r) {
		if (i == REFUSED_SHOWN) {
			fprintf(stderr, ", %zu more places", n - i);
			break;
		}
		target_text(r, target, sizeof(target));
		fprintf(stderr, "%s%s", i ? ", " : "", target);
		if (json_number(r, "count") > 1)
			fprintf(stderr, " x%lld", json_number(r, "count"));
		print_reason(r);
	}
}

void id_text(const char *target, char *out, size_t size)
{
	size_t n = 0;
	for (; *target && n + 1 < size; target++) {
		if (isalnum((unsigned char)*target))
			out[n++] = (char)tolower((unsigned char)*target);
		else if (n && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n && out[n - 1] == '-')
		n--;
	out[n] = 0;
}

static bool can_declare(const json_t *r)
{
	const char *proto = json_text(r, "proto", "tcp");
	return is_undeclared(r) && (!strcmp(proto, "tcp") || !strcmp(proto, "dns"));
}

static void print_resource(const json_t *r, const char *role, const char *comma)
{
	char target[300], id[64];
	target_text(r, target, sizeof(target));
	id_text(target, id, sizeof(id));
	if (json_number(r, "port") == POSTGRES_PORT)
		fprintf(stderr,
			"    {\"name\": \"%s\", \"protocol\": \"postgres\", \"match\": [\"%s\"],\n"
			"     \"credentials\": {\"%s\": \"file:/etc/sluice/credentials/%s\"}}%s\n",
			id, target, role, id, comma);
	else
		fprintf(stderr, "    {\"name\": \"%s\", \"protocol\": \"tcp\", \"match\": [\"%s\"]}%s\n", id,
			target, comma);
}

static void print_rule(const json_t *r, const char *role, const char *comma)
{
	char target[300], id[64];
	target_text(r, target, sizeof(target));
	id_text(target, id, sizeof(id));
	if (json_number(r, "port") == POSTGRES_PORT)
		fprintf(stderr,
			"    {\"id\": \"%s\", \"resource\": \"%s\", \"roles\": [\"%s\"],\n"
			"     \"verbs\": [\"select\"], \"relations\": [\"public.*\"], \"effect\": \"allow\"}%s\n",
			id, id, role, comma);
	else
		fprintf(stderr,
			"    {\"id\": \"%s\", \"resource\": \"%s\", \"roles\": [\"%s\"], "
			"\"effect\": \"allow\"}%s\n",
			id, id, role, comma);
}

static void print_stanza(const json_t *refused, const char *role)
{
	const json_t *shown[STANZAS_MAX];
	size_t n = 0, i;
	json_t *r;
	json_array_foreach (refused, i, r)
		if (n < STANZAS_MAX && can_declare(r))
			shown[n++] = r;
	if (n == 0)
		return;
	fputs("  to allow it, add to the policy\n  \"resources\":\n", stderr);
	for (i = 0; i < n; i++)
		print_resource(shown[i], role, i + 1 < n ? "," : "");
	fputs("  \"rules\":\n", stderr);
	for (i = 0; i < n; i++)
		print_rule(shown[i], role, i + 1 < n ? "," : "");
}

/* A command whose identity was taken away wonders why nothing answers. */
static void print_end(const json_t *summary)
{
	const char *before = strstr(json_text(summary, "end_reason", ""), "; it was ");
	if (before)
		fprintf(stderr, "  %s", before + 2);
}

void summary_print(const json_t *summary, const char *role)
{
	const char *session = json_text(summary, "session", "?");
	const json_t *refused = json_object_get(summary, "refused");
	fprintf(stderr, "session %s  %lld ops", session, json_number(summary, "ops"));
	print_denied(summary);
	print_refused(summary, refused);
	print_end(summary);
	fprintf(stderr, " -> sluice replay %s\n", session);
	print_stanza(refused, role);
}
