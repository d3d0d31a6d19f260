/* What is harmless without a rule of its own: reviewed lists of built-in functions that only read,
 * of catalogue relations that drivers and tools read, of settings that a session may change. The
 * lists name objects of PostgreSQL's own: that an object is one is for the caller to know. */
#pragma once

#include <stdbool.h>

bool builtin_is_read_function(const char *schema, const char *name);
/* Why a function of pg_catalog is no read, or NULL where the lists do not know it. */
const char *builtin_why_not(const char *name);
/* An ordinary or information_schema catalogue relation without data of other relations, passwords,
 * server files or other sessions' statements. */
bool builtin_is_read_relation(const char *schema, const char *name);

/* Definitions, into which values of tables can have been copied: defaults, conditions, bodies. SQL text, or (is_raw)
 * another form of it. relation and column of pg_catalog or information_schema. */
bool builtin_is_definition(const char *relation, const char *column, bool *ret_is_raw);
/* The same of what a function of pg_catalog makes of one: the column that it is from, or NULL. */
const char *builtin_defines(const char *function, const char **ret_column);

enum setting_class {
	SETTING_OTHER,	  /* wants a rule: NEED_SETTING */
	SETTING_HARMLESS, /* implied, with a literal value */
	SETTING_NARROW,	  /* implied only with a true value: makes the session read-only */
	SETTING_ENCODING, /* implied for UTF-8 and SQL_ASCII, else our parser cannot follow */
	SETTING_STRINGS,  /* implied when on, else our parser cannot follow */
	SETTING_IDENTITY, /* another user: names and rights are no longer what was looked up */
};
/* name in lower case. */
enum setting_class builtin_setting(const char *name);
