/* An operation whose text or parameters stand in parts before it: are they all there, in their
 * order, and is it what the operation says? Of sealed ones only the number can be told; that none
 * was changed is the chain's word. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/ossl.h"

#include "record/verify/internal.h"

#define OPEN_MAX       32 /* operations at a time: a lane has one */
#define NAME_MAX_PARTS 160

struct gathered {
	char name[NAME_MAX_PARTS]; /* flow, id, field; empty: free */
	uint64_t n;
	bool is_clear;
	EVP_MD_CTX *sha;
};

struct verify_parts {
	struct gathered at[OPEN_MAX];
	int next; /* the oldest goes first: it was of a producer that died */
};

int verify_parts_new(struct verify_parts **ret_p)
{
	*ret_p = calloc(1, sizeof(**ret_p));
	return *ret_p ? 0 : -ENOMEM;
}

static void forget(struct gathered *g)
{
	EVP_MD_CTX_free(g->sha);
	*g = (struct gathered){0};
}

void verify_parts_free(struct verify_parts *p)
{
	for (int i = 0; p && i < OPEN_MAX; i++)
		forget(&p->at[i]);
	free(p);
}

static struct gathered *find(struct verify_parts *p, const char *name)
{
	for (int i = 0; i < OPEN_MAX; i++)
		if (!strcmp(p->at[i].name, name))
			return &p->at[i];
	return NULL;
}

static void name_of(const struct scan *e, struct span field, char name[NAME_MAX_PARTS])
{
	struct span flow = scan_plain(e, "flow");
	snprintf(name, NAME_MAX_PARTS, "%.*s %" PRIu64 " %.*s",
		 (int)(flow.len < 80 ? flow.len : 80), flow.len ? (const char *)flow.p : "",
		 scan_u64(e, "id"), (int)(field.len < 20 ? field.len : 20),
		 field.len ? (const char *)field.p : "");
}

static struct gathered *begin(struct verify_parts *p, const char *name)
{
	struct gathered *g = find(p, name);
	if (!g) {
		g = &p->at[p->next];
		p->next = (p->next + 1) % OPEN_MAX;
	}
	forget(g);
	g->sha = EVP_MD_CTX_new();
	if (!g->sha || !EVP_DigestInit_ex(g->sha, EVP_sha256(), NULL))
		return NULL;
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->is_clear = true;
	return g;
}

/* Its payload stands elsewhere: sealed, or packed. */
static bool is_concealed(const struct scan *e)
{
	return scan_get(e, "sealed").len || scan_get(e, "packed").len;
}

/* The bytes that a part holds, in one way. */
static int add_data(struct gathered *g, const struct scan *e)
{
	struct buf data;
	struct span text = scan_get(e, "data"), base64 = scan_plain(e, "data_b64");
	bool is_text = text.len && *text.p == '"', is_clear = is_text || base64.len;
	int r = 0;
	g->is_clear = g->is_clear && is_clear;
	if (is_text == (base64.len > 0)) /* both, or neither */
		return !is_clear && is_concealed(e) ? 0 : ERR_MALFORMED;
	buf_init(&data, PAYLOAD_MAX);
	if (base64.len)
		r = payload_base64(base64, &data);
	else
		payload_unescape(&data, text);
	if (r == 0 && !EVP_DigestUpdate(g->sha, buf_span(&data).p, buf_len(&data)))
		r = -ENOMEM;
	buf_done(&data);
	return r;
}

static int take_part(struct walk *w, uint64_t seq, const struct scan *e)
{
	char name[NAME_MAX_PARTS];
	name_of(e, scan_plain(e, "field"), name);
	uint64_t at = scan_u64(e, "part");
	struct gathered *g = at ? find(w->parts, name) : begin(w->parts, name);
	if (!at && !g)
		return -ENOMEM;
	if (!g || g->n != at) /* those before it may be left out, or removed */
		return 0;
	g->n++;
	return add_data(g, e) == 0 ? 0 : verify_bad(w, seq, "is a part that cannot be read");
}

static int check(struct walk *w, uint64_t seq, const struct scan *e, const char *field,
		 const char *hash_key)
{
	char name[NAME_MAX_PARTS], key[40], hex[HASH_HEX + 1];
	uint8_t hash[HASH_LEN];
	snprintf(key, sizeof(key), "%s_parts", field);
	uint64_t n = scan_u64(e, key);
	if (!n)
		return 0;
	name_of(e, span_str(field), name);
	struct gathered *g = find(w->parts, name);
	bool is_whole = g && g->n == n, is_removed = w->v->first > 1 || w->o->from;
	if (!is_whole && w->v->left_out)
		verify_unknown(w, "event %" PRIu64 " says that its %s is in %" PRIu64
				  " parts before it: they are left out", seq, field, n);
	else if (!is_whole && !is_removed)
		verify_bad(w, seq, "says that its %s is in %" PRIu64
				   " parts before it: they are not there", field, n);
	if (!is_whole)
		return 0;
	struct span said = scan_plain(e, hash_key);
	bool is_done = EVP_DigestFinal_ex(g->sha, hash, NULL);
	bool is_clear = g->is_clear && (said.len || !is_concealed(e));
	forget(g);
	hex_encode(hash, HASH_LEN, hex);
	if (!is_done)
		return -ENOMEM;
	return is_clear && !span_is(said, hex)
		   ? verify_bad(w, seq, "says another %s than its parts", field)
		   : 0;
}

int verify_parts(struct walk *w, uint64_t seq, const struct scan *event)
{
	struct span type = scan_plain(event, "type");
	if (span_is(type, "op.part"))
		return take_part(w, seq, event);
	if (!span_is(type, "op"))
		return 0;
	int r = check(w, seq, event, "text", "text_sha256");
	return r < 0 || w->v->is_bad ? r : check(w, seq, event, "params", "params_json_sha256");
}
