#include "record/query/rests.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/macro.h"

#define NAMES_MAX (1 << 20)
#define NAME_SIZE 200

struct rests {
	json_t *names; /* of requests and of operations in parts, as name_ has them */
	bool has_requests;
};

int rests_new(struct rests **ret_r)
{
	struct rests *r = calloc(1, sizeof(*r));
	if (r)
		r->names = json_object();
	if (!r || !r->names) {
		free(r);
		return -ENOMEM;
	}
	*ret_r = r;
	return 0;
}

void rests_free(struct rests *r)
{
	if (!r)
		return;
	json_decref(r->names);
	free(r);
}

static bool holds(struct span event, const char *bytes)
{
	return memmem(event.p, event.len, bytes, strlen(bytes)) != NULL;
}

/* Their first letters tell the two apart. */
static void name_request(const struct scan *e, char name[NAME_SIZE])
{
	struct span id = scan_plain(e, "request");
	snprintf(name, NAME_SIZE, "request %.*s", (int)MIN(id.len, (size_t)100), (const char *)id.p);
}

static void name_operation(const struct scan *e, char name[NAME_SIZE])
{
	struct span flow = scan_plain(e, "flow"), id = scan_get(e, "id");
	snprintf(name, NAME_SIZE, "op %.*s %.*s", (int)MIN(flow.len, (size_t)100), (const char *)flow.p,
		 (int)MIN(id.len, (size_t)20), (const char *)id.p);
}

static int add(struct rests *r, const char *name)
{
	if (json_object_get(r->names, name))
		return 0;
	if (json_object_size(r->names) >= NAMES_MAX)
		return ERR_LIMIT;
	return json_object_set_new(r->names, name, json_true()) ? -ENOMEM : 0;
}

int rests_note(struct rests *r, struct span event)
{
	struct scan e;
	char name[NAME_SIZE];
	int err = 0;
	if (!holds(event, "\"request\":\"") && !holds(event, "_parts\":"))
		return 0;
	if (scan_event(event, true, &e) < 0)
		return ERR_VERIFY;
	if (scan_plain(&e, "request").len) {
		name_request(&e, name);
		r->has_requests = true;
		err = add(r, name);
	}
	if (err == 0 && (scan_u64(&e, "text_parts") || scan_u64(&e, "params_parts"))) {
		name_operation(&e, name);
		err = add(r, name);
	}
	return err;
}

int rests_has(const struct rests *r, struct span event)
{
	struct scan e;
	char name[NAME_SIZE];
	bool is_part = holds(event, "\"type\":\"op.part\"");
	/* Who is not believed any more: of all, for it may be anybody who answered. */
	if (r->has_requests && holds(event, "\"type\":\"approver.revoke\""))
		return 1;
	if (!is_part && !(r->has_requests && holds(event, "\"type\":\"approval.")))
		return 0;
	if (scan_event(event, true, &e) < 0)
		return ERR_VERIFY;
	if (is_part)
		name_operation(&e, name);
	else
		name_request(&e, name);
	return json_object_get(r->names, name) != NULL;
}
