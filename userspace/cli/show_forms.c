#include "cli/show_forms.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "cli/inert.h"

#define FIELD_NAME 32

/* {field}: its value; {field@}: Unix seconds as a time; [..]: only where a field in it is there. */
static const struct {
	const char *type, *form;
} told[] = {
    {"approval.request", "request {request}: rule {rule} asks people about [{tag}][role {gives}], "
			 "until {deadline@}[\n{text}][\n"
			 "it says: {words}]"},
    {"approval.estimate", "request {request}: the database expects[ {rows} rows, cost {cost}][ nothing: {why}]"},
    {"approval.join", "request {request}: the same is sent again while it waits"},
    {"approval.vote",
     "request {request}: {by} says {verdict}[: {words}][ ({choice})]  from {from}"},
    {"approval.escalate", "request {request}: more people are asked, stage {stage}"},
    {"approval.release", "request {request}: is released by the answers {votes}[, {choice}]"},
    {"approval.end", "request {request}: {end}[, {reason}][ (by {by})][  {rows} rows][  error "
		     "{sqlstate}: {error}]"},
    {"approver.revoke",
     "approver {approver} is believed no longer, by {by}: {votes} answers no longer count"},
    {"grant.start",
     "grant {grant}[: role {gives}] ({kind}) until {until@}[, {uses} uses], by request {request}"},
    {"grant.end", "grant {grant} ends: {end}[, {reason}]  used {used} times"},
    {"session.kernel", "the kernel counted {opened} connections, {used} used; up {up_min} to "
		       "{up_max} bytes, down {down}"},
    {"session.reconciled", "the kernel's count against the record: {outcome}[, {reason}]"},
    {"session.guard", "guard: {reason}"},
    {"session.freeze", "the workload is frozen: {reason}"},
    {"session.thaw", "the workload goes on: {reason}"},
    {"session.kill", "the workload is killed: {reason}"},
    {"session.release", "the workload is let out of the gateway: {reason}"},
    {"admin.call", "{actor} asks: {method} {path}[?{query}]  from {from}  {decision}"},
    {"admin.login", "{actor} logs in from {from}: {decision}[, {reason}]"},
    {"admin.logout", "{actor} logs out"},
    {"policy.load", "policy {hash}[ is refused: {error}]"},
    {"node.start", "the daemon starts, version {version}[; the kernel lacks {gaps}]"},
    {"node.stop", "the daemon stops"},
    {"node.fault", "a process of the gateway ended: {process}, {reason}"},
    {"record.garbage", "{count} events of {producer} are no events of its own: {reason}"},
    {"record.tombstone", "events {first} to {last} are removed: {reason}"},
    {"record.resume", "recording goes on after {count} seconds without"},
};

/* A list's texts and numbers, with commas. */
static void add_list(struct buf *out, const json_t *list)
{
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)list, i, v)
	{
		_cleanup_(freep) char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_add_str(out, i ? ", " : "");
		inert_add(out,
			  span_str(json_is_string(v) ? json_string_value(v)
				   : text	     ? text
						     : "?"),
			  NULL);
	}
}

static void add_value(struct buf *out, const json_t *v, bool is_time, const char *indent)
{
	char when[40];
	if (json_is_string(v)) {
		inert_add(out, span_str(json_string_value(v)), indent);
	} else if (json_is_array(v)) {
		add_list(out, v);
	} else if (is_time && json_is_integer(v)) {
		clock_rfc3339((uint64_t)json_integer_value(v) * NS_PER_SEC, when, sizeof(when));
		buf_printf(out, "%.19sZ", when);
	} else if (json_is_integer(v)) {
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	} else {
		buf_add_str(out, json_is_true(v) ? "yes" : "-");
	}
}

static bool is_there(const json_t *v)
{
	return v && !json_is_null(v) && !(json_is_string(v) && !json_string_length(v)) &&
	       !(json_is_integer(v) && !json_integer_value(v)) &&
	       !(json_is_array(v) && !json_array_size(v));
}

/* The field whose name begins here; where the form goes on behind it. */
static const char *read_field(const char *p, const json_t *e, const json_t **ret_v, bool *ret_time)
{
	char name[FIELD_NAME];
	size_t n = strcspn(p, "}");
	*ret_time = n && p[n - 1] == '@';
	snprintf(name, sizeof(name), "%.*s", (int)(n - *ret_time), p);
	*ret_v = json_object_get(e, name);
	return p + n + 1;
}

static bool has_all(const char *p, const json_t *e)
{
	const json_t *v;
	bool is_time, has = true;
	while (*p && *p != ']' && has) {
		if (*p++ != '{')
			continue;
		p = read_field(p, e, &v, &is_time);
		has = is_there(v);
	}
	return has;
}

static void fill(struct buf *out, const char *p, const json_t *e, const char *indent)
{
	const json_t *v;
	bool is_time;
	while (*p) {
		if (*p == '[' && !has_all(p + 1, e)) {
			p += strcspn(p, "]") + 1;
		} else if (*p == '{') {
			p = read_field(p + 1, e, &v, &is_time);
			add_value(out, v, is_time, indent);
		} else {
			if (*p == '\n')
				buf_printf(out, "\n%s", indent);
			else if (*p != '[' && *p != ']')
				buf_add_u8(out, (uint8_t)*p);
			p++;
		}
	}
}

bool show_form(struct buf *out, const json_t *event, const char *indent)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	for (size_t i = 0; type && i < ARRAY_LEN(told); i++)
		if (!strcmp(told[i].type, type)) {
			fill(out, told[i].form, event, indent);
			return true;
		}
	return false;
}
