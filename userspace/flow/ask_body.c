#include "flow/ask_body.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"
#include "base/msg.h"
#include "proto/postgres/value_text.h"
#include "record/conceal.h"
#include "record/literals.h"

static json_t *text_json(struct span s)
{
	return json_stringn(s.p ? (const char *)s.p : "", s.len);
}

static void set_bytes(json_t *j, const char *key, const char *key_b64, struct span s)
{
	struct buf b;
	json_t *v = utf8_valid(s) ? text_json(s) : NULL;
	if (v) {
		json_object_set_new(j, key, v);
		return;
	}
	buf_init(&b, s.len * 2 + 16);
	buf_add_base64(&b, s);
	json_object_set_new(j, key_b64, text_json(buf_span(&b)));
	buf_done(&b);
}

/* In its type's binary form: the bytes, and what they say; in hex where the type is not known. */
static void set_binary(json_t *v, uint32_t type, struct span s)
{
	struct buf b;
	buf_init(&b, VALUE_TEXT_MAX(s.len));
	bool is_known = value_text(type, s, &b);
	if (!is_known)
		buf_add_hex(&b, s);
	json_object_set_new(v, is_known ? "text" : "hex", text_json(buf_span(&b)));
	buf_reset(&b);
	buf_add_base64(&b, s);
	json_object_set_new(v, "b64", text_json(buf_span(&b)));
	buf_wipe(&b);
}

static json_t *param_json(const struct op *op, int i)
{
	struct span s = op->params[i];
	uint32_t type = op->param_types ? op->param_types[i] : 0;
	if (!s.p)
		return json_null();
	json_t *v = json_object();
	if (value_type_name(type))
		json_object_set_new(v, "type", json_string(value_type_name(type)));
	else if (type)
		json_object_set_new(v, "type", json_sprintf("type %u", type));
	if (op->param_formats && op->param_formats[i] == 1)
		set_binary(v, type, s);
	else
		set_bytes(v, "text", "b64", s);
	return v;
}

static json_t *params_json(const struct op *op)
{
	json_t *list = json_array();
	for (int i = 0; i < op->n_params; i++)
		json_array_append_new(list, param_json(op, i));
	return list;
}

static json_t *changed_json(const struct op *op)
{
	json_t *list = json_array();
	for (int i = 0; i < op->n_changed; i++) {
		json_t *s = json_object();
		set_bytes(s, "name", "name_b64", span_str(op->changed[2 * i]));
		set_bytes(s, "value", "value_b64", span_str(op->changed[2 * i + 1]));
		json_array_append_new(list, s);
	}
	return list;
}

bool ask_has_pattern(const struct op *op)
{
	bool is_plain = (op->class == CLASS_READ || op->class == CLASS_WRITE) && !op->behind.len && !op->is_by_name;
	for (int i = 0; i < op->n_needs && is_plain; i++)
		is_plain = op->needs[i].is_implied || op->needs[i].kind == NEED_RELATION;
	return is_plain;
}

static json_t *needs_json(const struct op *op)
{
	json_t *list = json_array();
	for (int i = 0; i < op->n_needs && json_array_size(list) < 200; i++) {
		const struct need *n = &op->needs[i];
		if (!n->is_implied)
			json_array_append_new(list,
					      json_pack("{s:s,s:s*,s:s*,s:s*}", "verb", verb_name(n->verb),
							"schema", n->schema, "name", n->name, "why", n->why));
	}
	return list;
}

/* The text as the record may have it: cut, and without what masks hide. */
static void set_record_text(json_t *j, const struct op *op, const struct decision *d, size_t text_limit)
{
	struct buf b;
	size_t limit = MIN(text_limit, (size_t)32 * 1024);
	bool is_hidden = d->hides_text || conceal_has_password(op->text);
	struct span s;
	buf_init(&b, 2 * op->text.len + 64);
	if (is_hidden)
		literals_hide(op->text, &b);
	s = is_hidden ? buf_span(&b) : conceal(d->detects_text ? CONCEAL_ALL : CONCEAL_SECRETS, op->text, &b);
	s.len = MIN(s.len, limit);
	while (s.len && !utf8_valid(s) && op->text.len - s.len < 4)
		s.len--;
	if (!buf_err(&b) && utf8_valid(s))
		json_object_set_new(j, "record_text", text_json(s));
	json_object_set_new(j, "text_hidden", json_boolean(is_hidden));
	buf_done(&b);
}

int ask_body(const struct op *op, const struct decision *d, size_t text_limit)
{
	json_t *j = json_object();
	int fd = -1;
	set_bytes(j, "text", "text_b64", op->text);
	json_object_set_new(j, "params", params_json(op));
	json_object_set_new(j, "needs", needs_json(op));
	json_object_set_new(j, "settings", changed_json(op));
	if (op->behind.len)
		set_bytes(j, "behind", "behind_b64", op->behind);
	json_object_set_new(j, "reads_data", json_boolean(op->reads_data));
	json_object_set_new(j, "in_transaction", json_boolean(op->is_in_transaction));
	if (op->database)
		set_bytes(j, "database", "database_b64", span_str(op->database));
	set_record_text(j, op, d, text_limit);
	char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(j);
	if (text && memfd_of(text, strlen(text), &fd) < 0)
		fd = -1;
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return fd;
}

size_t ask_shown_size(const struct op *op)
{
	size_t n = op->text.len + op->behind.len;
	for (int i = 0; i < 2 * op->n_changed; i++)
		n += strlen(op->changed[i]) + 8;
	for (int i = 0; i < op->n_params; i++)
		n += op->params[i].len * (op->param_formats && op->param_formats[i] == 1 ? 4 : 1) + 8;
	return n;
}
