/* /metrics in the Prometheus text format, /healthz, /readyz. No label holds anything that an agent said. */
#include <stdio.h>

#include "base/macro.h"
#include "control/control_internal.h"

static json_int_t number(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void metric(struct buf *b, const char *name, const char *type, const char *help, json_int_t value)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, type, name,
		   (long long)value);
}

/* Names of resources come from the policy: they are escaped as the format asks. */
static void label(struct buf *b, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_add_u8(b, '\\');
		if (*value == '\n')
			buf_add_str(b, "\\n");
		else
			buf_add_u8(b, (uint8_t)*value);
	}
}

static void by_resource(struct buf *b, json_t *resources)
{
	static const struct {
		const char *key, *name, *help;
	} rows[] = {{"flows_total", "flows", "Connections so far, by resource."},
		    {"ops", "ops", "Operations decided, by resource."},
		    {"denied", "denied", "Operations denied, by resource."},
		    {"masked", "masked", "Operations of which columns were masked, by resource."},
		    {"masked_values", "masked_values", "Values that were masked for a client, by resource."}};
	const char *name;
	json_t *r;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_printf(b,
			   "# HELP sluice_resource_%s_total %s\n# TYPE sluice_resource_%s_total counter\n",
			   rows[i].name, rows[i].help, rows[i].name);
		json_object_foreach(resources, name, r) {
			buf_printf(b, "sluice_resource_%s_total{resource=\"", rows[i].name);
			label(b, name);
			buf_printf(b, "\"} %lld\n", (long long)number(r, rows[i].key));
		}
	}
}

static void write_metrics(const struct control *c, struct buf *b)
{
	metric(b, "sluice_ready", "gauge", "1 if operations can pass.", !why_not_ready(c));
	metric(b, "sluice_policy_error", "gauge", "1 if the newest policy file was not taken.",
	       c->policy.last_error != NULL);
	metric(b, "sluice_sessions", "gauge", "Live sessions.", c->sessions.n_live);
	metric(b, "sluice_enrolled_total", "counter", "Workloads enrolled.", (json_int_t)c->n_enrolled);
	metric(b, "sluice_enrol_refused_total", "counter", "Enrolments and renewals refused.",
	       (json_int_t)c->n_enrol_refused);
	metric(b, "sluice_connects_refused_total", "counter", "Connects that the kernel refused.",
	       (json_int_t)c->n_kernel_refused);
	metric(b, "sluice_sessions_reconciled_total", "counter",
	       "Ended sessions whose record was held against the kernel's counters.", (json_int_t)c->n_reconciled);
	metric(b, "sluice_sessions_incomplete_total", "counter",
	       "Of these, sessions of which the record has less, or more, than the kernel saw: an alarm.",
	       (json_int_t)c->n_mismatches);
	metric(b, "sluice_api_requests_total", "counter", "Requests to the admin API.",
	       (json_int_t)c->n_requests);
	metric(b, "sluice_kernel_gaps", "gauge", "Kernel features that are missing.",
	       (json_int_t)json_array_size(c->gaps));
	metric(b, "sluice_open_flows", "gauge", "Connections now.", number(c->status, "flows"));
	metric(b, "sluice_flows_total", "counter", "Connections so far.", number(c->status, "flows_total"));
	metric(b, "sluice_ops_total", "counter", "Operations decided.", number(c->status, "ops"));
	by_resource(b, json_object_get(c->status, "resources"));
}

void metrics_request(struct conn *conn, const struct http_request *r)
{
	struct control *c = conn->c;
	struct buf b;
	if (!span_is(r->method, "GET")) {
		conn_fail(conn, 405, NULL, "only GET is served here");
	} else if (span_is(r->path, "/healthz")) {
		conn_answer_text(conn, 200, "text/plain", span_str("ok\n"));
	} else if (span_is(r->path, "/readyz")) {
		const char *why = why_not_ready(c);
		char text[200];
		snprintf(text, sizeof(text), "%s%s\n", why ? "not ready: " : "ready", why ? why : "");
		conn_answer_text(conn, why ? 503 : 200, "text/plain", span_str(text));
	} else if (span_is(r->path, "/metrics")) {
		buf_init(&b, 1024 * 1024);
		write_metrics(c, &b);
		conn_answer_text(conn, 200, "text/plain; version=0.0.4", buf_span(&b));
		buf_done(&b);
	} else {
		conn_fail(conn, 404, NULL, "there is no such path");
	}
}
