/* What a session's state means for how its text is read: search_path (kept as sets of candidates
 * where a transaction's end is not known yet), temporary tables, lexer settings, transaction
 * status. PostgreSQL documentation, "Schemas: The Schema Search Path", "SET". */
#pragma once

#include "proto/postgres/settings.h"
#include "sql/sql.h"

#define SESSION_PATHS	 16
#define SESSION_SETTINGS 3

struct session {
	char *paths[SESSION_PATHS]; /* every text in use below, NULL: free */
	/* Sets, one bit a path: now in force; in force if the transaction commits; if it rolls
	 * back; all that were in force since it began; and what RESET brings. */
	uint32_t now, commit, base, seen, reset;
	/* Unclassified text went through (a rule lets it): what names mean is no longer sure. Every
	 * operation needs that rule from then on, until DISCARD ALL. */
	const char *doubt;
	bool has_temp;
	bool has_escapes;	/* standard_conforming_strings is off */
	bool is_encoding_bad;	/* client_encoding is one that the parser cannot follow */
	bool had_error;		/* since the last ReadyForQuery */
	bool wants_facts;	/* the catalogue has changed by what this session did */
	bool wants_facts_later; /* and shows once the transaction has ended */
	/* What the server said of DateStyle, IntervalStyle and TimeZone, owned; NULL: nothing. A literal means
	 * another value under another of them. */
	char *settings[SESSION_SETTINGS];
	struct settings changed;
	char tx_status;		/* of the last ReadyForQuery: 'I', 'T', 'E' */
	uint32_t version;	/* changes whenever the view does */
};

/* path: search_path as SHOW gives it; NULL is the server's default. -ENOMEM. */
must_check int session_init(struct session *s, const char *path);
void session_done(struct session *s);
/* Why no text of this session can be read, or NULL. */
const char *session_unreadable(const struct session *s);
/* The state for sql_analyze; borrows from s. */
void session_view(const struct session *s, struct sql_session *ret);
/* As it is, and as it may be behind the statements of r, one after the other: for a text of several
 * statements. False if there are too many ways or one cannot be told. */
bool session_view_within(struct session *s, const struct sql_result *r, struct sql_session *ret);
/* Does this statement change how later text is read? */
bool session_is_changed_by(const struct session *s, const struct sql_stmt *st);
/* The server has completed a statement with this tag. st NULL: unclassified text. text: of a statement that changes a
 * setting. */
void session_completed(struct session *s, const struct sql_stmt *st, const char *tag, struct span text);
/* ReadyForQuery. */
void session_ready(struct session *s, char status);
/* ParameterStatus. -ENOMEM. */
must_check int session_parameter(struct session *s, struct span name, struct span value);
/* Is this value of client_encoding one that the parser follows? */
bool session_encoding_known(struct span value);
