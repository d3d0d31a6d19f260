/* "require": what has to hold a workload besides the programs that every kernel has; without it, it is not enrolled. */
#include <string.h>

#include "base/macro.h"
#include "policy/load.h"

/* What `sluice doctor` may call a gap, by its names there; and the guard of `sluice run`, whole. */
static const char *const parts[REQUIRE_PARTS] = {"guard",	      "other_families",	 "foreign_sockets",
						 "unix_sockets",      "leaving_cgroup",	 "sock_destroy",
						 "socket_keeps_cgroup", "task_read",	 "pidfd_getfd"};

static void one_part(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	int i = load_choice(l, at, s, parts, REQUIRE_PARTS);
	(void)into;
	if (i >= 0)
		l->plan->requires |= 1u << i;
}

void load_require(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_strings(l, at, v, REQUIRE_PARTS, one_part, into);
}

bool plan_requires(const struct plan *p, const char *part)
{
	for (int i = 0; i < REQUIRE_PARTS; i++)
		if (!strcmp(parts[i], part))
			return p->requires & 1u << i;
	return false;
}
