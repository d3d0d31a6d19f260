#include <inttypes.h>
#include <stdio.h>

#include "base/jw.h"
#include "base/macro.h"
#include "record/verify/verify.h"

static void verdict_text(struct buf *b, const struct verify_result *v, int err)
{
	const char *node = v->node[0] ? v->node : "?";
	if (v->is_bad)
		buf_printf(b, "BAD %s event %" PRIu64 ": %s", node, v->bad_seq, v->why);
	else if (err == ERR_VERIFY)
		buf_printf(
		    b, "BAD %s event %" PRIu64 ": it cannot be read, the file is damaged or cut",
		    node, v->last + 1);
	else if (err == ERR_UNSUPPORTED)
		buf_printf(
		    b, "CANNOT TELL %s: written by another version of sluice, which can verify it",
		    node);
	else if (err < 0)
		buf_printf(b, "CANNOT TELL %s: %s", node, err_text(err));
	else if (v->is_unknown)
		buf_printf(b, "CANNOT TELL %s: %s", node, v->why);
	else
		buf_printf(b,
			   "OK %s events %" PRIu64 "..%" PRIu64 " signed-to %" PRIu64
			   " unsigned-tail %" PRIu64,
			   node, v->first, v->last, v->signed_to, v->last - v->signed_to);
	if (!v->is_bad && !v->is_unknown && err == 0 && v->removed_to)
		buf_printf(b, " removed 1..%" PRIu64, v->removed_to);
	if (!v->is_bad && !v->is_unknown && err == 0 && v->left_out)
		buf_printf(b, " left-out %" PRIu64, v->left_out);
	if (!v->is_bad && !v->is_unknown && err == 0 && v->untold)
		buf_printf(b, " answers-elsewhere %" PRIu64, v->untold);
}

/* --- completeness -------------------------------------------------------------------------------
 */

static const struct {
	const char *by, *text;
} ends[] = {{"session.end", "its session ended with event"},
	    {"node.start", "the daemon began anew with event"},
	    {"flow.open", "the same was opened again by event"}};

static void lost_line(struct jw *w, const struct flow_lost *l)
{
	char line[500];
	const char *text = "it ended with event";
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		text = strcmp(l->by, ends[i].by) ? text : ends[i].text;
	snprintf(line, sizeof(line),
		 "flow %s of session %s, opened by event %" PRIu64
		 ", has no flow.close: %s %" PRIu64,
		 l->flow, l->session, l->opened, text, l->ended);
	jw_text(w, NULL, NULL, span_str(line));
}

static void flow_lines(struct jw *w, const struct verify_result *v)
{
	const struct flow_counts *c = &v->flows;
	char line[500];
	snprintf(line, sizeof(line),
		 "flows %" PRIu64 ": %" PRIu64 " closed, %" PRIu64 " open, %" PRIu64
		 " without a close; operations let through %" PRIu64 ": %" PRIu64
		 " ended, %" PRIu64 " running, %" PRIu64 " without an end",
		 c->opened, c->closed, c->open, c->lost, c->ops, c->ended, c->running, c->unended);
	jw_str(w, NULL, line);
	for (uint64_t i = 0; i < c->lost && i < FLOWS_NAMED; i++)
		lost_line(w, &c->named[i]);
	if (c->lost > FLOWS_NAMED) {
		snprintf(line, sizeof(line), "and %" PRIu64 " more flows without a close",
			 c->lost - FLOWS_NAMED);
		jw_str(w, NULL, line);
	}
	if (c->unopened && v->first == 1) {
		snprintf(line, sizeof(line),
			 "%" PRIu64 " events are of flows that have no flow.open before them",
			 c->unopened);
		jw_str(w, NULL, line);
	}
	if (c->is_unknown)
		jw_str(w, NULL, "not all flows were followed: too many are open at a time");
}

/* Of a part nothing can be told. */
static void put_lines(struct jw *w, const struct verify_result *v, int err)
{
	const struct flow_counts *c = &v->flows;
	bool is_whole = err == 0 && !v->is_bad && !v->left_out;
	jw_array(w, "lines");
	if (is_whole && (c->opened || c->unopened))
		flow_lines(w, v);
	jw_array_end(w);
}

static void put_flows(struct jw *w, const struct flow_counts *c)
{
	jw_object(w, "flows");
	jw_int(w, "closed", (int64_t)c->closed);
	jw_int(w, "lost", (int64_t)c->lost);
	jw_int(w, "open", (int64_t)c->open);
	jw_int(w, "opened", (int64_t)c->opened);
	jw_int(w, "ops", (int64_t)c->ops);
	jw_int(w, "ops_ended", (int64_t)c->ended);
	jw_int(w, "ops_lost", (int64_t)c->unended);
	jw_int(w, "ops_running", (int64_t)c->running);
	jw_int(w, "unopened", (int64_t)c->unopened);
	jw_object_end(w);
}

void verify_json(struct buf *out, const struct verify_result *v, int err)
{
	struct jw w;
	struct buf line;
	char key[HASH_HEX + 1] = "", root[HASH_HEX + 1] = "";
	bool is_bad = v->is_bad || err == ERR_VERIFY;
	if (v->has_key)
		key_fingerprint(v->key, key);
	if (v->has_root)
		hex_encode(v->root, HASH_LEN, root);
	buf_init(&line, 4096);
	verdict_text(&line, v, err);
	jw_begin(&w, out);
	jw_object(&w, NULL);
	if (is_bad)
		jw_int(&w, "bad", (int64_t)(v->is_bad ? v->bad_seq : v->last + 1));
	jw_int(&w, "bytes", (int64_t)v->bytes);
	jw_int(&w, "exit", is_bad ? 1 : err < 0 || v->is_unknown ? 2 : 0);
	jw_int(&w, "first", (int64_t)v->first);
	put_flows(&w, &v->flows);
	jw_str(&w, "key", key);
	jw_int(&w, "last", (int64_t)v->last);
	jw_int(&w, "left_out", (int64_t)v->left_out);
	jw_text(&w, "line", "line_b64", buf_span(&line));
	put_lines(&w, v, err);
	jw_str(&w, "node", v->node);
	jw_int(&w, "removed_to", (int64_t)v->removed_to);
	jw_str(&w, "root", root);
	jw_int(&w, "signed_to", (int64_t)v->signed_to);
	jw_object_end(&w);
	buf_add_u8(out, '\n');
	buf_done(&line);
}
