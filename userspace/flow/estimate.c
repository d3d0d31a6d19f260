#include "upstream/estimate.h"
#include "flow/estimate.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/jw.h"
#include "base/macro.h"
#include "flow/asks.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "flow/proxy.h"
#include "flow/worker.h"
#include "upstream/catalogs.h"

#define LIMIT_NS      (10 * NS_PER_SEC)
#define ARENA_MAX     (4 * 1024 * 1024)
#define FIRST_OWN_OID 16384 /* = access/transam.h, FirstNormalObjectId */

struct estimate_job {
	struct job job;
	struct proxy *proxy;
	struct catalog_slot *slot;
	struct estimate_ask ask;
	char request[24];
	struct arena arena;
};

/* --- may it be? --- */

static bool is_readable(struct span s)
{
	return utf8_valid(s) && !(s.len && memchr(s.p, 0, s.len));
}

static bool is_utf8_name(const char *name)
{
	return !strcasecmp(name, "utf8") || !strcasecmp(name, "utf-8") ||
	       !strcasecmp(name, "unicode");
}

static bool has_other_encoding(const struct op *op)
{
	for (int i = 0; i < op->n_changed; i++)
		if (!strcasecmp(op->changed[2 * i], "client_encoding") &&
		    !is_utf8_name(op->changed[2 * i + 1]))
			return true;
	return false;
}

static bool has_own_types(const struct op *op)
{
	for (int i = 0; i < op->n_params && op->param_types; i++)
		if (op->param_types[i] >= FIRST_OWN_OID)
			return true;
	return false;
}

/* Planning may call what is called with constants: only what PostgreSQL itself has made, and was
 * looked at. */
static bool calls_others(const struct op *op)
{
	for (int i = 0; i < op->n_needs; i++) {
		const struct need *n = &op->needs[i];
		bool is_plain = n->kind == NEED_PLAIN && n->verb == VERB_SELECT;
		if (!n->is_implied && !is_plain &&
		    (n->kind != NEED_RELATION || !n->schema || !n->name))
			return true;
	}
	return false;
}

const char *estimate_why_not(const struct op *op)
{
	if (!op->is_plannable || op->behind.len)
		return "only one SELECT, INSERT, UPDATE, DELETE or MERGE is planned, and only in a "
		       "session whose names are sure";
	if (op->is_unsure)
		return "the session has changed settings in a way that another one cannot follow";
	if (!is_readable(op->text) || has_other_encoding(op))
		return "its text is not in UTF-8";
	if (calls_others(op) || has_own_types(op))
		return "it calls functions, operators or types that are not PostgreSQL's own, "
		       "which planning might run";
	return NULL;
}

/* --- the copy --- */

static void copy_params(struct estimate_job *j, const struct op *op)
{
	size_t n = (size_t)MAX(op->n_params, 1);
	Oid *types = arena_array(&j->arena, n, sizeof(*types));
	const char **values = arena_array(&j->arena, n, sizeof(*values));
	int *lens = arena_array(&j->arena, n, sizeof(*lens)),
	    *formats = arena_array(&j->arena, n, sizeof(*formats));
	for (int i = 0; !arena_failed(&j->arena) && i < op->n_params; i++) {
		struct span v = op->params[i];
		types[i] = op->param_types ? op->param_types[i] : 0;
		values[i] = v.p ? arena_strn(&j->arena, v.p, v.len) : NULL;
		lens[i] = (int)v.len;
		formats[i] = op->param_formats ? op->param_formats[i] : 0;
	}
	j->ask.params = (struct query_params){op->n_params, types, values, lens, formats};
}

static const char *const *copy_settings(struct estimate_job *j, const struct op *op, int *ret_n)
{
	const char **to = arena_array(&j->arena, 2 * (size_t)op->n_changed + 1, sizeof(*to));
	*ret_n = 0;
	for (int i = 0; to && i < op->n_changed; i++) {
		const char *const *s = &op->changed[2 * i];
		if (!*s[1]) /* the server's own default, which ours has as well */
			continue;
		to[2 * *ret_n] = arena_str(&j->arena, s[0]);
		to[2 * *ret_n + 1] = arena_str(&j->arena, s[1]);
		(*ret_n)++;
	}
	return to;
}

static const char *const *copy_relations(struct estimate_job *j, const struct op *op, int *ret_n)
{
	const char **to = arena_array(&j->arena, 2 * (size_t)op->n_needs + 1, sizeof(*to));
	*ret_n = 0;
	for (int i = 0; to && i < op->n_needs; i++) {
		const struct need *n = &op->needs[i];
		if (n->kind != NEED_RELATION || !n->schema || !n->name)
			continue;
		to[2 * *ret_n] = arena_str(&j->arena, n->schema);
		to[2 * *ret_n + 1] = arena_str(&j->arena, n->name);
		(*ret_n)++;
	}
	return to;
}

/* --- the answer --- */

static void answer(struct proxy *p, const char *request, const struct plan_rows *rows,
		   const char *why)
{
	json_t *j = json_pack("{s:s,s:s,s:s*}", "t", "estimate", "request", request, "why", why);
	if (rows && j) {
		json_t *parts = json_array();
		for (int i = 0; i < rows->n_parts; i++) {
			const struct plan_part *part = &rows->parts[i];
			json_array_append_new(parts, json_pack("{s:s,s:s,s:I}", "how", part->how,
							       "relation", part->relation, "rows",
							       (json_int_t)part->rows));
		}
		json_object_set_new(j, "rows", json_integer(rows->rows));
		json_object_set_new(j, "cost", json_integer(rows->cost));
		json_object_set_new(j, "parts", parts);
		json_object_set_new(j, "more", json_boolean(rows->has_more));
	}
	asks_send(p, j, -1);
}

/* It holds values of the client's. */
static void job_free(struct estimate_job *j)
{
	catalog_slot_unref(j->proxy->catalogs, j->slot);
	for (int i = 0; i < j->ask.params.n; i++)
		if (j->ask.params.values[i])
			explicit_bzero((char *)j->ask.params.values[i],
				       (size_t)j->ask.params.lens[i]);
	if (j->ask.text)
		explicit_bzero((char *)j->ask.text, strlen(j->ask.text));
	arena_done(&j->arena);
	free(j);
}

static void work(struct job *job)
{
	struct estimate_job *j = container_of(job, struct estimate_job, job);
	struct plan_rows rows;
	char why[WHY_MAX] = "the gateway is stopping";
	int err = ERR_STATE;
	if (!atomic_load(&j->proxy->is_stopping))
		err = estimate_read(&j->proxy->monitor, &j->ask, clock_mono_ns() + LIMIT_NS, &rows,
				    why);
	answer(j->proxy, j->request, err ? NULL : &rows, err ? why : NULL);
	job_free(j);
}

static struct estimate_job *job_new(struct flow *f, const struct op *op, const char *request)
{
	struct estimate_job *j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	arena_init(&j->arena, ARENA_MAX);
	j->job.work = work;
	j->proxy = f->lane->proxy;
	snprintf(j->request, sizeof(j->request), "%s", request);
	catalog_slot_ref(j->proxy->catalogs, f->upstream.slot);
	j->slot = f->upstream.slot;
	j->ask.target = catalog_slot_target(j->slot);
	j->ask.text = arena_strn(&j->arena, op->text.p, op->text.len);
	j->ask.settings = copy_settings(j, op, &j->ask.n_settings);
	j->ask.relations = copy_relations(j, op, &j->ask.n_relations);
	copy_params(j, op);
	if (!arena_failed(&j->arena))
		return j;
	j->ask.params.n = 0;
	job_free(j);
	return NULL;
}

void estimate_ask(struct flow *f, const struct op *op, const char *request)
{
	struct proxy *p = f->lane->proxy;
	const char *why =
	    f->upstream.slot ? estimate_why_not(op) : "there is no catalogue of its database";
	struct estimate_job *j = why ? NULL : job_new(f, op, request);
	if (!why && !j)
		why = "there is no memory for it";
	if (!why && pool_submit(p->estimates, &j->job) < 0) {
		why = "too many are asked for at once";
		job_free(j);
	}
	if (why)
		answer(p, request, NULL, why);
}
