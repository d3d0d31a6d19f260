#include "flow/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/msg.h"
#include "explain/explain.h"
#include "flow/asks.h"
#include "flow/proxy.h"
#include "flow/worker.h"
#include "policy/policy.h"
#include "sql/catalog.h"
#include "upstream/catalogs.h"

#define TEXT_MAX   (256 * 1024) /* of what is read at all: sql/sql.h */
#define ARENA_MAX  (16 * 1024 * 1024)
#define ANSWER_MAX (8 * 1024 * 1024)

struct explained {
	struct job job; /* first */
	struct proxy *proxy;
	struct plan *plan; /* a reference */
	json_t *asked;
	char *text;
	size_t len;
};

static const char *text_of(const struct explained *e, const char *key)
{
	const char *s = json_string_value(json_object_get(e->asked, key));
	return s ? s : "";
}

static void explained_free(struct explained *e)
{
	plan_unref(e->plan);
	json_decref(e->asked);
	free(e->text);
	free(e);
}

static void answer(struct explained *e, const char *why, int fd)
{
	asks_send(e->proxy,
		  json_pack("{s:s,s:O,s:s*}", "t", "explained", "number",
			    json_object_get(e->asked, "number"), "why", why),
		  fd);
}

static const char *explain(struct explained *e, struct arena *a, int *ret_fd)
{
	char database[64] = "";
	const char *role = text_of(e, "role"), *resource = text_of(e, "resource"),
		   *wanted = text_of(e, "database");
	struct question q = {.plan = e->plan,
			     .resource = plan_resource_by_name(e->plan, resource),
			     .role = role,
			     .owner = text_of(e, "owner"),
			     .now = (int64_t)(clock_real_ns() / NS_PER_SEC),
			     .arena = a};
	if (!q.resource || !plan_has_role(e->plan, role))
		return "the policy has changed: it has no such role or resource";
	struct catalog *c =
	    catalogs_newest(e->proxy->catalogs, resource, *wanted ? wanted : NULL, database);
	if (!c)
		return "no catalogue of it is known yet: it is read when a workload first connects";
	const char *why = NULL;
	json_t *all = explain_text(&q, span_of(e->text, e->len), c, &why);
	if (all)
		json_object_set_new(all, "database", json_string(database));
	_cleanup_(freep) char *text = all ? json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(all);
	catalog_unref(c);
	if (why)
		return why;
	if (!text || strlen(text) > ANSWER_MAX || memfd_of(text, strlen(text), ret_fd) < 0)
		return "what there is to say is too long, or there is no memory for it";
	return NULL;
}

static void work(struct job *j)
{
	struct explained *e = (struct explained *)j;
	struct arena a;
	int fd = -1;
	arena_init(&a, ARENA_MAX);
	const char *why = explain(e, &a, &fd);
	answer(e, why, fd); /* why may lie in the arena */
	arena_done(&a);
	explained_free(e);
}

int explain_asked(struct proxy *p, struct msg *m)
{
	struct explained *e = p->plan && m->n_fds == 1 ? calloc(1, sizeof(*e)) : NULL;
	if (!e)
		return p->plan && m->n_fds == 1 ? -ENOMEM : ERR_MALFORMED;
	e->job.work = work;
	e->proxy = p;
	e->plan = plan_ref(p->plan);
	e->asked = TAKE(m->json);
	int err = memfd_read(m->fds[0], TEXT_MAX, &e->text, &e->len);
	if (err)
		answer(e, "the text is too long", -1);
	else
		err = pool_submit(p->pool, &e->job);
	if (err)
		explained_free(e);
	return err;
}
