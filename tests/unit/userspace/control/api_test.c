/* The OpenAPI document says what the table of routes says: every path, method, permission and role, both ways. */
#include <jansson.h>
#include <stdlib.h>

#include "base/macro.h"
#include "control/api_internal.h"

#include "../../tap.h"

#define DOCUMENT "userspace/console/web/openapi.json"

/* "/v1/sessions/{id}/end" -> "/v1/sessions/ * /end" without the blanks. */
static void pattern_of(const char *path, char out[128])
{
	const char *open = strchr(path, '{'), *close = open ? strchr(open, '}') : NULL;
	if (close)
		snprintf(out, 128, "%.*s*%s", (int)(open - path), path, close + 1);
	else
		snprintf(out, 128, "%s", path);
}

static const struct route *find(const char *method, const char *pattern)
{
	size_t n;
	const struct route *routes = api_routes(&n);
	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(routes[i].method, method) && !strcmp(routes[i].path, pattern))
			return &routes[i];
	return NULL;
}

static bool lists(const json_t *list, const char *word)
{
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)list, i, v) if (!strcmp(json_string_value(v), word)) return true;
	return false;
}

static void check_operation(const char *method, const char *pattern, const json_t *op)
{
	static const char *const needs[] = {[MAY_ANY] = "any",	     [MAY_ENROL] = "enrol", [MAY_OWN] = "own",
					    [MAY_OWN_QUERY] = "own", [MAY_AUDIT] = "audit", [MAY_ROOT] = "root",
					    [MAY_INSIDE] = "inside"};
	const struct route *r = find(method, pattern);
	const json_t *roles = json_object_get(op, "x-roles");
	CHECK(r != NULL);
	if (!r) {
		printf("  the document has %s %s, the table has not\n", method, pattern);
		return;
	}
	CHECK_STR(json_string_value(json_object_get(op, "x-unix")), needs[r->need]);
	CHECK_INT(lists(roles, "admin"), (r->web & WEB_ADMIN) != 0);
	CHECK_INT(lists(roles, "approver"), (r->web & WEB_APPROVER) != 0);
	CHECK_INT(lists(roles, "auditor"), (r->web & WEB_AUDITOR) != 0);
	CHECK(json_object_get(op, "summary") && json_object_get(op, "responses"));
}

int main(void)
{
	json_error_t e;
	json_t *doc = json_load_file(DOCUMENT, JSON_REJECT_DUPLICATES, &e), *item, *op;
	const char *path, *method;
	char pattern[128];
	size_t n_routes, n = 0;
	CHECK(doc != NULL);
	api_routes(&n_routes);
	json_object_foreach(json_object_get(doc, "paths"), path, item)
	{
		pattern_of(path, pattern);
		json_object_foreach(item, method, op)
		{
			check_operation(method, pattern, op);
			n++;
		}
	}
	CHECK_INT(n, n_routes);
	json_decref(doc);
	return tap_done();
}
