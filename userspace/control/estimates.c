/* What the database expects of a request, as the proxy was told: put on record, and shown beside
 * what is approved. */
#include "base/macro.h"
#include "control/approvals_internal.h"

#define PARTS_MAX 16
#define TEXT_MAX  200

static json_t *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return json_string(s && strlen(s) <= TEXT_MAX ? s : "?");
}

static json_t *number_of(const json_t *j, const char *key)
{
	return json_integer(MAX(json_integer_value(json_object_get(j, key)), (json_int_t)0));
}

static json_t *parts_json(const json_t *said)
{
	const json_t *part;
	json_t *parts = json_array();
	size_t i;
	json_array_foreach(said, i, part)
	{
		if (i < PARTS_MAX)
			json_array_append_new(parts, json_pack("{s:o,s:o,s:o}", "how",
							       text_of(part, "how"), "relation",
							       text_of(part, "relation"), "rows",
							       number_of(part, "rows")));
	}
	return parts;
}

/* Nothing of it but what it may have: it comes from where hostile bytes are met. */
static json_t *estimate_json(const json_t *said)
{
	if (!json_is_integer(json_object_get(said, "rows")))
		return json_pack("{s:o}", "why", text_of(said, "why"));
	return json_pack("{s:o,s:o,s:o,s:b}", "rows", number_of(said, "rows"), "cost",
			 number_of(said, "cost"), "parts",
			 parts_json(json_object_get(said, "parts")), "more",
			 json_is_true(json_object_get(said, "more")));
}

void estimates_on_proxy(struct control *c, struct msg *m)
{
	const char *id = json_string_value(json_object_get(m->json, "request"));
	struct request *r = id ? book_request(c->approvals.book, id) : NULL;
	if (!r || r->state == REQUEST_ENDED || !r->terms.has_estimate || r->estimate)
		return;
	json_t *j = estimate_json(m->json);
	_cleanup_(freep) char *text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	const char *kept = text && strlen(text) < ESTIMATE_MAX ? arena_str(&r->arena, text) : NULL;
	if (!kept || approvals_record(c, r, "approval.estimate", json_incref(j), NULL) < 0) {
		json_decref(j);
		return; /* what is not on record is not shown */
	}
	json_decref(j);
	r->estimate = kept;
	approvals_tell(c, "estimate", r, NULL);
}
