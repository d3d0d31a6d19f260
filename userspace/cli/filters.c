#include "cli/filters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "cli/cli.h"
#include "record/query/match.h"

/* "2026-11-24", "2026-11-24T08:00:00Z", "90m", "24h", "7d" (ago) or Unix seconds -> Unix seconds as
 * text. NULL: neither. */
static const char *seconds_of(const char *text, char out[24])
{
	static const struct {
		char unit;
		long seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	struct tm tm = {0};
	char *end;
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!rest || *rest) {
		tm = (struct tm){0};
		rest = strptime(text, "%Y-%m-%d", &tm);
	}
	long n = strtol(text, &end, 10);
	time_t at = -1;
	if (rest && !*rest)
		at = timegm(&tm);
	else if (end > text && !*end)
		at = n;
	for (size_t i = 0; at < 0 && end > text && i < ARRAY_LEN(units); i++)
		if (*end == units[i].unit && !end[1])
			at = time(NULL) - n * units[i].seconds;
	if (at < 0)
		return NULL;
	snprintf(out, 24, "%lld", (long long)at);
	return out;
}

static bool is_verdict(const char *name)
{
	struct match m;
	match_init(&m);
	return match_read_verdict(&m, name);
}

json_t *filters_json(const struct filters *f, const char *command)
{
	char since[24], until[24];
	const char *from = f->since ? seconds_of(f->since, since) : NULL,
		   *to = f->until ? seconds_of(f->until, until) : NULL;
	if ((f->since && !from) || (f->until && !to)) {
		cli_usage(command,
			  "%s: expected a date (2026-11-24), a time (2026-11-24T08:00:00Z), an age "
			  "(90m, 24h, 7d) or Unix seconds",
			  f->since && !from ? f->since : f->until);
		return NULL;
	}
	if (f->verdict && !is_verdict(f->verdict)) {
		cli_usage(command,
			  "--verdict %s: expected allow, mask, ask, deny (operations, and connects "
			  "refused), refused, observed or error",
			  f->verdict);
		return NULL;
	}
	return json_pack("{s:s?,s:s?,s:s?,s:s?,s:s?,s:s?,s:s?,s:s?,s:s?,s:s?}", "session", f->session,
			 "identity", f->identity, "owner", f->owner, "role", f->role, "resource",
			 f->resource, "verdict", f->verdict, "relation", f->relation, "since", from,
			 "until", to, "denied", f->is_denied ? "1" : NULL);
}
