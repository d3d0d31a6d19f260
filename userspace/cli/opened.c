#include "cli/opened.h"

#include <inttypes.h>
#include <string.h>

#include "base/macro.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "record/opener.h"
#include "record/query/match.h"

struct opened {
	const struct record_source *source;
	record_line on_line;
	void *ctx;
	struct match match; /* of what was opened */
	bool has_match;
	uint64_t limit, n; /* lines; limit 0: none */
	uint64_t n_sealed, n_unsearched;
	struct buf event;
};

int opened_key(const char *file, struct opener **ret_o)
{
	*ret_o = NULL;
	int r = file ? opener_new(file, ret_o) : 0;
	if (r < 0) {
		cli_error("--decrypt-key %s: %s", file,
			  r == ERR_MALFORMED ? "no RSA private key (PEM)" : err_text(r));
		cli_remedy("it is the private half of one of audit.encrypt_to");
	}
	return r;
}

static bool begins(struct span line, const char *word)
{
	size_t n = strlen(word);
	return line.len >= n && !memcmp(line.p, word, n);
}

/* Lines about the record, which are no events of it. 1: it was one. */
static int take_aside(struct opened *o, struct span line)
{
	struct scan s;
	bool is_key = begins(line, "{\"_key\":");
	if (!is_key && !begins(line, "{\"_sealed\":"))
		return 0;
	if (scan_event(line, true, &s) < 0)
		return ERR_MALFORMED;
	o->n_unsearched += scan_u64(&s, "_sealed");
	int r = is_key && o->source->opener ? opener_take(o->source->opener, &s) : 0;
	return r < 0 ? r : 1;
}

/* The event as it is shown. */
static int open_event(struct opened *o, struct span *event)
{
	struct span stored = *event;
	int r = 0;
	buf_reset(&o->event);
	if (sealed_with(stored).len && !o->source->opener)
		o->n_sealed++;
	else if (o->source->opener)
		r = opener_open(o->source->opener, stored, &o->event);
	if (r == 0 && !o->source->is_as_stored)
		r = payload_unpack_event(stored, &o->event);
	if (r == ERR_NOT_FOUND) { /* for another auditor */
		o->n_sealed++;
		r = 0;
	}
	if (r == 1)
		*event = buf_span(&o->event);
	return r < 0 ? r : 0;
}

static int take_stored(void *ctx, const char *text, size_t len)
{
	struct opened *o = ctx;
	struct span line = span_of(text, len);
	struct scan s;
	int r = take_aside(o, line);
	if (r)
		return r < 0 ? r : 0;
	r = open_event(o, &line);
	if (r < 0) {
		cli_error("a sealed event does not open (it was changed, or its key was): %.*s",
			  (int)MIN(len, 120), text);
		return ERR_VERIFY;
	}
	if (o->has_match && scan_event(line, true, &s) < 0)
		return ERR_MALFORMED;
	if (o->has_match && !match_event(&o->match, &s))
		return 0;
	r = o->on_line(o->ctx, (const char *)line.p, line.len);
	return r == 0 && o->limit && ++o->n >= o->limit ? 1 : r;
}

static void say_sealed(const struct opened *o)
{
	const char *whose = o->source->opener ? "for other auditors" : "for the auditors";
	if (o->n_sealed)
		cli_error("note: the statements, parameters, rows and errors of %" PRIu64
			  " events are sealed %s",
			  o->n_sealed, whose);
	if (o->n_unsearched)
		cli_error("note: the text was not looked for in %" PRIu64
			  " events that are sealed %s",
			  o->n_unsearched, whose);
	if ((o->n_sealed || o->n_unsearched) && !o->source->opener)
		cli_remedy("--decrypt-key FILE opens them with an auditor's private key");
}

/* What the source cannot tell of sealed events is told here. */
static int take_over(struct opened *o, json_t *filters)
{
	const char *text = json_string_value(json_object_get(filters, "text"));
	const char *limit = json_string_value(json_object_get(filters, "limit"));
	if (text && !match_read_text(&o->match, text))
		return ERR_MALFORMED;
	o->has_match = text != NULL;
	o->limit = limit ? strtoull(limit, NULL, 10) : 0;
	json_object_del(filters, "text");
	json_object_del(filters, "limit");
	json_object_set_new(filters, "keys", json_string("1"));
	return 0;
}

int opened_ask(struct record_source *s, const char *kind, const json_t *filters,
	       record_line on_line, void *ctx)
{
	struct opened o = {.source = s, .on_line = on_line, .ctx = ctx};
	json_t *asked = json_copy((json_t *)filters);
	match_init(&o.match);
	buf_init(&o.event, API_LINE_MAX);
	int r = asked ? 0 : ERR_LIMIT;
	if (r == 0 && s->opener)
		r = take_over(&o, asked);
	else if (r == 0 && json_is_string(json_object_get(asked, "text")))
		json_object_set_new(asked, "sealed", json_string("1"));
	if (r == 0)
		r = record_ask(s, kind, asked, take_stored, &o);
	if (!s->is_sealed_said)
		say_sealed(&o);
	s->is_sealed_said = s->is_sealed_said || o.n_sealed || o.n_unsearched;
	json_decref(asked);
	match_done(&o.match);
	buf_done(&o.event);
	return r;
}
