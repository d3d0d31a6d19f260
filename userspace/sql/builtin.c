#include "sql/builtin.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "sql/builtin_tables.h"

static int compare(const void *key, const void *member)
{
	return strcmp(key, *(const char *const *)member);
}

static bool is_in(const char *const *list, int n, const char *name)
{
	return bsearch(name, list, (size_t)n, sizeof(*list), compare) != NULL;
}

/* Helpers of information_schema that pgjdbc and others call by name; all immutable and qualified.
 */
static const char *const schema_helpers[] = {
    "_pg_char_max_length",    "_pg_char_octet_length",
    "_pg_datetime_precision", "_pg_expandarray",
    "_pg_index_position",     "_pg_interval_type",
    "_pg_numeric_precision",  "_pg_numeric_precision_radix",
    "_pg_numeric_scale",      "_pg_truetypid",
    "_pg_truetypmod",
};

bool builtin_is_read_function(const char *schema, const char *name)
{
	if (!strcmp(schema, "information_schema"))
		return is_in(schema_helpers, ARRAY_LEN(schema_helpers), name);
	return !strcmp(schema, "pg_catalog") &&
	       (is_in(builtin_reads, builtin_n_reads, name) ||
		is_in(builtin_newer_reads, builtin_n_newer_reads, name));
}

const char *builtin_why_not(const char *name)
{
	for (int i = 0; i < builtin_n_groups; i++)
		if (is_in(builtin_groups[i].names, builtin_groups[i].n, name))
			return builtin_groups[i].why;
	return NULL;
}

/* Left out on purpose: pg_authid, pg_shadow (passwords), pg_user_mapping(s), pg_foreign_* and
 * pg_subscription (options hold credentials), pg_statistic, pg_statistic_ext_data, pg_stats*
 * (values of other relations), pg_stat_* and pg_locks (other sessions), pg_file_settings,
 * pg_hba_file_rules, pg_ident_file_mappings, pg_config (server files), pg_largeobject*,
 * pg_db_role_setting, replication. pg_statistic_ext only names which statistics there are: psql's
 * \d reads it. */
static const char *const catalog_relations[] = {
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_auth_members",
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_database",
    "pg_default_acl",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_group",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_init_privs",
    "pg_language",
    "pg_matviews",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_partitioned_table",
    "pg_policies",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_publication_tables",
    "pg_range",
    "pg_rewrite",
    "pg_roles",
    "pg_rules",
    "pg_seclabel",
    "pg_seclabels",
    "pg_sequence",
    "pg_settings",
    "pg_shdepend",
    "pg_shdescription",
    "pg_shseclabel",
    "pg_statistic_ext",
    "pg_tables",
    "pg_tablespace",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_transform",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_config_map",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
    "pg_user",
    "pg_views",
};

/* Left out: the options of foreign servers, tables, columns and user mappings. */
static const char *const schema_relations[] = {
    "administrable_role_authorizations",
    "applicable_roles",
    "attributes",
    "character_sets",
    "check_constraint_routine_usage",
    "check_constraints",
    "collation_character_set_applicability",
    "collations",
    "column_column_usage",
    "column_domain_usage",
    "column_privileges",
    "column_udt_usage",
    "columns",
    "constraint_column_usage",
    "constraint_table_usage",
    "data_type_privileges",
    "domain_constraints",
    "domain_udt_usage",
    "domains",
    "element_types",
    "enabled_roles",
    "information_schema_catalog_name",
    "key_column_usage",
    "parameters",
    "referential_constraints",
    "role_column_grants",
    "role_routine_grants",
    "role_table_grants",
    "role_udt_grants",
    "role_usage_grants",
    "routine_column_usage",
    "routine_privileges",
    "routine_routine_usage",
    "routine_sequence_usage",
    "routine_table_usage",
    "routines",
    "schemata",
    "sequences",
    "sql_features",
    "sql_implementation_info",
    "sql_parts",
    "sql_sizing",
    "table_constraints",
    "table_privileges",
    "tables",
    "transforms",
    "triggered_update_columns",
    "triggers",
    "udt_privileges",
    "usage_privileges",
    "user_defined_types",
    "view_column_usage",
    "view_routine_usage",
    "view_table_usage",
    "views",
};

bool builtin_is_read_relation(const char *schema, const char *name)
{
	if (!strcmp(schema, "information_schema"))
		return is_in(schema_relations, ARRAY_LEN(schema_relations), name);
	return !strcmp(schema, "pg_catalog") &&
	       is_in(catalog_relations, ARRAY_LEN(catalog_relations), name);
}

static const struct {
	const char *name;
	enum setting_class class;
} settings[] = {
    {"application_name", SETTING_HARMLESS},
    {"array_nulls", SETTING_HARMLESS},
    {"bytea_output", SETTING_HARMLESS},
    {"client_connection_check_interval", SETTING_HARMLESS},
    {"client_encoding", SETTING_ENCODING},
    {"client_min_messages", SETTING_HARMLESS},
    {"constraint_exclusion", SETTING_HARMLESS},
    {"cursor_tuple_fraction", SETTING_HARMLESS},
    {"datestyle", SETTING_HARMLESS},
    {"default_text_search_config", SETTING_HARMLESS},
    {"default_transaction_deferrable", SETTING_HARMLESS},
    {"default_transaction_isolation", SETTING_HARMLESS},
    {"default_transaction_read_only", SETTING_NARROW},
    {"enable_async_append", SETTING_HARMLESS},
    {"enable_bitmapscan", SETTING_HARMLESS},
    {"enable_gathermerge", SETTING_HARMLESS},
    {"enable_hashagg", SETTING_HARMLESS},
    {"enable_hashjoin", SETTING_HARMLESS},
    {"enable_incremental_sort", SETTING_HARMLESS},
    {"enable_indexonlyscan", SETTING_HARMLESS},
    {"enable_indexscan", SETTING_HARMLESS},
    {"enable_material", SETTING_HARMLESS},
    {"enable_memoize", SETTING_HARMLESS},
    {"enable_mergejoin", SETTING_HARMLESS},
    {"enable_nestloop", SETTING_HARMLESS},
    {"enable_parallel_append", SETTING_HARMLESS},
    {"enable_parallel_hash", SETTING_HARMLESS},
    {"enable_partition_pruning", SETTING_HARMLESS},
    {"enable_partitionwise_aggregate", SETTING_HARMLESS},
    {"enable_partitionwise_join", SETTING_HARMLESS},
    {"enable_seqscan", SETTING_HARMLESS},
    {"enable_sort", SETTING_HARMLESS},
    {"enable_tidscan", SETTING_HARMLESS},
    {"escape_string_warning", SETTING_HARMLESS},
    {"extra_float_digits", SETTING_HARMLESS},
    {"force_parallel_mode", SETTING_HARMLESS},
    {"from_collapse_limit", SETTING_HARMLESS},
    {"geqo", SETTING_HARMLESS},
    {"gin_fuzzy_search_limit", SETTING_HARMLESS},
    {"idle_in_transaction_session_timeout", SETTING_HARMLESS},
    {"idle_session_timeout", SETTING_HARMLESS},
    {"intervalstyle", SETTING_HARMLESS},
    {"jit", SETTING_HARMLESS},
    {"join_collapse_limit", SETTING_HARMLESS},
    {"lc_monetary", SETTING_HARMLESS},
    {"lc_numeric", SETTING_HARMLESS},
    {"lc_time", SETTING_HARMLESS},
    {"lock_timeout", SETTING_HARMLESS},
    {"max_parallel_workers_per_gather", SETTING_HARMLESS},
    {"plan_cache_mode", SETTING_HARMLESS},
    {"quote_all_identifiers", SETTING_HARMLESS},
    {"random_page_cost", SETTING_HARMLESS},
    {"restrict_nonsystem_relation_kind", SETTING_HARMLESS},
    {"role", SETTING_IDENTITY},
    {"search_path", SETTING_HARMLESS},
    {"seq_page_cost", SETTING_HARMLESS},
    {"session_authorization", SETTING_IDENTITY},
    {"standard_conforming_strings", SETTING_STRINGS},
    {"statement_timeout", SETTING_HARMLESS},
    {"synchronize_seqscans", SETTING_HARMLESS},
    {"tcp_keepalives_count", SETTING_HARMLESS},
    {"tcp_keepalives_idle", SETTING_HARMLESS},
    {"tcp_keepalives_interval", SETTING_HARMLESS},
    {"tcp_user_timeout", SETTING_HARMLESS},
    {"timezone", SETTING_HARMLESS},
    {"transaction_deferrable", SETTING_HARMLESS},
    {"transaction_isolation", SETTING_HARMLESS},
    {"transaction_read_only", SETTING_NARROW},
    {"transaction_timeout", SETTING_HARMLESS},
    {"xmlbinary", SETTING_HARMLESS},
    {"xmloption", SETTING_HARMLESS},
};

enum setting_class builtin_setting(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (!strcmp(settings[i].name, name))
			return settings[i].class;
	return SETTING_OTHER;
}

struct definition {
	const char *relation, *column;
	bool is_raw;
};

/* Left out: names, comments, enum labels; and which rows a publication has: psql's \d of every table makes a UNION of
 * these. */
static const struct definition definitions[] = {
    {"attributes", "attribute_default", false},
    {"check_constraints", "check_clause", false},
    {"columns", "column_default", false},
    {"columns", "generation_expression", false},
    {"domains", "domain_default", false},
    {"parameters", "parameter_default", false},
    {"pg_attrdef", "adbin", true},
    {"pg_attribute", "attmissingval", true},
    {"pg_class", "relpartbound", true},
    {"pg_constraint", "conbin", true},
    {"pg_index", "indexprs", true},
    {"pg_index", "indpred", true},
    {"pg_indexes", "indexdef", false},
    {"pg_matviews", "definition", false},
    {"pg_partitioned_table", "partexprs", true},
    {"pg_policies", "qual", false},
    {"pg_policies", "with_check", false},
    {"pg_policy", "polqual", true},
    {"pg_policy", "polwithcheck", true},
    {"pg_proc", "proargdefaults", true},
    {"pg_proc", "prosqlbody", true},
    {"pg_proc", "prosrc", false},
    {"pg_rewrite", "ev_action", true},
    {"pg_rewrite", "ev_qual", true},
    {"pg_rules", "definition", false},
    {"pg_statistic_ext", "stxexprs", true},
    {"pg_trigger", "tgargs", true},
    {"pg_trigger", "tgqual", true},
    {"pg_type", "typdefault", true},
    {"pg_type", "typdefaultbin", true},
    {"pg_views", "definition", false},
    {"routines", "routine_definition", false},
    {"triggers", "action_condition", false},
    {"triggers", "action_statement", false},
    {"views", "view_definition", false},
};

bool builtin_is_definition(const char *relation, const char *column, bool *ret_is_raw)
{
	for (size_t i = 0; i < ARRAY_LEN(definitions); i++) {
		const struct definition *d = &definitions[i];
		*ret_is_raw = d->is_raw;
		if (!strcmp(d->relation, relation) && !strcmp(d->column, column))
			return true;
	}
	return false;
}

static const struct {
	const char *function, *relation, *column;
} defining[] = {
    {"pg_get_constraintdef", "pg_constraint", "conbin"},
    {"pg_get_expr", "pg_attrdef", "adbin"},
    {"pg_get_function_arg_default", "pg_proc", "proargdefaults"},
    {"pg_get_function_arguments", "pg_proc", "proargdefaults"},
    {"pg_get_function_sqlbody", "pg_proc", "prosqlbody"},
    {"pg_get_functiondef", "pg_proc", "prosrc"},
    {"pg_get_indexdef", "pg_index", "indexprs"},
    {"pg_get_partition_constraintdef", "pg_class", "relpartbound"},
    {"pg_get_partkeydef", "pg_partitioned_table", "partexprs"},
    {"pg_get_ruledef", "pg_rewrite", "ev_action"},
    {"pg_get_statisticsobjdef", "pg_statistic_ext", "stxexprs"},
    {"pg_get_statisticsobjdef_columns", "pg_statistic_ext", "stxexprs"},
    {"pg_get_statisticsobjdef_expressions", "pg_statistic_ext", "stxexprs"},
    {"pg_get_triggerdef", "pg_trigger", "tgqual"},
    {"pg_get_viewdef", "pg_rewrite", "ev_action"},
};

const char *builtin_defines(const char *function, const char **ret_column)
{
	for (size_t i = 0; i < ARRAY_LEN(defining); i++) {
		*ret_column = defining[i].column;
		if (!strcmp(defining[i].function, function))
			return defining[i].relation;
	}
	return NULL;
}
