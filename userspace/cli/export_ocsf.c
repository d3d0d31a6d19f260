/* OCSF 1.8.0 (schema.ocsf.io), an object a line, for a SIEM:
 *
 *   op, op.end of a database            Datastore Activity, 6005
 *   op, op.end of anything else         API Activity, 6003
 *   flow.open, flow.close, connect.refused   Network Activity, 4001
 *   session.start, .renew, .expire, .revoke, .end   Authentication, 3002
 *   everything else (the node, its policy, its record)   API Activity, 6003
 *
 * with the profile security_control (action, disposition, policy: the rule). metadata.uid is the
 * event ("node/number"), metadata.correlation_uid the operation that op and op.end belong to,
 * raw_data the event as it is stored. Keys ascend. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/jw.h"
#include "base/macro.h"
#include "cli/export.h"

#define VALUE_MAX (2 * 1024 * 1024)

enum class { DATASTORE = 6005, API = 6003, NETWORK = 4001, AUTHENTICATION = 3002 };
enum { OTHER = 99 };

struct mapped {
	struct jw w;
	const struct scan *e;
	enum class class;
	int activity;
	const char *type; /* of the event, for a table's row */
};

/* --- which class and activity -------------------------------------------------------------------
 */

static const struct {
	const char *type;
	enum class class;
	int activity;
} types[] = {
    {"flow.open", NETWORK, 1},		 {"flow.close", NETWORK, 2},
    {"connect.refused", NETWORK, 5},	 {"session.start", AUTHENTICATION, 1},
    {"session.renew", AUTHENTICATION, 5}, {"session.expire", AUTHENTICATION, 2},
    {"session.revoke", AUTHENTICATION, 2}, {"session.end", AUTHENTICATION, 2},
    {"policy.load", API, 3},
};

/* The first word that occurs, in a verb of op's needs or in op.end's tag, tells what was done. */
static const struct {
	const char *verb, *tag;
	int datastore, api;
} verbs[] = {
    {"drop", "DROP", 7, 4},	{"truncate", "TRUNCATE", 7, 4}, {"delete", "DELETE", 7, 4},
    {"alter", "ALTER", 2, 3},	{"update", "UPDATE", 2, 3},	{"create", "CREATE", 6, 1},
    {"insert", "INSERT", 5, 1}, {"select", "SELECT", 4, 2},	{"connect", "connect", 3, OTHER},
};

static bool has_verb(const struct scan *e, const char *verb)
{
	struct span item;
	struct scan n;
	for (size_t at = 0; scan_item(scan_get(e, "needs"), &at, &item);)
		if (scan_event(item, false, &n) == 0 && span_is(scan_plain(&n, "verb"), verb))
			return true;
	return false;
}

static int verb_activity(const struct scan *e, bool is_datastore)
{
	struct span tag = scan_plain(e, "tag");
	bool has_needs = scan_get(e, "needs").len > 2;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		size_t n = strlen(verbs[i].tag);
		bool is_tag = !has_needs && tag.len >= n && memcmp(tag.p, verbs[i].tag, n) == 0;
		if (is_tag || (has_needs && has_verb(e, verbs[i].verb)))
			return is_datastore ? verbs[i].datastore : verbs[i].api;
	}
	return OTHER;
}

static void classify(struct mapped *m)
{
	struct span type = scan_plain(m->e, "type"), protocol = scan_plain(m->e, "protocol");
	bool is_op = span_is(type, "op") || span_is(type, "op.end");
	/* op.end does not say its protocol: a result with a command tag is a database's. */
	bool is_datastore =
	    is_op && (span_is(protocol, "postgres") ||
		      (!protocol.len && (scan_get(m->e, "tag").len || scan_get(m->e, "sqlstate").len)));
	m->class = is_datastore ? DATASTORE : API;
	m->activity = is_op ? verb_activity(m->e, is_datastore) : OTHER;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (span_is(type, types[i].type)) {
			m->class = types[i].class;
			m->activity = types[i].activity;
		}
}

/* --- values -------------------------------------------------------------------------------------
 */

/* The value of an event's field under OCSF's name; base64 of what is no text, marked. */
static void put(struct mapped *m, const char *key, const char *field)
{
	struct span v = scan_get(m->e, field);
	struct buf b;
	if (v.len) {
		jw_raw(&m->w, key, v);
		return;
	}
	buf_init(&b, VALUE_MAX);
	export_value(&b, m->e, field);
	if (buf_len(&b))
		jw_text(&m->w, key, NULL, buf_span(&b));
	buf_done(&b);
}

static bool has(const struct mapped *m, const char *field)
{
	char b64[64];
	snprintf(b64, sizeof(b64), "%s_b64", field);
	return scan_get(m->e, field).len > 2 || scan_get(m->e, b64).len;
}

static bool is_value(const struct mapped *m, const char *field, const char *value)
{
	return span_is(scan_plain(m->e, field), value);
}

/* --- objects, by their names --------------------------------------------------------------------
 */

static void put_user(struct mapped *m)
{
	jw_object(&m->w, "user");
	if (has(m, "role")) {
		jw_array(&m->w, "groups");
		jw_object(&m->w, NULL);
		put(m, "name", "role");
		jw_str(&m->w, "type", "role");
		jw_object_end(&m->w);
		jw_array_end(&m->w);
	}
	put(m, "name", "identity");
	jw_int(&m->w, "type_id", 4); /* a service */
	jw_object_end(&m->w);
}

static void put_session(struct mapped *m)
{
	jw_object(&m->w, "session");
	if (scan_u64(m->e, "expires"))
		jw_int(&m->w, "expiration_time", (int64_t)scan_u64(m->e, "expires") * 1000);
	put(m, "issuer", "issuer");
	put(m, "uid", "session");
	jw_object_end(&m->w);
}

static void put_actor(struct mapped *m)
{
	jw_object(&m->w, "actor");
	if (!has(m, "session"))
		jw_str(&m->w, "app_name", "sluiced");
	if (scan_u64(m->e, "pid")) {
		jw_object(&m->w, "process");
		put(m, "name", "comm");
		put(m, "path", "exe");
		put(m, "pid", "pid");
		jw_object_end(&m->w);
	}
	if (has(m, "session"))
		put_session(m);
	if (has(m, "identity"))
		put_user(m);
	jw_object_end(&m->w);
}

static void put_api(struct mapped *m)
{
	jw_object(&m->w, "api");
	put(m, "operation", has(m, "tag") ? "tag" : "type");
	if (scan_u64(m->e, "id")) {
		char uid[32];
		snprintf(uid, sizeof(uid), "%llu", (unsigned long long)scan_u64(m->e, "id"));
		jw_object(&m->w, "request");
		jw_str(&m->w, "uid", uid);
		jw_object_end(&m->w);
	}
	jw_object(&m->w, "service");
	put(m, "name", has(m, "resource") ? "resource" : "node");
	jw_object_end(&m->w);
	jw_object_end(&m->w);
}

/* "10.0.0.1:5432", "[::1]:80", and the name that was asked for. */
static void put_target(struct mapped *m, const char *key)
{
	struct span dst = scan_plain(m->e, "dst");
	const uint8_t *colon = dst.len ? memrchr(dst.p, ':', dst.len) : NULL;
	jw_object(&m->w, key);
	put(m, "hostname", "name");
	if (colon) {
		size_t skip = dst.p[0] == '[', len = (size_t)(colon - dst.p);
		jw_text(&m->w, "ip", NULL, span_of(dst.p + skip, len - 2 * skip));
		jw_int(&m->w, "port", atoi((const char *)colon + 1));
	}
	put(m, "svc_name", has(m, "resource") ? "resource" : "protocol");
	jw_object_end(&m->w);
}

/* "flow/number", which an operation and its end share. */
static void put_operation(struct mapped *m, const char *key)
{
	struct buf b;
	if (!scan_u64(m->e, "id"))
		return;
	buf_init(&b, 256);
	export_value(&b, m->e, "flow");
	buf_printf(&b, "/%llu", (unsigned long long)scan_u64(m->e, "id"));
	jw_text(&m->w, key, NULL, buf_span(&b));
	buf_done(&b);
}

static void put_metadata(struct mapped *m)
{
	struct buf uid;
	jw_object(&m->w, "metadata");
	put_operation(m, "correlation_uid");
	put(m, "event_code", "type");
	jw_object(&m->w, "product");
	jw_str(&m->w, "name", "sluice");
	jw_str(&m->w, "vendor_name", "sluice");
	jw_str(&m->w, "version", SLUICE_VERSION);
	jw_object_end(&m->w);
	jw_array(&m->w, "profiles");
	jw_str(&m->w, NULL, "security_control");
	jw_array_end(&m->w);
	put(m, "sequence", "_seq");
	buf_init(&uid, 1024);
	export_value(&uid, m->e, "node");
	buf_printf(&uid, "/%llu", (unsigned long long)scan_u64(m->e, "_seq"));
	jw_text(&m->w, "uid", NULL, buf_span(&uid));
	buf_done(&uid);
	jw_str(&m->w, "version", "1.8.0");
	jw_object_end(&m->w);
}

static void put_query(struct mapped *m)
{
	if (!scan_get(m->e, "text").len && !scan_get(m->e, "text_b64").len)
		return;
	jw_object(&m->w, "query_info");
	put(m, "query_string", "text");
	put_operation(m, "uid");
	jw_object_end(&m->w);
}

static void put_database(struct mapped *m)
{
	jw_object(&m->w, "database");
	put(m, "name", has(m, "resource") ? "resource" : "node");
	jw_int(&m->w, "type_id", 1); /* relational */
	jw_object_end(&m->w);
}

/* The first relation that it needs. */
static void put_table(struct mapped *m)
{
	struct span item;
	struct scan n;
	for (size_t at = 0; scan_item(scan_get(m->e, "needs"), &at, &item);) {
		if (scan_event(item, false, &n) < 0 || !span_is(scan_plain(&n, "kind"), "relation"))
			continue;
		struct buf name;
		buf_init(&name, 4096);
		export_value(&name, &n, "schema");
		buf_add_str(&name, buf_len(&name) ? "." : "");
		export_value(&name, &n, "name");
		jw_object(&m->w, "table");
		jw_text(&m->w, "name", NULL, buf_span(&name));
		jw_object_end(&m->w);
		buf_done(&name);
		return;
	}
}

static void put_policy(struct mapped *m)
{
	if (!has(m, "rule"))
		return;
	jw_object(&m->w, "policy");
	jw_bool(&m->w, "is_applied", !scan_flag(m->e, "observed"));
	put(m, "uid", "rule");
	jw_object_end(&m->w);
}

/* What has no place of its own: on whose behalf, and as which of our types. */
static void put_unmapped(struct mapped *m)
{
	static const char *const fields[] = {"class", "how",	   "masked", "owner",
					     "rows",  "sqlstate", "write"};
	jw_object(&m->w, "unmapped");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		put(m, fields[i], fields[i]);
	jw_object_end(&m->w);
}

/* --- the outcome --------------------------------------------------------------------------------
 */

struct outcome {
	int action, disposition, severity, status;
};

static struct outcome outcome_of(const struct mapped *m)
{
	static const struct {
		const char *decision;
		struct outcome o;
	} outcomes[] = {{"allow", {1, 1, 1, 1}},
			{"mask", {4, 11, 1, 1}},
			{"ask", {OTHER, 14, 2, 0}},
			{"deny", {2, 2, 3, 2}}};
	if (scan_flag(m->e, "observed"))
		return (struct outcome){3, 17, 2, 1};
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (is_value(m, "decision", outcomes[i].decision))
			return outcomes[i].o;
	if (m->class == NETWORK && m->activity == 5)
		return (struct outcome){2, 2, 3, 2};
	if (has(m, "sqlstate") || has(m, "error"))
		return (struct outcome){1, 1, 1, 2};
	return (struct outcome){1, 1, 1, 1};
}

static void put_traffic(struct mapped *m)
{
	if (!scan_get(m->e, "bytes_up").len)
		return;
	jw_object(&m->w, "traffic");
	put(m, "bytes_in", "bytes_down");
	put(m, "bytes_out", "bytes_up");
	jw_object_end(&m->w);
}

static void put_place(struct mapped *m, const char *key)
{
	jw_object(&m->w, key);
	put(m, "name", "node");
	jw_object_end(&m->w);
}

static void put_outcome(struct mapped *m, const struct outcome *o)
{
	if (o->action == OTHER)
		jw_str(&m->w, "action", "Held for approval");
	jw_int(&m->w, "action_id", o->action);
	jw_int(&m->w, "activity_id", m->activity);
	if (m->activity == OTHER)
		put(m, "activity_name", has(m, "tag") ? "tag" : "type");
}

static void put_head(struct mapped *m, const struct outcome *o)
{
	put_actor(m);
	if (m->class == API)
		put_api(m);
	jw_int(&m->w, "category_uid", m->class / 1000);
	jw_int(&m->w, "class_uid", m->class);
	put(m, "count", "count");
	if (m->class == DATASTORE)
		put_database(m);
	jw_int(&m->w, "disposition_id", o->disposition);
	if (has(m, "dst") || has(m, "name"))
		put_target(m, "dst_endpoint");
	if (scan_get(m->e, "duration_ns").len)
		jw_int(&m->w, "duration", (int64_t)(scan_u64(m->e, "duration_ns") / NS_PER_MS));
	put(m, "message", has(m, "reason") ? "reason" : "type");
	put_metadata(m);
}

static void ocsf_event(struct buf *out, struct span stored, const struct scan *e,
		       struct export_state *s)
{
	struct mapped m = {.e = e};
	(void)s;
	classify(&m);
	struct outcome o = outcome_of(&m);
	jw_begin(&m.w, out);
	jw_object(&m.w, NULL);
	put_outcome(&m, &o);
	put_head(&m, &o);
	put_policy(&m);
	if (m.class == DATASTORE)
		put_query(&m);
	jw_text(&m.w, "raw_data", NULL, stored);
	if (m.class == AUTHENTICATION) {
		jw_object(&m.w, "service");
		jw_str(&m.w, "name", "sluice");
		jw_object_end(&m.w);
		put_session(&m);
	}
	jw_int(&m.w, "severity_id", o.severity);
	put_place(&m, "src_endpoint");
	put(&m, "status_code", "sqlstate");
	put(&m, "status_detail", has(&m, "error") ? "error" : "reason");
	jw_int(&m.w, "status_id", o.status);
	if (m.class == DATASTORE)
		put_table(&m);
	jw_int(&m.w, "time", (int64_t)(scan_u64(e, "time") / NS_PER_MS));
	put_traffic(&m);
	if (m.class == DATASTORE)
		jw_int(&m.w, "type_id", 1);
	jw_int(&m.w, "type_uid", m.class * 100 + m.activity);
	put_unmapped(&m);
	if (m.class == AUTHENTICATION)
		put_user(&m);
	jw_object_end(&m.w);
	buf_add_u8(out, '\n');
}

const struct export_text export_ocsf = {"ocsf", "events.ocsf.jsonl", true, NULL, ocsf_event};
