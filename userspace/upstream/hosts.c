#include "upstream/hosts.h"

#include <stdio.h>
#include <string.h>

bool hosts_next(const char **list, char ret[HOST_PORT_MAX])
{
	size_t n = strcspn(*list, ",");
	if (!n || n >= HOST_PORT_MAX)
		return false;
	memcpy(ret, *list, n);
	ret[n] = 0;
	*list += n + ((*list)[n] == ',');
	return true;
}

void hosts_name(const char *entry, char *ret, size_t size)
{
	const char *colon = strrchr(entry, ':');
	int n = (int)(colon ? colon - entry : (long)strlen(entry));
	bool is_bracketed = entry[0] == '[' && n > 2;
	snprintf(ret, size, "%.*s", n - 2 * is_bracketed, entry + is_bracketed);
}

/* 1, 0, or -1: the server does not say. */
static int reported(struct span greeting, const char *parameter)
{
	struct cur c = cur_of(greeting);
	int found = -1;
	while (cur_left(&c)) {
		(void)cur_u8(&c);
		uint32_t len = cur_u32(&c);
		struct cur body = cur_of(cur_bytes(&c, len < 4 ? 0 : len - 4));
		struct span name = cur_cstr(&body), value = cur_cstr(&body);
		if (cur_err(&c))
			break;
		if (!cur_err(&body) && span_is(name, parameter))
			found = span_is(value, "on");
	}
	return found;
}

const char *hosts_mismatch(struct span greeting, const char *want, bool is_ro_ours,
			   bool is_last_round)
{
	if (!want || !strcmp(want, "any") || (!strcmp(want, "prefer-standby") && is_last_round))
		return NULL;
	int standby = reported(greeting, "in_hot_standby");
	int ro = is_ro_ours ? 0 : reported(greeting, "default_transaction_read_only");
	if (standby < 0 || ro < 0)
		return "target_session_attrs needs PostgreSQL 14: the upstream does not say what "
		       "it is";
	if (!strcmp(want, "read-write"))
		return standby || ro ? "no host of the upstream takes writes" : NULL;
	if (!strcmp(want, "read-only"))
		return standby || ro || is_ro_ours ? NULL : "no host of the upstream is read-only";
	if (!strcmp(want, "primary"))
		return standby ? "no host of the upstream is a primary" : NULL;
	if (!strcmp(want, "standby") || !strcmp(want, "prefer-standby"))
		return standby ? NULL : "no host of the upstream is a standby";
	return "target_session_attrs is none that exists";
}
