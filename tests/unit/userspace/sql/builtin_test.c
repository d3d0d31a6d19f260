/* The reviewed lists against a real server's own catalogue. */
#include "sql/builtin.h"

#include "../../tap.h"
#include "db.h"
#include "sql/builtin_tables.h"

static int times_listed(const char *name)
{
	int n = 0;
	for (int i = 0; i < builtin_n_reads; i++)
		n += !strcmp(builtin_reads[i], name);
	for (int i = 0; i < builtin_n_newer_reads; i++)
		n += !strcmp(builtin_newer_reads[i], name);
	for (int g = 0; g < builtin_n_groups; g++)
		for (int i = 0; i < builtin_groups[g].n; i++)
			n += !strcmp(builtin_groups[g].names[i], name);
	return n;
}

static bool is_sorted(const char *const *names, int n)
{
	for (int i = 1; i < n; i++)
		if (strcmp(names[i - 1], names[i]) >= 0)
			return false;
	return true;
}

static void lists_are_sorted(void)
{
	CHECK(is_sorted(builtin_reads, builtin_n_reads));
	CHECK(is_sorted(builtin_newer_reads, builtin_n_newer_reads));
	for (int g = 0; g < builtin_n_groups; g++)
		CHECK(is_sorted(builtin_groups[g].names, builtin_groups[g].n));
}

static void every_function_is_in_one_list(void)
{
	PGresult *r = PQexec(
	    db_conn,
	    "SELECT DISTINCT proname, current_setting('server_version_num')::int FROM pg_proc "
	    "WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 16384");
	CHECK(PQntuples(r) > 2000);
	for (int i = 0; i < PQntuples(r); i++) {
		const char *name = PQgetvalue(r, i, 0);
		int n = times_listed(name);
		/* A newer server has functions that nobody has reviewed: they are no reads. */
		bool is_fine = n == 1 || (n == 0 && atoi(PQgetvalue(r, i, 1)) >= 160000);
		if (!is_fine)
			printf("%s is listed %d times\n", name, n);
		CHECK(is_fine);
	}
	PQclear(r);
}

/* What the server calls volatile is in the list of reads only by name and on purpose. */
static void volatile_reads_are_few(void)
{
	static const char known[] =
	    " clock_timestamp current_query currval gen_random_uuid lastval pg_advisory_unlock_all "
	    "array_shuffle array_sample random_normal "
	    "pg_collation_actual_version "
	    "pg_database_collation_actual_version pg_database_size pg_indexes_size "
	    "pg_is_in_recovery "
	    "pg_jit_available pg_notification_queue_usage pg_partition_ancestors pg_partition_tree "
	    "pg_relation_size pg_table_size pg_tablespace_size pg_total_relation_size "
	    "pg_xact_commit_timestamp "
	    "pg_xact_commit_timestamp_origin pg_xact_status random timeofday txid_status ";
	PGresult *r = PQexec(
	    db_conn, "SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v' AND oid < 16384 "
		     "AND pronamespace = 'pg_catalog'::regnamespace");
	for (int i = 0; i < PQntuples(r); i++) {
		char word[80];
		snprintf(word, sizeof(word), " %s ", PQgetvalue(r, i, 0));
		bool is_known = !builtin_is_read_function("pg_catalog", PQgetvalue(r, i, 0)) ||
				strstr(known, word);
		if (!is_known)
			printf("volatile: %s\n", word);
		CHECK(is_known);
	}
	PQclear(r);
}

static void no_read_is_callable_with_raw_text_of_a_type(void)
{
	PGresult *r = PQexec(
	    db_conn,
	    "SELECT DISTINCT proname FROM pg_proc WHERE oid < 16384 AND "
	    "pronamespace = 'pg_catalog'::regnamespace AND "
	    "('cstring'::regtype = ANY (proargtypes) OR 'internal'::regtype = ANY (proargtypes) "
	    "OR prorettype IN ('trigger'::regtype, 'event_trigger'::regtype, "
	    "'language_handler'::regtype))");
	for (int i = 0; i < PQntuples(r); i++)
		CHECK(!builtin_is_read_function("pg_catalog", PQgetvalue(r, i, 0)));
	PQclear(r);
}

static void dangerous_ones_say_why(void)
{
	static const char *const names[] = {
	    "nextval",
	    "setval",
	    "set_config",
	    "pg_read_file",
	    "pg_ls_dir",
	    "lo_import",
	    "loread",
	    "query_to_xml",
	    "table_to_xml",
	    "cursor_to_xml",
	    "ts_stat",
	    "ts_rewrite",
	    "pg_sleep",
	    "pg_advisory_lock",
	    "pg_notify",
	    "pg_reload_conf",
	    "pg_terminate_backend",
	    "pg_logical_emit_message",
	    "pg_stat_reset",
	    "pg_export_snapshot",
	    "domain_in",
	    "array_in",
	    "record_in",
	    "pg_stat_get_activity",
	    "currtid2",
	    "pg_promote",
	    "fmgr_c_validator",
	    "pg_stat_get_backend_activity",
	    "pg_create_physical_replication_slot",
	    "txid_current",
	    "pg_mcv_list_items",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CHECK(!builtin_is_read_function("pg_catalog", names[i]));
		CHECK(builtin_why_not(names[i]) != NULL);
	}
	CHECK(builtin_is_read_function("pg_catalog", "length"));
	CHECK(!builtin_is_read_function("public", "length"));
	CHECK(!builtin_is_read_function("pg_catalog", "no_such_function"));
	CHECK(builtin_is_read_function("information_schema", "_pg_expandarray"));
}

static void relations_without_secrets(void)
{
	static const char *const secret[] = {
	    "pg_authid",	"pg_shadow",	     "pg_statistic",	   "pg_statistic_ext_data",
	    "pg_stats",		"pg_stats_ext",	     "pg_stat_activity",   "pg_user_mapping",
	    "pg_user_mappings", "pg_foreign_server", "pg_file_settings",   "pg_hba_file_rules",
	    "pg_largeobject",	"pg_subscription",   "pg_db_role_setting", "pg_ident_file_mappings",
	    "pg_config"};
	static const char *const needed[] = {
	    "pg_class",		"pg_namespace",	  "pg_attribute", "pg_type",   "pg_index",
	    "pg_constraint",	"pg_description", "pg_settings",  "pg_tables", "pg_views",
	    "pg_statistic_ext", "pg_publication", "pg_inherits",  "pg_policy"};
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		CHECK(!builtin_is_read_relation("pg_catalog", secret[i]));
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		CHECK(builtin_is_read_relation("pg_catalog", needed[i]));
	CHECK(builtin_is_read_relation("information_schema", "columns"));
	CHECK(!builtin_is_read_relation("information_schema", "user_mapping_options"));
	CHECK(!builtin_is_read_relation("public", "pg_class"));
}

static void settings_by_class(void)
{
	CHECK_INT(builtin_setting("statement_timeout"), SETTING_HARMLESS);
	CHECK_INT(builtin_setting("search_path"), SETTING_HARMLESS);
	CHECK_INT(builtin_setting("role"), SETTING_IDENTITY);
	CHECK_INT(builtin_setting("standard_conforming_strings"), SETTING_STRINGS);
	CHECK_INT(builtin_setting("client_encoding"), SETTING_ENCODING);
	CHECK_INT(builtin_setting("transaction_read_only"), SETTING_NARROW);
	CHECK_INT(builtin_setting("session_replication_role"), SETTING_OTHER);
	CHECK_INT(builtin_setting("session_preload_libraries"), SETTING_OTHER);
	CHECK_INT(builtin_setting("my.v"), SETTING_OTHER);
}

int main(void)
{
	db_up();
	lists_are_sorted();
	every_function_is_in_one_list();
	volatile_reads_are_few();
	no_read_is_callable_with_raw_text_of_a_type();
	dangerous_ones_say_why();
	relations_without_secrets();
	settings_by_class();
	return tap_done();
}
