/* "bypass": what becomes of a workload that tries a way around the gateway. Refused it is in any
 * case. */
#include <string.h>

#include "base/macro.h"
#include "policy/load.h"

/* The vectors of bypass.attempt. */
static const char *const vectors[BYPASS_VECTORS] = {"protocol",	    "network-namespace",
						    "gateway-port", "foreign-socket",
						    "bound-device", "socket-family",
						    "unix-socket",  "handed-socket",
						    "trace",	    "bpf",
						    "cgroup",	    "device",
						    "multicast-group"};

static void one_vector(struct loader *l, const struct json_at *at, const char *s,
		       enum bypass_action action)
{
	int i = load_choice(l, at, s, vectors, BYPASS_VECTORS);
	if (i < 0)
		return;
	if (l->plan->on_bypass[i] != BYPASS_RECORD)
		load_fail(l, at, "\"%.60s\" stands in both lists; expected one of them", s);
	l->plan->on_bypass[i] = action;
}

static void one_freeze(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	(void)into;
	one_vector(l, at, s, BYPASS_FREEZE);
}

static void one_kill(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	(void)into;
	one_vector(l, at, s, BYPASS_KILL);
}

static void bypass_freeze(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_strings(l, at, v, BYPASS_VECTORS, one_freeze, into);
}

static void bypass_kill(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_strings(l, at, v, BYPASS_VECTORS, one_kill, into);
}

static const struct field members[] = {
    {"freeze", SHAPE_STRINGS, false, "vectors", bypass_freeze},
    {"kill", SHAPE_STRINGS, false, "vectors", bypass_kill},
};

void load_bypass(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_object(l, at, v, members, ARRAY_LEN(members), into);
}

enum bypass_action plan_on_bypass(const struct plan *p, const char *vector)
{
	for (int i = 0; i < BYPASS_VECTORS; i++)
		if (!strcmp(vectors[i], vector))
			return p->on_bypass[i];
	return BYPASS_RECORD;
}
