#include "record/event_internal.h"

static void strings(struct event_writer *e, const char *key, const char *const *list, int n)
{
	jw_array(&e->w, ev_key(e, key));
	for (int i = 0; i < n; i++)
		jw_str(&e->w, NULL, list[i]);
	jw_array_end(&e->w);
}

/* A command line is whatever the caller typed: bytes, and of any length. */
static void command(struct event_writer *e, const char *const *list, int n)
{
	size_t left = 8192;
	int i = 0;
	jw_array(&e->w, ev_key(e, "command"));
	for (; i < n && left; i++) {
		struct span arg = text_cut(span_str(list[i]), left);
		left -= arg.len < left ? arg.len : left;
		if (utf8_valid(arg)) {
			jw_text(&e->w, NULL, NULL, arg);
			continue;
		}
		jw_object(&e->w, NULL);
		jw_text(&e->w, "arg", "arg_b64", arg);
		jw_object_end(&e->w);
	}
	jw_array_end(&e->w);
	if (i < n)
		ev_int(e, "command_args", (uint64_t)n);
}

void event_node(struct buf *out, const struct event_ctx *c, const char *type, const char *version,
		struct span gaps_json)
{
	struct event_writer e;
	ev_begin(&e, out, c, type);
	if (gaps_json.len)
		jw_raw(&e.w, ev_key(&e, "gaps"), gaps_json);
	ev_str(&e, "version", version);
	ev_end(&e);
}

void event_session_start(struct buf *out, const struct event_ctx *c, const char *how,
			 const char *cgroup, uint64_t cgroup_id, const char *const *groups,
			 int n_groups, const char *const *command_line, int n_command,
			 const char *policy)
{
	struct event_writer e;
	ev_begin(&e, out, c, "session.start");
	if (cgroup)
		ev_text(&e, "cgroup", "cgroup_b64", span_str(cgroup));
	ev_int(&e, "cgroup_id", cgroup_id);
	command(&e, command_line, n_command);
	if (c->who)
		ev_int(&e, "expires", (uint64_t)c->who->expires);
	strings(&e, "groups", groups, n_groups);
	ev_str(&e, "how", how);
	ev_str(&e, "issuer", c->who ? c->who->issuer : NULL);
	ev_str(&e, "policy", policy);
	ev_end(&e);
}

void event_session_renew(struct buf *out, const struct event_ctx *c)
{
	struct event_writer e;
	ev_begin(&e, out, c, "session.renew");
	if (c->who)
		ev_int(&e, "expires", (uint64_t)c->who->expires);
	ev_str(&e, "issuer", c->who ? c->who->issuer : NULL);
	ev_end(&e);
}

void event_session_end(struct buf *out, const struct event_ctx *c, const char *type,
		       const char *reason, int exit_code)
{
	struct event_writer e;
	ev_begin(&e, out, c, type);
	if (exit_code >= 0)
		ev_int(&e, "exit_code", (uint64_t)exit_code);
	ev_str(&e, "reason", reason);
	ev_end(&e);
}

void event_policy(struct buf *out, const struct event_ctx *c, const char *hash, const char *error)
{
	struct event_writer e;
	ev_begin(&e, out, c, "policy.load");
	if (error)
		ev_text(&e, "error", "error_b64", text_cut(span_str(error), 4096));
	ev_str(&e, "hash", hash);
	ev_end(&e);
}

static void dst_text(struct event_writer *e, const struct addr *dst)
{
	char text[ADDR_TEXT];
	if (dst)
		ev_str(e, "dst", addr_text(dst, text));
}

static void name_text(struct event_writer *e, const char *name)
{
	if (name)
		ev_text(e, "name", "name_b64", text_cut(span_str(name), 1024));
}

static void label_text(struct event_writer *e, const char *key, const char *key_b64, const char *v)
{
	if (v && v[0])
		ev_text(e, key, key_b64, text_cut(span_str(v), 1024));
}

void event_flow_open(struct buf *out, const struct event_ctx *c, const char *protocol,
		     const struct addr *dst, const char *name, const struct process_label *p)
{
	struct event_writer e;
	ev_begin(&e, out, c, "flow.open");
	label_text(&e, "comm", "comm_b64", p ? p->comm : NULL);
	dst_text(&e, dst);
	label_text(&e, "exe", "exe_b64", p ? p->exe : NULL);
	name_text(&e, name);
	if (p)
		ev_int(&e, "pid", p->pid);
	ev_str(&e, "protocol", protocol);
	if (p)
		ev_int(&e, "uid", p->uid);
	ev_end(&e);
}

void event_flow_close(struct buf *out, const struct event_ctx *c, const char *reason,
		      const struct flow_figures *f)
{
	struct event_writer e;
	ev_begin(&e, out, c, "flow.close");
	ev_int(&e, "bytes_down", f->bytes_down);
	ev_int(&e, "bytes_up", f->bytes_up);
	ev_int(&e, "duration_ns", f->duration_ns);
	if (reason)
		ev_text(&e, "reason", "reason_b64", text_cut(span_str(reason), 1024));
	ev_int(&e, "wire_down", f->wire_down);
	ev_int(&e, "wire_up", f->wire_up);
	ev_end(&e);
}

void event_masked(struct buf *out, const struct event_ctx *c, const char *rule, uint64_t ops, uint64_t values)
{
	struct event_writer e;
	ev_begin(&e, out, c, "mask.applied");
	ev_int(&e, "count", ops);
	ev_int(&e, "masked", values);
	if (rule)
		ev_text(&e, "rule", "rule_b64", span_str(rule));
	ev_end(&e);
}

static void refusal(struct buf *out, const struct event_ctx *c, const char *type, const char *vector,
		    const char *proto, const struct addr *dst, const char *name,
		    const struct process_label *p, const char *reason, uint64_t count)
{
	struct event_writer e;
	ev_begin(&e, out, c, type);
	label_text(&e, "comm", "comm_b64", p ? p->comm : NULL);
	ev_int(&e, "count", count);
	dst_text(&e, dst);
	label_text(&e, "exe", "exe_b64", p ? p->exe : NULL);
	name_text(&e, name);
	if (p)
		ev_int(&e, "pid", p->pid);
	ev_str(&e, "protocol", proto);
	ev_str(&e, "reason", reason);
	if (p)
		ev_int(&e, "uid", p->uid);
	ev_str(&e, "vector", vector);
	ev_end(&e);
}

void event_refused(struct buf *out, const struct event_ctx *c, const char *proto,
		   const struct addr *dst, const char *name, const struct process_label *p,
		   const char *reason, uint64_t count)
{
	refusal(out, c, "connect.refused", NULL, proto, dst, name, p, reason, count);
}

void event_turned_away(struct buf *out, const struct event_ctx *c, const struct turned_away *t)
{
	struct event_writer e;
	ev_begin(&e, out, c, "connect.refused");
	ev_int(&e, "accepted", t->accepted);
	if (!c->who && t->cgroup_id)
		ev_int(&e, "cgroup_id", t->cgroup_id);
	label_text(&e, "comm", "comm_b64", t->by->comm);
	ev_int(&e, "count", t->count);
	dst_text(&e, t->dst);
	label_text(&e, "exe", "exe_b64", t->by->exe);
	ev_int(&e, "pid", t->by->pid);
	ev_str(&e, "protocol", t->proto);
	ev_str(&e, "reason", t->reason);
	ev_int(&e, "uid", t->by->uid);
	ev_int(&e, "wire_down", t->wire_down);
	ev_int(&e, "wire_up", t->wire_up);
	ev_end(&e);
}

void event_session_kernel(struct buf *out, const struct event_ctx *c, const struct kernel_figures *k)
{
	struct event_writer e;
	ev_begin(&e, out, c, "session.kernel");
	ev_int(&e, "closed", k->closed);
	ev_int(&e, "down", k->down);
	ev_int(&e, "dropped", k->dropped);
	ev_int(&e, "opened", k->opened);
	ev_int(&e, "up_max", k->up_max);
	ev_int(&e, "up_min", k->up_min);
	ev_int(&e, "used", k->used);
	ev_end(&e);
}

void event_fault(struct buf *out, const struct event_ctx *c, const char *process, const char *reason)
{
	struct event_writer e;
	ev_begin(&e, out, c, "node.fault");
	ev_str(&e, "process", process);
	ev_str(&e, "reason", reason);
	ev_end(&e);
}

void event_bypass(struct buf *out, const struct event_ctx *c, const char *vector, const char *proto,
		  const struct addr *dst, const struct process_label *p, const char *reason, uint64_t count)
{
	refusal(out, c, "bypass.attempt", vector, proto, dst, NULL, p, reason, count);
}

void event_record(struct buf *out, const struct event_ctx *c, const char *type,
		  const char *producer, const char *reason, uint64_t count, uint64_t bytes)
{
	struct event_writer e;
	ev_begin(&e, out, c, type);
	ev_int(&e, "bytes", bytes);
	ev_int(&e, "count", count);
	ev_str(&e, "producer", producer);
	if (reason)
		ev_text(&e, "reason", "reason_b64", text_cut(span_str(reason), 1024));
	ev_end(&e);
}

#define QUERY_KEPT 1024

void event_admin(struct buf *out, const struct event_ctx *c, const struct event_admin *a)
{
	struct event_writer e;
	ev_begin(&e, out, c, a->type);
	ev_str(&e, "actor", a->actor);
	ev_str(&e, "actor_issuer", a->actor_issuer);
	ev_str(&e, "decision", a->decision);
	ev_str(&e, "from", a->from);
	ev_str(&e, "method", a->method);
	ev_str(&e, "path", a->path);
	if (a->query.len)
		ev_text(&e, "query", "query_b64", text_cut(a->query, QUERY_KEPT));
	ev_str(&e, "reason", a->reason);
	ev_end(&e);
}
