/* Definition, rights and administration, by a table over node kinds: which verb, and where in the node
 * the name of its object stands. */
#include "sql/pg_walk.h"

void need_object(struct walk *w, enum verb v, enum op_class class, Node *name)
{
	const char *schema = NULL, *own = NULL;
	if (name && IsA(name, List))
		own = name_parts((List *)name, &schema);
	else if (name && IsA(name, String))
		own = strVal(name);
	else if (name && IsA(name, TypeName))
		own = name_parts(((TypeName *)name)->names, &schema);
	else if (name && IsA(name, ObjectWithArgs))
		own = name_parts(((ObjectWithArgs *)name)->objname, &schema);
	needs_add(w->needs,
		  &(struct need){.kind = NEED_OBJECT, .verb = v, .class = class, .schema = schema, .name = own});
}

static void need_named_object(struct walk *w, enum verb v, enum op_class class, const char *name)
{
	needs_add(w->needs, &(struct need){.kind = NEED_OBJECT, .verb = v, .class = class, .name = name});
}

static void need_table(struct walk *w, const RangeVar *v, enum verb verb, enum op_class class)
{
	bool is_temp;
	RangeVar name = *v;
	/* CREATE TEMP TABLE t makes pg_temp.t whatever the path says. */
	if (verb == VERB_CREATE && name.relpersistence == PERSISTENCE_TEMP)
		name.schemaname = (char *)(uintptr_t)"pg_temp";
	need_relation(w, &name, (struct need){.verb = verb, .class = class}, &is_temp);
}

static bool is_relation_kind(ObjectType t)
{
	return t == OBJECT_TABLE || t == OBJECT_VIEW || t == OBJECT_MATVIEW || t == OBJECT_SEQUENCE ||
	       t == OBJECT_INDEX || t == OBJECT_FOREIGN_TABLE || t == OBJECT_COLUMN;
}

/* A relation named by a list: what stands last, for parts of a relation last but one. */
static void need_listed(struct walk *w, enum verb v, const List *names, int n_behind)
{
	int n = list_length(names) - n_behind;
	RangeVar r = {.type = T_RangeVar};
	if (n < 1)
		return;
	r.relname = strVal(list_nth(names, n - 1));
	r.schemaname = n > 1 ? strVal(list_nth(names, n - 2)) : NULL;
	need_table(w, &r, v, CLASS_DDL);
}

static void on_drop(struct walk *w, Node *n)
{
	DropStmt *d = (DropStmt *)n;
	bool is_part = d->removeType == OBJECT_RULE || d->removeType == OBJECT_TRIGGER ||
		       d->removeType == OBJECT_POLICY;
	ListCell *cell;
	foreach (cell, d->objects) {
		Node *name = lfirst(cell);
		if (IsA(name, List) && (is_part || is_relation_kind(d->removeType)))
			need_listed(w, VERB_DROP, (List *)name, is_part);
		else
			need_object(w, VERB_DROP, CLASS_DDL, name);
	}
}

/* The new name too: else a table could be given the name of another that is allowed. */
static void on_rename(struct walk *w, Node *n)
{
	RenameStmt *r = (RenameStmt *)n;
	if (!r->relation) {
		need_object(w, VERB_ALTER, CLASS_DDL, r->object);
		return;
	}
	need_table(w, r->relation, VERB_ALTER, CLASS_DDL);
	if (r->renameType != OBJECT_COLUMN && is_relation_kind(r->renameType)) {
		RangeVar name = *r->relation;
		name.relname = r->newname;
		bool lacked = w->lacks_facts;
		need_table(w, &name, VERB_CREATE, CLASS_DDL);
		w->lacks_facts = lacked;
	}
}

static void on_alter_schema(struct walk *w, Node *n)
{
	AlterObjectSchemaStmt *a = (AlterObjectSchemaStmt *)n;
	if (!a->relation) {
		need_object(w, VERB_ALTER, CLASS_DDL, a->object);
		return;
	}
	need_table(w, a->relation, VERB_ALTER, CLASS_DDL);
	needs_add(w->needs, &(struct need){.kind = NEED_RELATION,
					   .verb = VERB_CREATE,
					   .class = CLASS_DDL,
					   .schema = a->newschema,
					   .name = a->relation->relname});
}

static void on_alter_owner(struct walk *w, Node *n)
{
	AlterOwnerStmt *a = (AlterOwnerStmt *)n;
	if (a->relation)
		need_table(w, a->relation, VERB_ALTER, CLASS_DDL);
	else
		need_object(w, VERB_ALTER, CLASS_DDL, a->object);
}

static void on_comment(struct walk *w, Node *n)
{
	CommentStmt *c = (CommentStmt *)n;
	if (c->object && IsA(c->object, List) && is_relation_kind(c->objtype))
		need_listed(w, VERB_COMMENT, (List *)c->object, c->objtype == OBJECT_COLUMN);
	else
		need_object(w, VERB_COMMENT, CLASS_DDL, c->object);
}

static void on_grant(struct walk *w, Node *n)
{
	GrantStmt *g = (GrantStmt *)n;
	ListCell *cell;
	foreach (cell, g->objects) {
		Node *o = lfirst(cell);
		if (IsA(o, RangeVar))
			need_table(w, (RangeVar *)o, VERB_GRANT, CLASS_DCL);
		else
			need_object(w, VERB_GRANT, CLASS_DCL, o);
	}
	if (g->objects == NIL)
		need_object(w, VERB_GRANT, CLASS_DCL, NULL);
}

static void on_vacuum(struct walk *w, Node *n)
{
	VacuumStmt *v = (VacuumStmt *)n;
	ListCell *cell;
	foreach (cell, v->rels) {
		VacuumRelation *r = lfirst(cell);
		if (r->relation)
			need_table(w, r->relation, VERB_MAINTAIN, CLASS_ADMIN);
	}
	if (v->rels == NIL)
		need_object(w, VERB_MAINTAIN, CLASS_ADMIN, NULL);
	w->stmt->tag = v->is_vacuumcmd ? "VACUUM" : "ANALYZE";
}

static void on_cluster(struct walk *w, Node *n)
{
	ClusterStmt *c = (ClusterStmt *)n;
	if (c->relation)
		need_table(w, c->relation, VERB_MAINTAIN, CLASS_ADMIN);
	else
		need_object(w, VERB_MAINTAIN, CLASS_ADMIN, NULL);
}

static void on_reindex(struct walk *w, Node *n)
{
	ReindexStmt *r = (ReindexStmt *)n;
	if (r->relation)
		need_table(w, r->relation, VERB_REINDEX, CLASS_DDL);
	else
		need_named_object(w, VERB_REINDEX, CLASS_DDL, r->name);
}

/* CREATE TABLE AS and CREATE MATERIALIZED VIEW run their query. */
static void on_create_as(struct walk *w, Node *n)
{
	CreateTableAsStmt *c = (CreateTableAsStmt *)n;
	if (IsA(c->query, ExecuteStmt))
		needs_opaque(w->needs, "CREATE TABLE AS EXECUTE: a prepared statement's rows into a table");
	else
		query(w, NULL, c->query);
	need_into(w, c->into, c->objtype == OBJECT_MATVIEW);
}

static void on_view(struct walk *w, Node *n)
{
	ViewStmt *v = (ViewStmt *)n;
	need_table(w, v->view, VERB_CREATE, CLASS_DDL);
	query(w, NULL, v->query);
}

/* Expressions in definitions may run at once: over the rows of the table that they are for. */
static void definition_exprs(struct walk *w, const RangeVar *of, const List *elements)
{
	struct scope s = {.up = NULL};
	ListCell *cell, *c;
	read_target(w, &s, of, false);
	foreach (cell, elements) {
		Node *e = lfirst(cell);
		if (IsA(e, AlterTableCmd))
			e = ((AlterTableCmd *)e)->def;
		if (e && IsA(e, Constraint))
			expr(w, &s, ((Constraint *)e)->raw_expr);
		if (!e || !IsA(e, ColumnDef))
			continue;
		expr(w, &s, ((ColumnDef *)e)->raw_default);
		foreach (c, ((ColumnDef *)e)->constraints)
			expr(w, &s, ((Constraint *)lfirst(c))->raw_expr);
	}
}

static void on_alter_table(struct walk *w, Node *n)
{
	AlterTableStmt *a = (AlterTableStmt *)n;
	need_table(w, a->relation, VERB_ALTER, CLASS_DDL);
	definition_exprs(w, a->relation, a->cmds);
}

static void on_create(struct walk *w, Node *n)
{
	CreateStmt *c = (CreateStmt *)n;
	ListCell *cell;
	need_table(w, c->relation, VERB_CREATE, CLASS_DDL);
	foreach (cell, c->inhRelations)
		need_table(w, lfirst(cell), VERB_ALTER, CLASS_DDL);
	foreach (cell, c->tableElts)
		if (IsA(lfirst(cell), TableLikeClause))
			need_table(w, ((TableLikeClause *)lfirst(cell))->relation, VERB_SELECT, CLASS_READ);
}

static void on_index(struct walk *w, Node *n)
{
	IndexStmt *i = (IndexStmt *)n;
	struct scope s = {.up = NULL};
	ListCell *cell;
	need_table(w, i->relation, VERB_CREATE, CLASS_DDL);
	read_target(w, &s, i->relation, false);
	foreach (cell, i->indexParams)
		expr(w, &s, ((IndexElem *)lfirst(cell))->expr);
	expr(w, &s, i->whereClause);
	w->needs->is_untransactional |= i->concurrent;
}

static void on_schema(struct walk *w, Node *n)
{
	CreateSchemaStmt *c = (CreateSchemaStmt *)n;
	ListCell *cell;
	need_named_object(w, VERB_CREATE, CLASS_DDL, c->schemaname);
	foreach (cell, c->schemaElts)
		if (enter(w, 4)) {
			statement(w, lfirst(cell));
			leave(w, 4);
		}
	w->stmt->tag = "CREATE SCHEMA";
}

static void on_constraints(struct walk *w, Node *n)
{
	needs_plain(w->needs, VERB_TRANSACTION, CLASS_TRANSACTION, true);
}

/* Where the name of the object stands in the node. */
enum name_at { AT_NONE, AT_RELATION, AT_LIST, AT_STRING, AT_NODE, BY_FUNCTION };

struct ddl {
	enum verb verb;
	enum op_class class;
	const char *tag;
	enum name_at at;
	size_t offset;
	void (*read)(struct walk *w, Node *n);
	bool is_untransactional; /* cannot be rolled back, or acts outside */
};

#define NAME(how, type, member) .at = how, .offset = offsetof(type, member)
#define READ(function) .at = BY_FUNCTION, .read = function
#define OUTSIDE .is_untransactional = true

static const struct ddl table[] = {
	[T_CreateStmt] = {VERB_CREATE, CLASS_DDL, "CREATE TABLE", READ(on_create)},
	[T_CreateForeignTableStmt] = {VERB_CREATE, CLASS_DDL, "CREATE FOREIGN TABLE", READ(on_create)},
	[T_CreateTableAsStmt] = {VERB_CREATE, CLASS_DDL, "CREATE TABLE AS", READ(on_create_as)},
	[T_ViewStmt] = {VERB_CREATE, CLASS_DDL, "CREATE VIEW", READ(on_view)},
	[T_IndexStmt] = {VERB_CREATE, CLASS_DDL, "CREATE INDEX", READ(on_index)},
	[T_CreateSeqStmt] = {VERB_CREATE, CLASS_DDL, "CREATE SEQUENCE", NAME(AT_RELATION, CreateSeqStmt, sequence)},
	[T_AlterSeqStmt] = {VERB_ALTER, CLASS_DDL, "ALTER SEQUENCE", NAME(AT_RELATION, AlterSeqStmt, sequence)},
	[T_AlterTableStmt] = {VERB_ALTER, CLASS_DDL, "ALTER TABLE", READ(on_alter_table)},
	[T_DropStmt] = {VERB_DROP, CLASS_DDL, "DROP", READ(on_drop)},
	[T_RenameStmt] = {VERB_ALTER, CLASS_DDL, "ALTER", READ(on_rename)},
	[T_AlterObjectSchemaStmt] = {VERB_ALTER, CLASS_DDL, "ALTER", READ(on_alter_schema)},
	[T_AlterObjectDependsStmt] = {VERB_ALTER, CLASS_DDL, "ALTER", NAME(AT_NODE, AlterObjectDependsStmt, object)},
	[T_AlterOwnerStmt] = {VERB_ALTER, CLASS_DDL, "ALTER", READ(on_alter_owner)},
	[T_AlterOperatorStmt] = {VERB_ALTER, CLASS_DDL, "ALTER OPERATOR", NAME(AT_NODE, AlterOperatorStmt, opername)},
	[T_AlterTypeStmt] = {VERB_ALTER, CLASS_DDL, "ALTER TYPE", NAME(AT_LIST, AlterTypeStmt, typeName)},
	[T_CommentStmt] = {VERB_COMMENT, CLASS_DDL, "COMMENT", READ(on_comment)},
	[T_SecLabelStmt] = {VERB_COMMENT, CLASS_DDL, "SECURITY LABEL", NAME(AT_NODE, SecLabelStmt, object)},
	[T_CreateTrigStmt] = {VERB_CREATE, CLASS_DDL, "CREATE TRIGGER", NAME(AT_RELATION, CreateTrigStmt, relation)},
	[T_RuleStmt] = {VERB_CREATE, CLASS_DDL, "CREATE RULE", NAME(AT_RELATION, RuleStmt, relation)},
	[T_CreatePolicyStmt] = {VERB_CREATE, CLASS_DDL, "CREATE POLICY", NAME(AT_RELATION, CreatePolicyStmt, table)},
	[T_AlterPolicyStmt] = {VERB_ALTER, CLASS_DDL, "ALTER POLICY", NAME(AT_RELATION, AlterPolicyStmt, table)},
	[T_CreateStatsStmt] = {VERB_CREATE, CLASS_DDL, "CREATE STATISTICS", NAME(AT_LIST, CreateStatsStmt, defnames)},
	[T_AlterStatsStmt] = {VERB_ALTER, CLASS_DDL, "ALTER STATISTICS", NAME(AT_LIST, AlterStatsStmt, defnames)},
	[T_RefreshMatViewStmt] = {VERB_REFRESH, CLASS_DDL, "REFRESH MATERIALIZED VIEW", NAME(AT_RELATION, RefreshMatViewStmt, relation)},
	[T_ReindexStmt] = {VERB_REINDEX, CLASS_DDL, "REINDEX", READ(on_reindex), OUTSIDE},
	[T_CreateFunctionStmt] = {VERB_CREATE, CLASS_DDL, "CREATE FUNCTION", NAME(AT_LIST, CreateFunctionStmt, funcname)},
	[T_AlterFunctionStmt] = {VERB_ALTER, CLASS_DDL, "ALTER FUNCTION", NAME(AT_NODE, AlterFunctionStmt, func)},
	[T_DefineStmt] = {VERB_CREATE, CLASS_DDL, "CREATE", NAME(AT_LIST, DefineStmt, defnames)},
	[T_CompositeTypeStmt] = {VERB_CREATE, CLASS_DDL, "CREATE TYPE", NAME(AT_RELATION, CompositeTypeStmt, typevar)},
	[T_CreateEnumStmt] = {VERB_CREATE, CLASS_DDL, "CREATE TYPE", NAME(AT_LIST, CreateEnumStmt, typeName)},
	[T_CreateRangeStmt] = {VERB_CREATE, CLASS_DDL, "CREATE TYPE", NAME(AT_LIST, CreateRangeStmt, typeName)},
	[T_AlterEnumStmt] = {VERB_ALTER, CLASS_DDL, "ALTER TYPE", NAME(AT_LIST, AlterEnumStmt, typeName)},
	[T_CreateDomainStmt] = {VERB_CREATE, CLASS_DDL, "CREATE DOMAIN", NAME(AT_LIST, CreateDomainStmt, domainname)},
	[T_AlterDomainStmt] = {VERB_ALTER, CLASS_DDL, "ALTER DOMAIN", NAME(AT_LIST, AlterDomainStmt, typeName)},
	[T_CreateCastStmt] = {VERB_CREATE, CLASS_DDL, "CREATE CAST", NAME(AT_NODE, CreateCastStmt, targettype)},
	[T_CreateConversionStmt] = {VERB_CREATE, CLASS_DDL, "CREATE CONVERSION", NAME(AT_LIST, CreateConversionStmt, conversion_name)},
	[T_CreateOpClassStmt] = {VERB_CREATE, CLASS_DDL, "CREATE OPERATOR CLASS", NAME(AT_LIST, CreateOpClassStmt, opclassname)},
	[T_CreateOpFamilyStmt] = {VERB_CREATE, CLASS_DDL, "CREATE OPERATOR FAMILY", NAME(AT_LIST, CreateOpFamilyStmt, opfamilyname)},
	[T_AlterOpFamilyStmt] = {VERB_ALTER, CLASS_DDL, "ALTER OPERATOR FAMILY", NAME(AT_LIST, AlterOpFamilyStmt, opfamilyname)},
	[T_AlterCollationStmt] = {VERB_ALTER, CLASS_DDL, "ALTER COLLATION", NAME(AT_LIST, AlterCollationStmt, collname)},
	[T_AlterTSDictionaryStmt] = {VERB_ALTER, CLASS_DDL, "ALTER TEXT SEARCH DICTIONARY", NAME(AT_LIST, AlterTSDictionaryStmt, dictname)},
	[T_AlterTSConfigurationStmt] = {VERB_ALTER, CLASS_DDL, "ALTER TEXT SEARCH CONFIGURATION", NAME(AT_LIST, AlterTSConfigurationStmt, cfgname)},
	[T_CreateSchemaStmt] = {VERB_CREATE, CLASS_DDL, "CREATE SCHEMA", READ(on_schema)},
	[T_CreateExtensionStmt] = {VERB_CREATE, CLASS_DDL, "CREATE EXTENSION", NAME(AT_STRING, CreateExtensionStmt, extname)},
	[T_AlterExtensionStmt] = {VERB_ALTER, CLASS_DDL, "ALTER EXTENSION", NAME(AT_STRING, AlterExtensionStmt, extname)},
	[T_AlterExtensionContentsStmt] = {VERB_ALTER, CLASS_DDL, "ALTER EXTENSION", NAME(AT_STRING, AlterExtensionContentsStmt, extname)},
	[T_CreateEventTrigStmt] = {VERB_CREATE, CLASS_DDL, "CREATE EVENT TRIGGER", NAME(AT_STRING, CreateEventTrigStmt, trigname)},
	[T_AlterEventTrigStmt] = {VERB_ALTER, CLASS_DDL, "ALTER EVENT TRIGGER", NAME(AT_STRING, AlterEventTrigStmt, trigname)},
	[T_CreatePublicationStmt] = {VERB_CREATE, CLASS_DDL, "CREATE PUBLICATION", NAME(AT_STRING, CreatePublicationStmt, pubname)},
	[T_AlterPublicationStmt] = {VERB_ALTER, CLASS_DDL, "ALTER PUBLICATION", NAME(AT_STRING, AlterPublicationStmt, pubname)},
	[T_CreatePLangStmt] = {VERB_CREATE, CLASS_DDL, "CREATE LANGUAGE", NAME(AT_STRING, CreatePLangStmt, plname)},
	[T_CreateTransformStmt] = {VERB_CREATE, CLASS_DDL, "CREATE TRANSFORM", NAME(AT_NODE, CreateTransformStmt, type_name)},
	[T_CreateAmStmt] = {VERB_CREATE, CLASS_DDL, "CREATE ACCESS METHOD", NAME(AT_STRING, CreateAmStmt, amname)},
	[T_ConstraintsSetStmt] = {VERB_TRANSACTION, CLASS_TRANSACTION, "SET CONSTRAINTS", READ(on_constraints)},

	[T_GrantStmt] = {VERB_GRANT, CLASS_DCL, "GRANT", READ(on_grant)},
	[T_GrantRoleStmt] = {VERB_GRANT, CLASS_DCL, "GRANT ROLE", AT_NONE},
	[T_AlterDefaultPrivilegesStmt] = {VERB_GRANT, CLASS_DCL, "ALTER DEFAULT PRIVILEGES", AT_NONE},
	[T_CreateRoleStmt] = {VERB_CREATE, CLASS_DCL, "CREATE ROLE", NAME(AT_STRING, CreateRoleStmt, role)},
	[T_AlterRoleStmt] = {VERB_ALTER, CLASS_DCL, "ALTER ROLE", AT_NONE},
	[T_AlterRoleSetStmt] = {VERB_ALTER, CLASS_DCL, "ALTER ROLE", AT_NONE},
	[T_DropRoleStmt] = {VERB_DROP, CLASS_DCL, "DROP ROLE", AT_NONE},
	[T_DropOwnedStmt] = {VERB_DROP, CLASS_DCL, "DROP OWNED", AT_NONE},
	[T_ReassignOwnedStmt] = {VERB_ALTER, CLASS_DCL, "REASSIGN OWNED", AT_NONE},

	[T_VacuumStmt] = {VERB_MAINTAIN, CLASS_ADMIN, "VACUUM", READ(on_vacuum), OUTSIDE},
	[T_ClusterStmt] = {VERB_MAINTAIN, CLASS_ADMIN, "CLUSTER", READ(on_cluster), OUTSIDE},
	[T_CheckPointStmt] = {VERB_MAINTAIN, CLASS_ADMIN, "CHECKPOINT", AT_NONE, OUTSIDE},
	[T_LoadStmt] = {VERB_ADMIN, CLASS_ADMIN, "LOAD", NAME(AT_STRING, LoadStmt, filename), OUTSIDE},
	[T_AlterSystemStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER SYSTEM", AT_NONE, OUTSIDE},
	[T_CreatedbStmt] = {VERB_ADMIN, CLASS_ADMIN, "CREATE DATABASE", NAME(AT_STRING, CreatedbStmt, dbname), OUTSIDE},
	[T_DropdbStmt] = {VERB_ADMIN, CLASS_ADMIN, "DROP DATABASE", NAME(AT_STRING, DropdbStmt, dbname), OUTSIDE},
	[T_AlterDatabaseStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER DATABASE", NAME(AT_STRING, AlterDatabaseStmt, dbname), OUTSIDE},
	[T_AlterDatabaseRefreshCollStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER DATABASE", NAME(AT_STRING, AlterDatabaseRefreshCollStmt, dbname)},
	[T_AlterDatabaseSetStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER DATABASE", NAME(AT_STRING, AlterDatabaseSetStmt, dbname)},
	[T_CreateTableSpaceStmt] = {VERB_ADMIN, CLASS_ADMIN, "CREATE TABLESPACE", NAME(AT_STRING, CreateTableSpaceStmt, tablespacename), OUTSIDE},
	[T_DropTableSpaceStmt] = {VERB_ADMIN, CLASS_ADMIN, "DROP TABLESPACE", NAME(AT_STRING, DropTableSpaceStmt, tablespacename), OUTSIDE},
	[T_AlterTableSpaceOptionsStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER TABLESPACE", NAME(AT_STRING, AlterTableSpaceOptionsStmt, tablespacename)},
	[T_AlterTableMoveAllStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER TABLE ALL IN TABLESPACE", NAME(AT_STRING, AlterTableMoveAllStmt, orig_tablespacename)},
	[T_CreateFdwStmt] = {VERB_ADMIN, CLASS_ADMIN, "CREATE FOREIGN DATA WRAPPER", NAME(AT_STRING, CreateFdwStmt, fdwname)},
	[T_AlterFdwStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER FOREIGN DATA WRAPPER", NAME(AT_STRING, AlterFdwStmt, fdwname)},
	[T_CreateForeignServerStmt] = {VERB_ADMIN, CLASS_ADMIN, "CREATE SERVER", NAME(AT_STRING, CreateForeignServerStmt, servername)},
	[T_AlterForeignServerStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER SERVER", NAME(AT_STRING, AlterForeignServerStmt, servername)},
	[T_CreateUserMappingStmt] = {VERB_ADMIN, CLASS_ADMIN, "CREATE USER MAPPING", NAME(AT_STRING, CreateUserMappingStmt, servername)},
	[T_AlterUserMappingStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER USER MAPPING", NAME(AT_STRING, AlterUserMappingStmt, servername)},
	[T_DropUserMappingStmt] = {VERB_ADMIN, CLASS_ADMIN, "DROP USER MAPPING", NAME(AT_STRING, DropUserMappingStmt, servername)},
	[T_ImportForeignSchemaStmt] = {VERB_ADMIN, CLASS_ADMIN, "IMPORT FOREIGN SCHEMA", NAME(AT_STRING, ImportForeignSchemaStmt, server_name), OUTSIDE},
	[T_CreateSubscriptionStmt] = {VERB_ADMIN, CLASS_ADMIN, "CREATE SUBSCRIPTION", NAME(AT_STRING, CreateSubscriptionStmt, subname), OUTSIDE},
	[T_AlterSubscriptionStmt] = {VERB_ADMIN, CLASS_ADMIN, "ALTER SUBSCRIPTION", NAME(AT_STRING, AlterSubscriptionStmt, subname), OUTSIDE},
	[T_DropSubscriptionStmt] = {VERB_ADMIN, CLASS_ADMIN, "DROP SUBSCRIPTION", NAME(AT_STRING, DropSubscriptionStmt, subname), OUTSIDE},
};

static void read_name(struct walk *w, Node *n, const struct ddl *d)
{
	void *at = *(void **)((char *)n + d->offset);
	switch (d->at) {
	case AT_RELATION:
		if (at)
			need_table(w, at, d->verb, d->class);
		else
			need_object(w, d->verb, d->class, NULL);
		break;
	case AT_STRING:
		need_named_object(w, d->verb, d->class, at);
		break;
	case AT_LIST:
	case AT_NODE:
		need_object(w, d->verb, d->class, at);
		break;
	case BY_FUNCTION:
		d->read(w, n);
		break;
	default:
		need_object(w, d->verb, d->class, NULL);
	}
}

void on_ddl(struct walk *w, Node *n)
{
	unsigned tag = (unsigned)nodeTag(n);
	const struct ddl *d = tag < ARRAY_LEN(table) ? &table[tag] : NULL;
	if (!d || !d->tag) {
		needs_opaque(w->needs, "a kind of statement that is not known");
		w->stmt->tag = "unknown";
		w->stmt->class = CLASS_OPAQUE;
		return;
	}
	w->stmt->tag = d->tag;
	read_name(w, n, d);
	w->stmt->class = d->class;
	w->needs->is_write |= d->class != CLASS_TRANSACTION;
	w->needs->is_untransactional |= d->is_untransactional;
}
