/* What the source says, line by line, becomes an environment; chain and tree are followed on the way,
 * so that an export of a record that does not fit together is no export. */
#include "cli/export_lmdb.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/macro.h"
#include "cli/cli.h"
#include "cli/export.h"
#include "cli/export_env.h"
#include "cli/export_manifest.h"
#include "record/sealer.h"
#include "record/segment.h"
#include "record/payload.h"

struct leaving {
	struct export_env env;
	struct export_facts facts;
	struct chain *chain;
	struct position at; /* behind the last line */
	bool has_head, has_hash;
	char session[SESSION_ID_MAX + 1]; /* of the events just before; its run of them */
	uint64_t run_first, run_last;
};

/* --- lines --------------------------------------------------------------------------------------
 */

static int bad(const struct leaving *l, const char *what)
{
	cli_error("the record does not fit together at event %llu: %s",
		  (unsigned long long)l->at.seq + 1, what);
	cli_remedy("sluice verify names what is wrong with it");
	return ERR_VERIFY;
}

static int put_meta(struct leaving *l, const char *key, struct span value)
{
	return export_env_put(&l->env, EXPORT_META, span_str(key), value);
}

static int put_number(struct leaving *l, const char *key, uint64_t n)
{
	uint8_t bytes[8];
	seq_encode(n, bytes);
	return put_meta(l, key, span_of(bytes, 8));
}

static int put_hex(struct leaving *l, const char *key, struct span hex)
{
	uint8_t bytes[TREE_EDGE_MAX];
	size_t n = hex.len / 2;
	if (n > sizeof(bytes) || hex_decode(hex, bytes, n) < 0)
		return ERR_MALFORMED;
	return put_meta(l, key, span_of(bytes, n));
}

static int read_head(struct leaving *l, const struct scan *h)
{
	uint8_t edge[TREE_EDGE_MAX];
	struct export_facts *f = &l->facts;
	struct span hex = scan_plain(h, "edge"), node = scan_plain(h, "node"),
		    key = scan_plain(h, "key");
	f->first = scan_u64(h, "first");
	f->has_key = key.len > 0;
	if (l->has_head || !f->first || hex.len > 2 * sizeof(edge) || node.len >= NODE_MAX ||
	    hex_decode(hex, edge, hex.len / 2) < 0 ||
	    hex_decode(scan_plain(h, "prev"), l->at.hash, HASH_LEN) < 0 ||
	    (f->has_key && hex_decode(key, f->key, KEY_LEN) < 0))
		return ERR_MALFORMED;
	memcpy(f->node, node.p, node.len);
	l->has_head = l->has_hash = true;
	l->at.seq = f->first - 1;
	return tree_read(span_of(edge, hex.len / 2), l->at.seq, &l->at.tree);
}

static int on_store(struct leaving *l, const struct scan *line)
{
	struct scan h;
	int r = scan_event(scan_get(line, "_store"), false, &h);
	if (r == 0)
		r = read_head(l, &h);
	if (r == 0 && !span_is(scan_plain(&h, "schema"), SEGMENT_SCHEMA))
		r = ERR_UNSUPPORTED;
	if (r == 0)
		r = put_meta(l, "schema", span_str(SEGMENT_SCHEMA));
	if (r == 0)
		r = put_meta(l, "node", span_str(l->facts.node));
	if (r == 0)
		r = put_number(l, "created", clock_real_ns());
	if (r == 0)
		r = put_number(l, "first", l->facts.first);
	if (r == 0)
		r = put_hex(l, "prev", scan_plain(&h, "prev"));
	if (r == 0)
		r = put_hex(l, "edge", scan_plain(&h, "edge"));
	if (r == 0 && l->facts.has_key)
		r = put_meta(l, "key", span_of(l->facts.key, KEY_LEN));
	return r;
}

static int on_omitted(struct leaving *l, const struct scan *line)
{
	struct scan o;
	uint8_t value[1 + HASH_LEN];
	int r = scan_event(scan_get(line, "_omitted"), false, &o);
	if (r < 0)
		return r;
	uint64_t level = scan_u64(&o, "level"), first = scan_u64(&o, "first");
	if (level >= TREE_HEIGHTS || hex_decode(scan_plain(&o, "hash"), value + 1, HASH_LEN) < 0)
		return ERR_MALFORMED;
	value[0] = (uint8_t)level;
	if (first != l->at.seq + 1)
		return bad(l, "events are missing");
	r = tree_graft(&l->at.tree, l->chain, value[0], value + 1);
	if (r == 0)
		r = export_env_append(&l->env, EXPORT_OMITTED, first,
				      span_of(value, sizeof(value)));
	l->facts.left_out += 1ull << level;
	l->at.seq = l->at.tree.size;
	l->has_hash = false;
	return r;
}

static int on_checkpoint(struct leaving *l, const struct scan *line)
{
	struct scan c;
	struct buf note;
	struct checkpoint *last = &l->facts.last_checkpoint;
	uint8_t root[HASH_LEN];
	buf_init(&note, NOTE_MAX);
	int r = scan_event(scan_get(line, "_checkpoint"), false, &c);
	if (r == 0)
		payload_unescape(&note, scan_get(&c, "note"));
	if (r == 0)
		r = buf_err(&note) ? buf_err(&note) : checkpoint_read(buf_span(&note), last);
	if (r == 0)
		r = tree_root(&l->at.tree, l->chain, root);
	if (r == 0 && (last->seq != l->at.seq || memcmp(root, last->root, HASH_LEN) != 0))
		r = bad(l, "it is not what was signed");
	if (r == 0)
		r = export_env_append(&l->env, EXPORT_CHECKPOINTS, last->seq, buf_span(&note));
	l->facts.checkpoints++;
	buf_done(&note);
	return r;
}

static int on_key(struct leaving *l, const struct scan *line)
{
	struct span to = scan_get(line, "_key");
	char id[SEAL_ID_TEXT + 1];
	int r = seal_id(to, id);
	return r < 0 ? r : export_env_put(&l->env, EXPORT_KEYS, span_of((const uint8_t *)id, SEAL_ID_TEXT), to);
}

/* --- events -------------------------------------------------------------------------------------
 */

static int put_run(struct leaving *l)
{
	uint8_t key[SESSION_ID_MAX + 1 + 8], last[8];
	size_t n = strlen(l->session) + 1;
	if (n == 1)
		return 0;
	memcpy(key, l->session, n);
	seq_encode(l->run_first, key + n);
	seq_encode(l->run_last, last);
	return export_env_put(&l->env, EXPORT_BY_SESSION, span_of(key, n + 8), span_of(last, 8));
}

static int index_session(struct leaving *l, const struct scan *e, uint64_t seq)
{
	struct span session = scan_plain(e, "session");
	if (session.len > SESSION_ID_MAX)
		session.len = 0;
	if (span_is(session, l->session)) {
		l->run_last = seq;
		return 0;
	}
	int r = put_run(l);
	memcpy(l->session, session.p, session.len);
	l->session[session.len] = 0;
	l->run_first = l->run_last = seq;
	return r;
}

static int on_event(struct leaving *l, struct span stored, const struct scan *e)
{
	uint8_t prev[HASH_LEN];
	uint64_t seq, time = scan_u64(e, "time");
	if (chain_prefix_read(stored, prev, &seq) < 0)
		return ERR_MALFORMED;
	if (seq != l->at.seq + 1)
		return bad(l, "events are missing");
	if (l->has_hash && memcmp(prev, l->at.hash, HASH_LEN) != 0)
		return bad(l, "it does not hold the hash of the event before it");
	int r = chain_hash(l->chain, prev, stored, l->at.hash);
	if (r == 0)
		r = tree_add(&l->at.tree, l->chain, l->at.hash, NULL);
	if (r == 0)
		r = export_env_append(&l->env, EXPORT_EVENTS, seq, stored);
	if (r == 0)
		r = index_session(l, e, seq);
	if (!l->facts.events++)
		l->facts.first_ns = time;
	l->facts.last_ns = time;
	l->at.seq = seq;
	l->has_hash = true;
	return r;
}

static int on_export_line(void *ctx, const char *line, size_t len)
{
	static const struct {
		const char *key;
		int (*take)(struct leaving *l, const struct scan *line);
	} kinds[] = {{"_store", on_store},
		     {"_omitted", on_omitted},
		     {"_key", on_key},
		     {"_checkpoint", on_checkpoint}};
	struct leaving *l = ctx;
	struct span text = span_of(line, len);
	struct scan s;
	int r = scan_event(text, true, &s);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(kinds); i++)
		if (scan_get(&s, kinds[i].key).len)
			return i && !l->has_head ? ERR_MALFORMED : kinds[i].take(l, &s);
	return r < 0 || !l->has_head ? ERR_MALFORMED : on_event(l, text, &s);
}

/* A summary of a session that has an event here. */
static int on_session(void *ctx, const char *line, size_t len)
{
	struct leaving *l = ctx;
	struct scan s;
	bool has = false;
	char prefix[SESSION_ID_MAX + 1] = "";
	if (scan_event(span_of(line, len), false, &s) < 0)
		return ERR_MALFORMED;
	struct span id = scan_plain(&s, "session");
	if (!id.len || id.len > SESSION_ID_MAX)
		return 0;
	memcpy(prefix, id.p, id.len);
	int r = export_env_has(&l->env, EXPORT_BY_SESSION, span_of(prefix, id.len + 1), &has);
	return r == 0 && has ? export_env_put(&l->env, EXPORT_SESSIONS, id, span_of(line, len)) : r;
}

/* --- the folder ---------------------------------------------------------------------------------
 */

/* ERR_EXISTS: there is something in it. */
static int make_folder(const char *folder)
{
	int n = 0;
	if (mkdir(folder, 0700) == 0)
		return 0;
	DIR *d = errno == EEXIST ? opendir(folder) : NULL;
	if (!d)
		return -errno;
	while (readdir(d))
		n++;
	closedir(d);
	return n > 2 ? ERR_EXISTS : 0;
}

static int fill_env(struct leaving *l, const struct record_source *source, const json_t *filters)
{
	static const char *const whom[] = {"session", "identity", "owner", "role"};
	uint8_t edge[TREE_EDGE_MAX];
	int r = record_ask(source, "export", filters, on_export_line, l);
	if (r == 0 && !l->has_head)
		r = ERR_MALFORMED;
	if (r == 0)
		r = put_run(l);
	json_t *sessions = json_object();
	for (size_t i = 0; i < ARRAY_LEN(whom); i++)
		if (json_is_string(json_object_get(filters, whom[i])))
			json_object_set(sessions, whom[i], json_object_get(filters, whom[i]));
	if (r == 0)
		r = record_ask(source, "sessions", sessions, on_session, l);
	json_decref(sessions);
	if (r == 0)
		r = put_number(l, "head", l->at.seq);
	if (r == 0)
		r = put_meta(l, "head_edge", span_of(edge, tree_edge(&l->at.tree, edge)));
	if (r == 0)
		r = tree_root(&l->at.tree, l->chain, l->facts.root);
	return r == 0 ? export_env_finish(&l->env) : r;
}

static int make(struct leaving *l, const char *folder, const struct record_source *source,
		const json_t *filters)
{
	int r = chain_new(&l->chain);
	if (r == 0)
		r = export_env_open(&l->env, folder);
	if (r == 0)
		r = fill_env(l, source, filters);
	export_env_close(&l->env);
	chain_free(l->chain);
	l->facts.last = l->at.seq;
	return r == 0 ? export_manifest(folder, &l->facts, filters) : r;
}

int export_lmdb(const char *folder, const struct record_source *source, const json_t *filters)
{
	struct leaving *l = calloc(1, sizeof(*l));
	int r = l ? make_folder(folder) : -ENOMEM;
	if (r == ERR_EXISTS) {
		cli_error("%s: there is something in it", folder);
		cli_remedy("-o names a folder that is not there yet, or an empty one");
	} else if (r == 0) {
		r = make(l, folder, source, filters);
		if (r < 0)
			export_unmake(folder);
	}
	/* What the source said of errors of its own is said already. */
	if (r < 0 && r != ERR_EXISTS && r != ERR_VERIFY && r != ERR_DENIED)
		cli_error("%s: %s", folder, err_text(r));
	if (r == 0 && !l->facts.last_checkpoint.seq)
		cli_error("note: nothing of it is signed yet");
	free(l);
	return r;
}
