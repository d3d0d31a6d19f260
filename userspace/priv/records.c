#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "priv/monitor_internal.h"
#include "record/event.h"

static int put(struct monitor *m, struct buf *event)
{
	uint64_t ticket;
	int r = buf_err(event);
	if (r == 0)
		r = ring_put(m->ring, buf_span(event), &ticket);
	buf_done(event);
	return r;
}

int record_node(struct monitor *m, const char *type)
{
	struct event_ctx c = {.node = m->cfg->node, .time_ns = clock_real_ns()};
	struct buf event;
	buf_init(&event, RING_EVENT_MAX);
	event_node(&event, &c, type, SLUICE_VERSION, span_str(m->gaps_json));
	return put(m, &event);
}

static const char *state_text(const json_t *state, const char *key)
{
	const char *s = json_string_value(json_object_get(state, key));
	return s ? s : "";
}

static struct who who_of(const char *session, const json_t *state)
{
	return (struct who){.session = session,
			    .issuer = state_text(state, "issuer"),
			    .subject = state_text(state, "subject"),
			    .owner = state_text(state, "owner"),
			    .role = state_text(state, "role")};
}

/* "tcp", "udp", or what it is by its numbers. */
static const char *protocol_name(const struct refusal *r, char out[48])
{
	bool is_inet = r->family == AF_INET || r->family == AF_INET6;
	if (is_inet && r->type == SOCK_STREAM && (r->protocol == 0 || r->protocol == 6))
		return "tcp";
	if (is_inet && r->type == SOCK_DGRAM && (r->protocol == 0 || r->protocol == 17))
		return "udp";
	if (is_inet)
		snprintf(out, 48, "protocol %d", r->protocol);
	else
		snprintf(out, 48, "family %d", r->family);
	return out;
}

static void tell_control(struct monitor *m, const struct workload *l, const struct refusal *r,
			 const char *proto)
{
	char dst[ADDR_TEXT];
	json_t *j = json_pack("{s:s,s:I,s:s,s:s,s:s,s:i,s:i,s:s,s:s,s:I,s:s*}", "t", "refused", "cgroup_id",
			      (json_int_t)r->cgroup_id, "session", l ? l->session : "", "proto", proto, "dst",
			      addr_text(&r->dst, dst), "pid", (int)r->pid, "uid", (int)r->uid, "comm",
			      r->comm, "reason", r->reason, "count", (json_int_t)r->count, "vector", r->vector);
	if (j) /* a name that is not UTF-8 is left to the record, which can hold it */
		child_notify(&m->children[CHILD_CONTROL], j, NULL, 0);
}

void record_refusal(struct monitor *m, const struct refusal *r)
{
	char protocol[48];
	const char *proto = protocol_name(r, protocol);
	const struct workload *l = workload_by_cgroup(&m->workloads, r->cgroup_id);
	struct who who = who_of(l ? l->session : "", l ? l->state : NULL);
	struct event_ctx c = {.node = m->cfg->node, .who = l ? &who : NULL, .time_ns = clock_real_ns()};
	struct process_label p = {r->pid, r->uid, r->comm, r->exe};
	struct buf event;
	buf_init(&event, RING_EVENT_MAX);
	if (r->vector)
		event_bypass(&event, &c, r->vector, proto, &r->dst, &p, r->reason, r->count);
	else
		event_refused(&event, &c, proto, &r->dst, NULL, &p, r->reason, r->count);
	if (put(m, &event) < 0)
		log_warn("a refused connect of session %s is not recorded", who.session);
	tell_control(m, l, r, proto);
}

void record_tally(struct monitor *m, const char *session, const json_t *state, const struct kernel_tally *t)
{
	struct who who = who_of(session, state);
	struct event_ctx c = {.node = m->cfg->node, .who = &who, .time_ns = clock_real_ns()};
	struct kernel_figures k = {.opened = t->opened, .closed = t->closed, .used = t->used, .up_min = t->up_min,
				   .up_max = t->up_max, .down = t->down, .dropped = t->dropped};
	struct buf event;
	buf_init(&event, RING_EVENT_MAX);
	event_session_kernel(&event, &c, &k);
	if (put(m, &event) < 0)
		log_warn("session %s: what the kernel counted of it is not recorded", session);
}

void record_fault(struct monitor *m, const char *process, const char *reason)
{
	struct event_ctx c = {.node = m->cfg->node, .time_ns = clock_real_ns()};
	struct buf event;
	buf_init(&event, RING_EVENT_MAX);
	event_fault(&event, &c, process, reason);
	if (put(m, &event) < 0)
		log_warn("the end of the %s is not recorded", process);
}
