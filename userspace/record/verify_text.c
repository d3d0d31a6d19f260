#include <inttypes.h>

#include "base/jw.h"
#include "record/verify.h"

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

void verify_json(struct buf *out, const struct verify_result *v, int err)
{
	struct jw w;
	struct buf line;
	char key[HASH_HEX + 1] = "";
	bool is_bad = v->is_bad || err == ERR_VERIFY;
	if (v->has_key)
		key_fingerprint(v->key, key);
	buf_init(&line, 4096);
	verdict_text(&line, v, err);
	jw_begin(&w, out);
	jw_object(&w, NULL);
	if (is_bad)
		jw_int(&w, "bad", (int64_t)(v->is_bad ? v->bad_seq : v->last + 1));
	jw_int(&w, "bytes", (int64_t)v->bytes);
	jw_int(&w, "exit", is_bad ? 1 : err < 0 || v->is_unknown ? 2 : 0);
	jw_int(&w, "first", (int64_t)v->first);
	jw_str(&w, "key", key);
	jw_int(&w, "last", (int64_t)v->last);
	jw_int(&w, "left_out", (int64_t)v->left_out);
	jw_text(&w, "line", "line_b64", buf_span(&line));
	jw_str(&w, "node", v->node);
	jw_int(&w, "removed_to", (int64_t)v->removed_to);
	jw_int(&w, "signed_to", (int64_t)v->signed_to);
	jw_object_end(&w);
	buf_add_u8(out, '\n');
	buf_done(&line);
}
