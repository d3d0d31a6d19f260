/* SQL/JSON of the grammar of PostgreSQL 17 and later: constructors, queries, JSON_TABLE. */
#include "sql/pg_walk.h"

#if PG_VERSION_NUM >= 170000

/* RETURNING type: the value is read by the type's input function. */
static struct ty output(struct walk *w, JsonOutput *o, uint32_t otherwise)
{
	if (!o || !o->typeName)
		return T(otherwise);
	struct ty t = type_named(w, o->typeName);
	need_type_input(w, t.oid);
	return t;
}

static struct ty value(struct walk *w, struct scope *s, JsonValueExpr *v)
{
	if (!v)
		return UNSURE;
	struct ty t = expr(w, s, (Node *)v->raw_expr);
	need_json_of(w, t);
	return t;
}

static void pair(struct walk *w, struct scope *s, JsonKeyValue *p)
{
	expr(w, s, (Node *)p->key);
	value(w, s, p->value);
}

static struct ty on_value(struct walk *w, struct scope *s, Node *n)
{
	return value(w, s, (JsonValueExpr *)n);
}

static struct ty on_object(struct walk *w, struct scope *s, Node *n)
{
	JsonObjectConstructor *c = (JsonObjectConstructor *)n;
	ListCell *cell;
	foreach (cell, c->exprs)
		pair(w, s, lfirst(cell));
	return output(w, c->output, TYPE_JSON);
}

static struct ty on_array(struct walk *w, struct scope *s, Node *n)
{
	JsonArrayConstructor *c = (JsonArrayConstructor *)n;
	ListCell *cell;
	foreach (cell, c->exprs)
		value(w, s, lfirst(cell));
	return output(w, c->output, TYPE_JSON);
}

static struct ty on_array_query(struct walk *w, struct scope *s, Node *n)
{
	JsonArrayQueryConstructor *c = (JsonArrayQueryConstructor *)n;
	const struct row *r = query(w, s, c->query);
	touch_row(w, r);
	for (int i = 0; i < r->n; i++)
		need_json_of(w, r->at[i].ty);
	return output(w, c->output, TYPE_JSON);
}

static struct ty aggregate(struct walk *w, struct scope *s, JsonAggConstructor *c)
{
	ListCell *cell;
	expr_as(w, s, c->agg_filter, TYPE_BOOL);
	foreach (cell, c->agg_order)
		need_order(w, expr(w, s, ((SortBy *)lfirst(cell))->node));
	window(w, s, c->over);
	return output(w, c->output, TYPE_JSON);
}

static struct ty on_object_agg(struct walk *w, struct scope *s, Node *n)
{
	pair(w, s, ((JsonObjectAgg *)n)->arg);
	return aggregate(w, s, ((JsonObjectAgg *)n)->constructor);
}

static struct ty on_array_agg(struct walk *w, struct scope *s, Node *n)
{
	value(w, s, ((JsonArrayAgg *)n)->arg);
	return aggregate(w, s, ((JsonArrayAgg *)n)->constructor);
}

static struct ty on_is_json(struct walk *w, struct scope *s, Node *n)
{
	need_implicit_casts(w, expr(w, s, ((JsonIsPredicate *)n)->expr).oid);
	return T(TYPE_BOOL);
}

static struct ty on_parse(struct walk *w, struct scope *s, Node *n)
{
	value(w, s, ((JsonParseExpr *)n)->expr);
	return output(w, ((JsonParseExpr *)n)->output, TYPE_JSON);
}

static struct ty on_scalar(struct walk *w, struct scope *s, Node *n)
{
	need_json_of(w, expr(w, s, (Node *)((JsonScalarExpr *)n)->expr));
	return output(w, ((JsonScalarExpr *)n)->output, TYPE_JSON);
}

static struct ty on_serialize(struct walk *w, struct scope *s, Node *n)
{
	value(w, s, ((JsonSerializeExpr *)n)->expr);
	return output(w, ((JsonSerializeExpr *)n)->output, TYPE_TEXT);
}

static void behavior(struct walk *w, struct scope *s, JsonBehavior *b, uint32_t type)
{
	if (b && b->expr)
		need_cast(w, expr(w, s, b->expr), type, 'e');
}

static void passing(struct walk *w, struct scope *s, const List *l)
{
	ListCell *cell;
	foreach (cell, l)
		value(w, s, ((JsonArgument *)lfirst(cell))->val);
}

static struct ty on_function(struct walk *w, struct scope *s, Node *n)
{
	JsonFuncExpr *f = (JsonFuncExpr *)n;
	uint32_t otherwise = f->op == JSON_EXISTS_OP  ? TYPE_BOOL
			     : f->op == JSON_QUERY_OP ? TYPE_JSONB
						      : TYPE_TEXT;
	value(w, s, f->context_item);
	expr(w, s, f->pathspec);
	passing(w, s, f->passing);
	struct ty t = output(w, f->output, otherwise);
	behavior(w, s, f->on_empty, t.oid);
	behavior(w, s, f->on_error, t.oid);
	return t;
}

static struct ty on_merge_action(struct walk *w, struct scope *s, Node *n)
{
	return T(TYPE_TEXT);
}

static void table_columns(struct walk *w, struct scope *s, const List *columns, struct row *out)
{
	ListCell *cell;
	if (!enter(w, 4))
		return;
	foreach (cell, columns) {
		JsonTableColumn *c = lfirst(cell);
		if (c->coltype == JTC_NESTED) {
			table_columns(w, s, c->columns, out);
			continue;
		}
		struct ty t = c->typeName ? type_named(w, c->typeName) : T(TYPE_INT4);
		need_type_input(w, t.oid);
		behavior(w, s, c->on_empty, t.oid);
		behavior(w, s, c->on_error, t.oid);
		row_push(w, out, (struct field){c->name, t});
	}
	leave(w, 4);
}

const struct row *json_table(struct walk *w, struct scope *s, Node *n, const Alias **ret_alias)
{
	JsonTable *t = (JsonTable *)n;
	struct row *row = row_new(w, 0);
	bool was = s->is_lateral;
	s->is_lateral = true;
	value(w, s, t->context_item);
	passing(w, s, t->passing);
	table_columns(w, s, t->columns, row);
	behavior(w, s, t->on_error, 0);
	s->is_lateral = was;
	*ret_alias = t->alias;
	return row;
}

struct ty (*json_handler(NodeTag tag))(struct walk *, struct scope *, Node *)
{
	static const struct {
		NodeTag tag;
		struct ty (*handle)(struct walk *, struct scope *, Node *);
	} handlers[] = {
	    {T_JsonValueExpr, on_value},	{T_JsonObjectConstructor, on_object},
	    {T_JsonArrayConstructor, on_array}, {T_JsonArrayQueryConstructor, on_array_query},
	    {T_JsonObjectAgg, on_object_agg},	{T_JsonArrayAgg, on_array_agg},
	    {T_JsonIsPredicate, on_is_json},	{T_JsonParseExpr, on_parse},
	    {T_JsonScalarExpr, on_scalar},	{T_JsonSerializeExpr, on_serialize},
	    {T_JsonFuncExpr, on_function},	{T_MergeSupportFunc, on_merge_action},
	};
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
		if (handlers[i].tag == tag)
			return handlers[i].handle;
	return NULL;
}

#else

const struct row *json_table(struct walk *w, struct scope *s, Node *n, const Alias **ret_alias)
{
	return NULL;
}

struct ty (*json_handler(NodeTag tag))(struct walk *, struct scope *, Node *)
{
	return NULL;
}

#endif
