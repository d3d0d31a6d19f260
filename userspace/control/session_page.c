/* A page of sessions, the newest first: the recorder has them in no such order, so the best of all
 * lines are kept while they pass. What it costs here is a page, however many there are. */
#include <ctype.h>
#include <stdio.h>

#include "base/macro.h"
#include "control/api_internal.h"

#define PAGE_DEFAULT 50
#define PAGE_MAX     200
#define FIND_MAX     120

struct entry {
	json_t *json;
	json_int_t start;
	const char *id;
};

struct page {
	int limit, n;
	json_int_t before;   /* sessions that began earlier; 0: all */
	char before_id[40];  /* and of those of the same moment, those behind this */
	char find[FIND_MAX]; /* lower case; "": any */
	json_int_t n_found;
	struct entry at[PAGE_MAX + 1];
};

static void page_free(void *ctx)
{
	struct page *p = ctx;
	for (int i = 0; i < p->n; i++)
		json_decref(p->at[i].json);
	free(p);
}

static bool has_text(const json_t *v, const char *find)
{
	char low[512];
	size_t n = 0;
	for (const char *s = json_string_value(v); s && *s && n + 1 < sizeof(low); s++)
		low[n++] = (char)tolower((unsigned char)*s);
	low[n] = 0;
	return n && strstr(low, find);
}

static bool is_found(const struct page *p, const json_t *j)
{
	static const char *const keys[] = {"session", "identity", "owner",
					   "role",    "issuer",	  "node"};
	const json_t *v;
	size_t i;
	if (!*p->find)
		return true;
	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (has_text(json_object_get(j, keys[i]), p->find))
			return true;
	json_array_foreach(json_object_get(j, "command"), i,
			   v) if (has_text(v, p->find)) return true;
	return false;
}

/* Does a come before b? */
static bool is_newer(json_int_t a, const char *a_id, json_int_t b, const char *b_id)
{
	return a != b ? a > b : strcmp(a_id, b_id) < 0;
}

static void insert(struct page *p, struct entry e)
{
	int i = p->n;
	for (; i > 0 && is_newer(e.start, e.id, p->at[i - 1].start, p->at[i - 1].id); i--)
		p->at[i] = p->at[i - 1];
	p->at[i] = e;
	if (p->n < p->limit)
		p->n++;
	else
		json_decref(p->at[p->n].json);
}

static void page_line(void *ctx, struct span line)
{
	struct page *p = ctx;
	json_t *j = json_loadb((const char *)line.p, line.len, 0, NULL);
	struct entry e = {j, json_integer_value(json_object_get(j, "start")),
			  json_string_value(json_object_get(j, "session"))};
	if (!e.id || !is_found(p, j)) {
		json_decref(j);
		return;
	}
	p->n_found++;
	if ((p->before && !is_newer(p->before, p->before_id, e.start, e.id)) ||
	    (p->n == p->limit &&
	     !is_newer(e.start, e.id, p->at[p->n - 1].start, p->at[p->n - 1].id)))
		json_decref(j);
	else
		insert(p, e);
}

static void page_answer(void *ctx, struct conn *conn)
{
	struct page *p = ctx;
	char next[80] = "";
	json_t *list = json_array();
	for (int i = 0; i < p->n; i++)
		json_array_append(list, p->at[i].json);
	if (p->n == p->limit)
		snprintf(next, sizeof(next), "%lld.%s", (long long)p->at[p->n - 1].start,
			 p->at[p->n - 1].id);
	conn_answer(
	    conn, 200,
	    json_pack("{s:o,s:I,s:s}", "sessions", list, "found", p->n_found, "next", next));
}

/* "<start>.<session>" as "next" was. */
static int read_before(struct page *p, const char *text)
{
	long long start;
	if (sscanf(text, "%lld.%39[a-z0-9-]", &start, p->before_id) != 2 || start <= 0)
		return ERR_MALFORMED;
	p->before = start;
	return 0;
}

static int read_params(const struct call *k, struct page *p, json_t *query)
{
	static const char *const passed[] = {"live", "denied"};
	char value[80];
	int r = http_query(k->query, "limit", value, sizeof(value));
	p->limit = r == 0 ? atoi(value) : PAGE_DEFAULT;
	if (r == 0 && (p->limit < 1 || p->limit > PAGE_MAX))
		return ERR_MALFORMED;
	r = r == ERR_NOT_FOUND || r == 0 ? http_query(k->query, "before", value, sizeof(value)) : r;
	if (r == 0)
		r = read_before(p, value);
	if (r == ERR_NOT_FOUND || r == 0)
		r = http_query(k->query, "find", p->find, sizeof(p->find));
	for (char *c = p->find; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (size_t i = 0; (r == ERR_NOT_FOUND || r == 0) && i < ARRAY_LEN(passed); i++) {
		r = http_query(k->query, passed[i], value, sizeof(value));
		if (r == 0)
			json_object_set_new(query, passed[i], json_string(value));
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

void api_newest(struct call *k)
{
	static const struct relay_sink sink = {page_line, page_answer, page_free};
	struct page *p = calloc(1, sizeof(*p));
	json_t *q = json_pack("{s:s,s:s}", "t", "query", "kind", "sessions");
	if (!p || !q || read_params(k, p, q) < 0) {
		free(p);
		json_decref(q);
		conn_fail(k->conn, 400, NULL,
			  "expected limit (1 to %d), before, find, live and denied", PAGE_MAX);
		return;
	}
	relay_collect(k->conn, q, &sink, p);
}
