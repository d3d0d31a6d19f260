/* Definition, rights and administration, by a table over node kinds: which verb, and where in the
 * node the name of its object stands. */
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
	needs_add(
	    w->needs,
	    &(struct need){
		.kind = NEED_OBJECT, .verb = v, .class = class, .schema = schema, .name = own});
}

static void need_named_object(struct walk *w, enum verb v, enum op_class class, const char *name)
{
	needs_add(w->needs,
		  &(struct need){.kind = NEED_OBJECT, .verb = v, .class = class, .name = name});
}

static bool is_relation_kind(ObjectType t)
{
	return t == OBJECT_TABLE || t == OBJECT_VIEW || t == OBJECT_MATVIEW ||
	       t == OBJECT_SEQUENCE || t == OBJECT_INDEX || t == OBJECT_FOREIGN_TABLE ||
	       t == OBJECT_COLUMN;
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
	bool is_temp;
	if (!r->relation) {
		need_object(w, VERB_ALTER, CLASS_DDL, r->object);
		return;
	}
	const struct cat_relation *old = need_relation(
	    w, r->relation, (struct need){.verb = VERB_ALTER, .class = CLASS_DDL}, &is_temp);
	if (r->renameType == OBJECT_COLUMN || !is_relation_kind(r->renameType))
		return;
	RangeVar name = *r->relation;
	name.relname = r->newname;
	if (old)
		name.schemaname = (char *)(uintptr_t)old->schema->name;
	need_new_relation(w, &name);
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
};

/* A row: the node, where its object's name stands, verb, class, tag. */
#define ROW(node, verb_, class_, tag_, how, offset_, read_)                                        \
	[T_##node] = {.verb = VERB_##verb_,                                                        \
		      .class = CLASS_##class_,                                                     \
		      .tag = tag_,                                                                 \
		      .at = how,                                                                   \
		      .offset = offset_,                                                           \
		      .read = read_}
#define NAMED(node, how, member, verb, class, tag)                                                 \
	ROW(node, verb, class, tag, how, offsetof(node, member), NULL)
#define READ(node, function, verb, class, tag) ROW(node, verb, class, tag, BY_FUNCTION, 0, function)
#define WHOLE(node, verb, class, tag)	       ROW(node, verb, class, tag, AT_NONE, 0, NULL)

static const struct ddl table[] = {
    READ(CreateStmt, on_create, CREATE, DDL, "CREATE TABLE"),
    READ(CreateForeignTableStmt, on_create, CREATE, DDL, "CREATE FOREIGN TABLE"),
    READ(CreateTableAsStmt, on_create_as, CREATE, DDL, "CREATE TABLE AS"),
    READ(ViewStmt, on_view, CREATE, DDL, "CREATE VIEW"),
    READ(IndexStmt, on_index, CREATE, DDL, "CREATE INDEX"),
    READ(CreateSeqStmt, on_sequence, CREATE, DDL, "CREATE SEQUENCE"),
    NAMED(AlterSeqStmt, AT_RELATION, sequence, ALTER, DDL, "ALTER SEQUENCE"),
    READ(AlterTableStmt, on_alter_table, ALTER, DDL, "ALTER TABLE"),
    READ(DropStmt, on_drop, DROP, DDL, "DROP"),
    READ(RenameStmt, on_rename, ALTER, DDL, "ALTER"),
    READ(AlterObjectSchemaStmt, on_alter_schema, ALTER, DDL, "ALTER"),
    NAMED(AlterObjectDependsStmt, AT_NODE, object, ALTER, DDL, "ALTER"),
    READ(AlterOwnerStmt, on_alter_owner, ALTER, DDL, "ALTER"),
    NAMED(AlterOperatorStmt, AT_NODE, opername, ALTER, DDL, "ALTER OPERATOR"),
    NAMED(AlterTypeStmt, AT_LIST, typeName, ALTER, DDL, "ALTER TYPE"),
    READ(CommentStmt, on_comment, COMMENT, DDL, "COMMENT"),
    NAMED(SecLabelStmt, AT_NODE, object, COMMENT, DDL, "SECURITY LABEL"),
    READ(CreateTrigStmt, on_trigger, CREATE, DDL, "CREATE TRIGGER"),
    READ(RuleStmt, on_rule, CREATE, DDL, "CREATE RULE"),
    READ(CreatePolicyStmt, on_policy, CREATE, DDL, "CREATE POLICY"),
    READ(AlterPolicyStmt, on_policy, ALTER, DDL, "ALTER POLICY"),
    NAMED(CreateStatsStmt, AT_LIST, defnames, CREATE, DDL, "CREATE STATISTICS"),
    NAMED(AlterStatsStmt, AT_LIST, defnames, ALTER, DDL, "ALTER STATISTICS"),
    NAMED(RefreshMatViewStmt, AT_RELATION, relation, REFRESH, DDL, "REFRESH MATERIALIZED VIEW"),
    READ(ReindexStmt, on_reindex, REINDEX, DDL, "REINDEX"),
    NAMED(CreateFunctionStmt, AT_LIST, funcname, CREATE, DDL, "CREATE FUNCTION"),
    NAMED(AlterFunctionStmt, AT_NODE, func, ALTER, DDL, "ALTER FUNCTION"),
    NAMED(DefineStmt, AT_LIST, defnames, CREATE, DDL, "CREATE"),
    READ(CompositeTypeStmt, on_composite, CREATE, DDL, "CREATE TYPE"),
    NAMED(CreateEnumStmt, AT_LIST, typeName, CREATE, DDL, "CREATE TYPE"),
    NAMED(CreateRangeStmt, AT_LIST, typeName, CREATE, DDL, "CREATE TYPE"),
    NAMED(AlterEnumStmt, AT_LIST, typeName, ALTER, DDL, "ALTER TYPE"),
    READ(CreateDomainStmt, on_domain, CREATE, DDL, "CREATE DOMAIN"),
    NAMED(AlterDomainStmt, AT_LIST, typeName, ALTER, DDL, "ALTER DOMAIN"),
    NAMED(CreateCastStmt, AT_NODE, targettype, CREATE, DDL, "CREATE CAST"),
    NAMED(CreateConversionStmt, AT_LIST, conversion_name, CREATE, DDL, "CREATE CONVERSION"),
    NAMED(CreateOpClassStmt, AT_LIST, opclassname, CREATE, DDL, "CREATE OPERATOR CLASS"),
    NAMED(CreateOpFamilyStmt, AT_LIST, opfamilyname, CREATE, DDL, "CREATE OPERATOR FAMILY"),
    NAMED(AlterOpFamilyStmt, AT_LIST, opfamilyname, ALTER, DDL, "ALTER OPERATOR FAMILY"),
    NAMED(AlterCollationStmt, AT_LIST, collname, ALTER, DDL, "ALTER COLLATION"),
    NAMED(AlterTSDictionaryStmt, AT_LIST, dictname, ALTER, DDL, "ALTER TEXT SEARCH DICTIONARY"),
    NAMED(AlterTSConfigurationStmt, AT_LIST, cfgname, ALTER, DDL,
	  "ALTER TEXT SEARCH CONFIGURATION"),
    READ(CreateSchemaStmt, on_schema, CREATE, DDL, "CREATE SCHEMA"),
    NAMED(CreateExtensionStmt, AT_STRING, extname, CREATE, DDL, "CREATE EXTENSION"),
    NAMED(AlterExtensionStmt, AT_STRING, extname, ALTER, DDL, "ALTER EXTENSION"),
    NAMED(AlterExtensionContentsStmt, AT_STRING, extname, ALTER, DDL, "ALTER EXTENSION"),
    NAMED(CreateEventTrigStmt, AT_STRING, trigname, CREATE, DDL, "CREATE EVENT TRIGGER"),
    NAMED(AlterEventTrigStmt, AT_STRING, trigname, ALTER, DDL, "ALTER EVENT TRIGGER"),
    NAMED(CreatePublicationStmt, AT_STRING, pubname, CREATE, DDL, "CREATE PUBLICATION"),
    NAMED(AlterPublicationStmt, AT_STRING, pubname, ALTER, DDL, "ALTER PUBLICATION"),
    NAMED(CreatePLangStmt, AT_STRING, plname, CREATE, DDL, "CREATE LANGUAGE"),
    NAMED(CreateTransformStmt, AT_NODE, type_name, CREATE, DDL, "CREATE TRANSFORM"),
    NAMED(CreateAmStmt, AT_STRING, amname, CREATE, DDL, "CREATE ACCESS METHOD"),
    READ(ConstraintsSetStmt, on_constraints, TRANSACTION, TRANSACTION, "SET CONSTRAINTS"),

    READ(GrantStmt, on_grant, GRANT, DCL, "GRANT"),
    WHOLE(GrantRoleStmt, GRANT, DCL, "GRANT ROLE"),
    WHOLE(AlterDefaultPrivilegesStmt, GRANT, DCL, "ALTER DEFAULT PRIVILEGES"),
    NAMED(CreateRoleStmt, AT_STRING, role, CREATE, DCL, "CREATE ROLE"),
    WHOLE(AlterRoleStmt, ALTER, DCL, "ALTER ROLE"),
    WHOLE(AlterRoleSetStmt, ALTER, DCL, "ALTER ROLE"),
    WHOLE(DropRoleStmt, DROP, DCL, "DROP ROLE"),
    WHOLE(DropOwnedStmt, DROP, DCL, "DROP OWNED"),
    WHOLE(ReassignOwnedStmt, ALTER, DCL, "REASSIGN OWNED"),

    READ(VacuumStmt, on_vacuum, MAINTAIN, ADMIN, "VACUUM"),
    READ(ClusterStmt, on_cluster, MAINTAIN, ADMIN, "CLUSTER"),
    WHOLE(CheckPointStmt, MAINTAIN, ADMIN, "CHECKPOINT"),
    NAMED(LoadStmt, AT_STRING, filename, ADMIN, ADMIN, "LOAD"),
    WHOLE(AlterSystemStmt, ADMIN, ADMIN, "ALTER SYSTEM"),
    NAMED(CreatedbStmt, AT_STRING, dbname, ADMIN, ADMIN, "CREATE DATABASE"),
    NAMED(DropdbStmt, AT_STRING, dbname, ADMIN, ADMIN, "DROP DATABASE"),
    NAMED(AlterDatabaseStmt, AT_STRING, dbname, ADMIN, ADMIN, "ALTER DATABASE"),
    NAMED(AlterDatabaseRefreshCollStmt, AT_STRING, dbname, ADMIN, ADMIN, "ALTER DATABASE"),
    NAMED(AlterDatabaseSetStmt, AT_STRING, dbname, ADMIN, ADMIN, "ALTER DATABASE"),
    NAMED(CreateTableSpaceStmt, AT_STRING, tablespacename, ADMIN, ADMIN, "CREATE TABLESPACE"),
    NAMED(DropTableSpaceStmt, AT_STRING, tablespacename, ADMIN, ADMIN, "DROP TABLESPACE"),
    NAMED(AlterTableSpaceOptionsStmt, AT_STRING, tablespacename, ADMIN, ADMIN, "ALTER TABLESPACE"),
    NAMED(AlterTableMoveAllStmt, AT_STRING, orig_tablespacename, ADMIN, ADMIN,
	  "ALTER TABLE ALL IN TABLESPACE"),
    NAMED(CreateFdwStmt, AT_STRING, fdwname, ADMIN, ADMIN, "CREATE FOREIGN DATA WRAPPER"),
    NAMED(AlterFdwStmt, AT_STRING, fdwname, ADMIN, ADMIN, "ALTER FOREIGN DATA WRAPPER"),
    NAMED(CreateForeignServerStmt, AT_STRING, servername, ADMIN, ADMIN, "CREATE SERVER"),
    NAMED(AlterForeignServerStmt, AT_STRING, servername, ADMIN, ADMIN, "ALTER SERVER"),
    NAMED(CreateUserMappingStmt, AT_STRING, servername, ADMIN, ADMIN, "CREATE USER MAPPING"),
    NAMED(AlterUserMappingStmt, AT_STRING, servername, ADMIN, ADMIN, "ALTER USER MAPPING"),
    NAMED(DropUserMappingStmt, AT_STRING, servername, ADMIN, ADMIN, "DROP USER MAPPING"),
    NAMED(ImportForeignSchemaStmt, AT_STRING, server_name, ADMIN, ADMIN, "IMPORT FOREIGN SCHEMA"),
    NAMED(CreateSubscriptionStmt, AT_STRING, subname, ADMIN, ADMIN, "CREATE SUBSCRIPTION"),
    NAMED(AlterSubscriptionStmt, AT_STRING, subname, ADMIN, ADMIN, "ALTER SUBSCRIPTION"),
    NAMED(DropSubscriptionStmt, AT_STRING, subname, ADMIN, ADMIN, "DROP SUBSCRIPTION"),
};

/* Cannot be rolled back, or act outside at once. */
static const NodeTag outside[] = {
    T_ReindexStmt,
    T_VacuumStmt,
    T_ClusterStmt,
    T_CheckPointStmt,
    T_LoadStmt,
    T_AlterSystemStmt,
    T_CreatedbStmt,
    T_DropdbStmt,
    T_AlterDatabaseStmt,
    T_CreateTableSpaceStmt,
    T_DropTableSpaceStmt,
    T_ImportForeignSchemaStmt,
    T_CreateSubscriptionStmt,
    T_AlterSubscriptionStmt,
    T_DropSubscriptionStmt,
};

static bool acts_outside(NodeTag tag)
{
	for (size_t i = 0; i < ARRAY_LEN(outside); i++)
		if (outside[i] == tag)
			return true;
	return false;
}

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
	w->needs->is_untransactional |= acts_outside(nodeTag(n));
}
