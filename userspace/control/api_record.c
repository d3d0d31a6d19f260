/* Questions to the recorder: the parameters of the query are its filters. */
#include "base/macro.h"
#include "control/api_internal.h"

#define FILTER_MAX 4096

/* What may be passed on; a name that is not here is refused, so that a misspelt filter shows nothing
 * rather than everything. */
static const char *const filters[] = {"session", "type",   "identity", "role",	"owner", "resource",
				      "since",	 "until",  "from",     "to",	"limit", "follow",
				      "live",	 "denied", "flow",     "format",   "verdict", "relation", "text",
				      "event",	 "old",	   "fingerprint", "checkpoints", "keys", "sealed"};

static bool is_filter(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		if (span_is(name, filters[i]))
			return true;
	return false;
}

static bool all_known(struct span query)
{
	while (query.len) {
		const uint8_t *amp = memchr(query.p, '&', query.len);
		size_t len = amp ? (size_t)(amp - query.p) : query.len;
		const uint8_t *eq = len ? memchr(query.p, '=', len) : NULL;
		if (!is_filter(span_of(query.p, eq ? (size_t)(eq - query.p) : len)))
			return false;
		query = span_of(query.p + len + (amp != NULL), query.len - len - (amp != NULL));
	}
	return true;
}

static void ask(struct call *k, const char *kind)
{
	char value[FILTER_MAX];
	json_t *q = json_pack("{s:s,s:s}", "t", "query", "kind", kind);
	int r = all_known(k->query) ? 0 : ERR_NOT_FOUND;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(filters); i++) {
		r = http_query(k->query, filters[i], value, sizeof(value));
		if (r == 0 && json_object_set_new(q, filters[i], json_string(value)) < 0)
			r = ERR_MALFORMED;
		r = r == ERR_NOT_FOUND ? 0 : r;
	}
	if (r < 0) {
		json_decref(q);
		conn_fail(k->conn, 400, NULL, "a filter is unknown, doubled or malformed");
		return;
	}
	relay_start(k->conn, q);
}

void api_sessions(struct call *k)
{
	ask(k, "sessions");
}

void api_events(struct call *k)
{
	ask(k, "events");
}

void api_export(struct call *k)
{
	ask(k, "export");
}

void api_verify(struct call *k)
{
	ask(k, "verify");
}

void api_prove(struct call *k)
{
	ask(k, "prove");
}
