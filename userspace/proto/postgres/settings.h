/* What a session has set that its login had not: an approval is bound to it, since it may change what a text does (a
 * custom setting that a policy or a function reads, session_replication_role, a search_path within functions).
 * Settings follow transactions, as in the server: PostgreSQL documentation, "SET". */
#pragma once

#include "sql/sql.h"

#define SETTINGS_MAX	 128
#define SETTINGS_BYTES	 (64 * 1024) /* of names and values */
#define SETTING_UNKNOWN	 "(cannot be told)"

/* name NULL: some, nobody knows which. value NULL: the server's own default again; SETTING_UNKNOWN (by pointer: what
 * is_unknown says) where it is computed. */
struct changed_setting {
	char *name, *value;
	bool is_unknown;
};

struct settings_list {
	struct changed_setting at[SETTINGS_MAX];
	int n;
	size_t bytes;
};

/* In force now; if the transaction commits; if it does not; and what RESET brings: the login's. */
struct settings {
	struct settings_list *now, *commit, *base, *login; /* NULL: nothing */
	bool is_lost; /* out of memory or room: nobody knows any more */
	/* What the operation that is decided borrows: name, value, ..., 2 * n_shown strings. */
	const char *shown[2 * SETTINGS_MAX + 2];
};

void settings_done(struct settings *s);
/* Asked for at login. */
void settings_login(struct settings *s, const char *name, const char *value);
/* A statement has completed; text: its own, for what has no value but its words. */
void settings_completed(struct settings *s, const struct sql_stmt *st, struct span text);
/* Text that nobody has read. */
void settings_unclassified(struct settings *s);
void settings_end(struct settings *s, bool is_committed);
void settings_forget(struct settings *s); /* DISCARD ALL */
/* Does it change what is kept here? */
bool settings_are_changed_by(const struct sql_stmt *st);
/* Fills in s->shown, in order of names. Number of settings; *ret_unknown: some value cannot be told. */
int settings_shown(struct settings *s, bool *ret_unknown);
