#include "upstream/plan_rows.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

#define DEPTH_MAX 100
#define NODES_MAX 20000

struct reading {
	struct plan_rows *into;
	int n_nodes;
	bool has_change; /* in this plan */
	int64_t changed;
};

static const char *text_of(const json_t *node, const char *key)
{
	const char *s = json_string_value(json_object_get(node, key));
	return s ? s : "";
}

/* The planner's numbers are floats, and may be larger than any count. */
static int64_t number_of(const json_t *node, const char *key)
{
	double d = json_number_value(json_object_get(node, key));
	return d >= (double)PLAN_ROWS_MAX ? PLAN_ROWS_MAX : d > 0 ? (int64_t)(d + 0.5) : 0;
}

static int64_t add(int64_t a, int64_t b)
{
	return MIN(a + b, (int64_t)PLAN_ROWS_MAX);
}

static bool is_change(const json_t *node)
{
	return !strcmp(text_of(node, "Node Type"), "ModifyTable");
}

/* A node that changes rows returns none of them, mostly: what it is given is what it changes. Up to
 * PostgreSQL 13 it has a member for each partition. */
static int64_t rows_of(const json_t *node)
{
	const json_t *child;
	int64_t rows = 0;
	size_t i;
	if (!is_change(node))
		return number_of(node, "Plan Rows");
	json_array_foreach(json_object_get(node, "Plans"), i, child)
	{
		const char *as = text_of(child, "Parent Relationship");
		if (!strcmp(as, "Outer") || !strcmp(as, "Member"))
			rows = add(rows, number_of(child, "Plan Rows"));
	}
	return rows;
}

static void add_part(struct plan_rows *p, const json_t *node)
{
	const char *relation = text_of(node, "Relation Name");
	if (!*relation)
		return;
	if (p->n_parts == PLAN_PARTS_MAX) {
		p->has_more = true;
		return;
	}
	struct plan_part *part = &p->parts[p->n_parts++];
	bool fits = strlen(relation) < sizeof(part->relation); /* a character is not cut */
	snprintf(part->how, sizeof(part->how), "%.31s",
		 text_of(node, is_change(node) ? "Operation" : "Node Type"));
	snprintf(part->relation, sizeof(part->relation), "%s", fits ? relation : "?");
	part->rows = rows_of(node);
}

static int read_node(struct reading *r, const json_t *node, int depth)
{
	const json_t *child;
	size_t i;
	int err = 0;
	if (!json_is_object(node) || !*text_of(node, "Node Type"))
		return ERR_MALFORMED;
	if (depth > DEPTH_MAX || ++r->n_nodes > NODES_MAX)
		return ERR_LIMIT;
	add_part(r->into, node);
	if (is_change(node)) {
		r->has_change = true;
		r->changed = add(r->changed, rows_of(node));
	}
	json_array_foreach(json_object_get(node, "Plans"), i, child)
	{
		err = read_node(r, child, depth + 1);
		if (err)
			break;
	}
	return err;
}

/* A rule of the database's may have made several of one statement, or none. What a CTE changes
 * counts, however little the statement around it returns. */
static int read_all(const json_t *all, struct plan_rows *p)
{
	struct reading r = {.into = p};
	const json_t *one;
	size_t i;
	if (!json_is_array(all))
		return ERR_MALFORMED;
	json_array_foreach(all, i, one)
	{
		const json_t *top = json_object_get(one, "Plan");
		r.has_change = false;
		r.changed = 0;
		int err = read_node(&r, top, 0);
		if (err)
			return err;
		p->rows = add(p->rows, r.has_change ? r.changed : rows_of(top));
		p->cost = add(p->cost, number_of(top, "Total Cost"));
	}
	return 0;
}

int plan_rows_read(struct span json, struct plan_rows *ret)
{
	struct plan_rows p = {0};
	json_t *all = json_loadb((const char *)json.p, json.len,
				 JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, NULL);
	int err = all ? read_all(all, &p) : ERR_MALFORMED;
	json_decref(all);
	if (!err)
		*ret = p;
	return err;
}
