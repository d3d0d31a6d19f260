#include "cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "cli/inert.h"
#include "cli/show_forms.h"
#include "cli/show_rows.h"

static const char *text_of(const json_t *e, const char *key)
{
	const char *s = json_string_value(json_object_get(e, key));
	return s ? s : "";
}

static uint64_t number_of(const json_t *e, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(e, key));
}

static const char *b64_of(const json_t *e, const char *key)
{
	char name[64];
	snprintf(name, sizeof(name), "%s_b64", key);
	return json_string_value(json_object_get(e, name));
}

static void add_inert(struct buf *out, const char *text)
{
	inert_add(out, span_str(text), SHOW_INDENT);
}

/* The value at key, or its base64 where it is not text, or what instead says. */
static void add_text(struct buf *out, const json_t *e, const char *key, const char *instead)
{
	const char *raw = b64_of(e, key), *text = text_of(e, key);
	char len[64];
	add_inert(out, raw ? raw : *text ? text : instead);
	if (raw)
		buf_add_str(out, " (base64: it is not text)");
	snprintf(len, sizeof(len), "%s_len", key);
	if (json_object_get(e, len))
		buf_printf(out, " ... (%" PRIu64 " bytes in all)", number_of(e, len));
}

static void add_program(struct buf *out, const json_t *e)
{
	bool has_exe = *text_of(e, "exe") || b64_of(e, "exe");
	buf_add_str(out, "  by ");
	add_text(out, e, has_exe ? "exe" : "comm", "?");
	if (number_of(e, "pid"))
		buf_printf(out, "[%" PRIu64 "]", number_of(e, "pid"));
}

/* --- one function a type ------------------------------------------------------------------------
 */

static void on_session_start(struct buf *out, const json_t *e)
{
	size_t i;
	json_t *arg;
	buf_add_str(out, "session ");
	add_text(out, e, "session", "?");
	buf_add_str(out, "  identity ");
	add_text(out, e, "identity", "-");
	buf_add_str(out, "  for ");
	add_text(out, e, "owner", "-");
	buf_add_str(out, "  role ");
	add_text(out, e, "role", "-");
	buf_add_str(out, "  (");
	add_text(out, e, "how", "?");
	json_array_foreach(json_object_get(e, "command"), i, arg)
	{
		const char *b64 = json_string_value(json_object_get(arg, "arg_b64"));
		buf_add_str(out, i ? " " : ": ");
		add_inert(out, json_is_string(arg) ? json_string_value(arg) : b64 ? b64 : "?");
	}
	buf_add_u8(out, ')');
}

static void on_session_end(struct buf *out, const json_t *e)
{
	buf_add_str(out, "session ends: ");
	add_text(out, e, "reason", "-");
	if (json_object_get(e, "exit_code"))
		buf_printf(out, "  exit code %" PRIu64, number_of(e, "exit_code"));
}

static void on_session_renew(struct buf *out, const json_t *e)
{
	char until[40];
	clock_rfc3339(number_of(e, "expires") * NS_PER_SEC, until, sizeof(until));
	buf_printf(out, "identity is renewed, until %.19sZ", until);
}

static void on_session_revoke(struct buf *out, const json_t *e)
{
	buf_add_str(out, "identity is revoked: ");
	add_text(out, e, "reason", "-");
}

static void on_session_expire(struct buf *out, const json_t *e)
{
	add_text(out, e, "reason", "the identity expired");
}

static void on_flow_open(struct buf *out, const json_t *e)
{
	add_text(out, e, "flow", "?");
	buf_add_str(out, " opens to ");
	add_text(out, e, "dst", "?");
	if (*text_of(e, "name")) {
		buf_add_str(out, " (");
		add_text(out, e, "name", "");
		buf_add_u8(out, ')');
	}
	buf_add_str(out, "  ");
	add_text(out, e, "protocol", "?");
	add_program(out, e);
}

static void on_flow_close(struct buf *out, const json_t *e)
{
	add_text(out, e, "flow", "?");
	buf_add_str(out, " closes: ");
	add_text(out, e, "reason", "-");
	buf_printf(out, "  %" PRIu64 " bytes up, %" PRIu64 " down", number_of(e, "bytes_up"),
		   number_of(e, "bytes_down"));
}

static void on_masked(struct buf *out, const json_t *e)
{
	add_text(out, e, "flow", "?");
	buf_add_str(out, " masked by rule ");
	add_text(out, e, "rule", "(others)");
	buf_printf(out, ": %" PRIu64 " operations, %" PRIu64 " values", number_of(e, "count"), number_of(e, "masked"));
}

static void add_params(struct buf *out, const json_t *e)
{
	size_t i, n = json_array_size(json_object_get(e, "params"));
	json_t *p;
	json_array_foreach(json_object_get(e, "params"), i, p)
	{
		buf_printf(out, "\n" SHOW_INDENT "$%zu = ", i + 1);
		show_value(out, p, SHOW_INDENT);
	}
	if (number_of(e, "params_total") > n)
		buf_printf(out, "\n" SHOW_INDENT "(%" PRIu64 " parameters in all)",
			   number_of(e, "params_total"));
}

/* "select public.orders": what it wanted, each thing once. */
static void add_needs(struct buf *out, const json_t *e)
{
	size_t i;
	json_t *n;
	json_array_foreach(json_object_get(e, "needs"), i, n)
	{
		buf_add_str(out, i ? ", " : "\n" SHOW_INDENT "needs ");
		add_text(out, n, "verb", "?");
		buf_add_u8(out, ' ');
		if (*text_of(n, "schema")) {
			add_text(out, n, "schema", "");
			buf_add_u8(out, '.');
		}
		add_text(out, n, "name", "*");
	}
}

static void on_op(struct buf *out, const json_t *e)
{
	if (*text_of(e, "sealed"))
		buf_add_str(out, "[sealed] ");
	add_text(out, e, "text", *text_of(e, "tag") ? text_of(e, "tag") : "-");
	if (json_is_true(json_object_get(e, "hidden")))
		buf_add_str(out, "  (values are kept out of the record)");
	add_params(out, e);
	add_needs(out, e);
	buf_add_str(out, "\n" SHOW_INDENT "-> ");
	add_text(out, e, "decision", "?");
	buf_add_str(out, " (rule ");
	add_text(out, e, "rule", "-");
	buf_printf(out, ")%s",
		   json_is_true(json_object_get(e, "observed")) ? " observed only" : "");
	if (*text_of(e, "reason") || b64_of(e, "reason")) {
		buf_add_str(out, ": ");
		add_text(out, e, "reason", "");
	}
}

/* One behind the other: the whole of what the operation behind them shows the beginning of. */
static void on_part(struct buf *out, const json_t *e)
{
	if (!number_of(e, "part")) {
		add_text(out, e, "field", "?");
		buf_printf(out, ", in %" PRIu64 " parts\n" SHOW_INDENT, number_of(e, "of"));
	}
	add_text(out, e, "data", *text_of(e, "sealed") ? "[sealed]" : "");
}

static void on_op_end(struct buf *out, const json_t *e)
{
	buf_add_str(out, "   ");
	if (*text_of(e, "sqlstate") || *text_of(e, "error")) {
		buf_add_str(out, "error ");
		add_text(out, e, "sqlstate", "");
		buf_add_str(out, ": ");
		add_text(out, e, "error", *text_of(e, "sealed") ? "[sealed]" : "-");
		return;
	}
	add_text(out, e, "tag", "done");
	buf_printf(out, "  %" PRIu64 " rows, %" PRIu64 ".%03" PRIu64 " ms", number_of(e, "rows"),
		   number_of(e, "duration_ns") / 1000000,
		   number_of(e, "duration_ns") / 1000 % 1000);
	if (number_of(e, "masked"))
		buf_printf(out, ", %" PRIu64 " values masked", number_of(e, "masked"));
	if (*text_of(e, "sealed"))
		buf_add_str(out, ", values [sealed]");
	show_rows(out, json_object_get(e, "columns"), json_object_get(e, "result"), SHOW_INDENT);
	if (json_is_true(json_object_get(e, "cut")))
		buf_add_str(out, "\n" SHOW_INDENT "(the record keeps no more of it)");
}

static void on_refused(struct buf *out, const json_t *e)
{
	buf_add_str(out, "refused: ");
	add_text(out, e, *text_of(e, "name") || b64_of(e, "name") ? "name" : "dst", "?");
	buf_add_str(out, "  ");
	add_text(out, e, "protocol", "?");
	buf_add_str(out, "  ");
	add_text(out, e, "reason", "-");
	add_program(out, e);
	if (number_of(e, "count") > 1)
		buf_printf(out, "  (%" PRIu64 " times)", number_of(e, "count"));
}

static const struct {
	const char *type;
	void (*add)(struct buf *out, const json_t *e);
} types[] = {
    {"session.start", on_session_start},
    {"session.renew", on_session_renew},
    {"session.revoke", on_session_revoke},
    {"session.expire", on_session_expire},
    {"session.end", on_session_end},
    {"flow.open", on_flow_open},
    {"flow.close", on_flow_close},
    {"mask.applied", on_masked},
    {"op", on_op},
    {"op.end", on_op_end},
    {"op.part", on_part},
    {"connect.refused", on_refused},
    {"bypass.attempt", on_refused},
};

/* A type that has no form of its own: what it says besides what all events say. */
static void add_fields(struct buf *out, const json_t *e)
{
	static const char common[] = "|_prev|_seq|node|time|type|session|owner|identity|role|flow|";
	const char *key;
	json_t *v;
	add_text(out, e, "type", "?");
	json_object_foreach((json_t *)e, key, v)
	{
		char mark[80];
		snprintf(mark, sizeof(mark), "|%s|", key);
		if (strstr(common, mark))
			continue;
		_cleanup_(freep) char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_add_str(out, "  ");
		add_inert(out, key);
		buf_add_u8(out, ' ');
		add_inert(out, json_is_string(v) ? json_string_value(v) : text ? text : "?");
	}
}

void show_event(struct buf *out, const json_t *event, uint64_t at_ms)
{
	size_t i = 0;
	buf_printf(out, "%6" PRIu64 ".%03" PRIu64 "   ", at_ms / 1000, at_ms % 1000);
	while (i < ARRAY_LEN(types) && strcmp(types[i].type, text_of(event, "type")))
		i++;
	if (i < ARRAY_LEN(types))
		types[i].add(out, event);
	else if (!show_form(out, event, SHOW_INDENT))
		add_fields(out, event);
	buf_add_u8(out, '\n');
}
