#include "proto/postgres/session.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char doubtful[] =
    "text that could not be classified went before: it may have changed what names mean";

#define DEFAULT_PATH "\"$user\", public"

/* The bit of a text, added if it is new. 0: out of memory, or too many. */
static uint32_t path_bit(struct session *s, const char *text)
{
	uint32_t used = s->now | s->commit | s->base | s->seen | s->reset;
	for (int i = 0; i < SESSION_PATHS; i++)
		if (s->paths[i] && !strcmp(s->paths[i], text))
			return 1u << i;
	for (int i = 0; i < SESSION_PATHS; i++) {
		if (s->paths[i] && used & 1u << i)
			continue;
		free(s->paths[i]);
		s->paths[i] = strdup(text);
		return s->paths[i] ? 1u << i : 0;
	}
	return 0;
}

int session_init(struct session *s, const char *path)
{
	*s = (struct session){.tx_status = 'I', .version = 1};
	uint32_t bit = path_bit(s, path ? path : DEFAULT_PATH);
	s->now = s->commit = s->base = s->seen = s->reset = bit;
	return bit ? 0 : -ENOMEM;
}

void session_done(struct session *s)
{
	for (int i = 0; i < SESSION_PATHS; i++)
		free(s->paths[i]);
	for (int i = 0; i < SESSION_SETTINGS; i++)
		free(s->settings[i]);
	settings_done(&s->changed);
	*s = (struct session){0};
}

const char *session_unreadable(const struct session *s)
{
	if (s->has_escapes)
		return "standard_conforming_strings is off: the text cannot be read safely";
	if (s->is_encoding_bad)
		return "client_encoding is one that the gateway cannot follow: use UTF8";
	if (__builtin_popcount(s->now) > SQL_PATHS)
		return "search_path is not known for sure: SET search_path to a list of names";
	return NULL;
}

static int view_of(const struct session *s, uint32_t set, struct sql_session *ret)
{
	ret->n_paths = 0;
	for (int i = 0; i < SESSION_PATHS; i++) {
		if (!(set & 1u << i))
			continue;
		if (ret->n_paths == SQL_PATHS)
			return ERR_LIMIT;
		ret->paths[ret->n_paths++] = s->paths[i];
	}
	ret->has_temp = s->has_temp;
	return 0;
}

void session_view(const struct session *s, struct sql_session *ret)
{
	*ret = (struct sql_session){0};
	(void)!view_of(s, s->now, ret); /* session_unreadable has said that they fit */
}

/* It sets search_path to what is computed. */
static bool is_path_computed(const struct sql_stmt *st)
{
	for (int i = 0; i < st->n_needs; i++) {
		const struct need *n = &st->needs[i];
		bool is_path =
		    n->kind == NEED_SETTING && n->name && !strcmp(n->name, "search_path");
		if (n->kind == NEED_OPAQUE || (is_path && !n->is_implied))
			return true;
	}
	return false;
}

/* RESET ALL comes as a SET without a name. A rule that lets unclassified text pass may let it be
 * set elsewhere. */
static bool sets_path(const struct sql_stmt *st)
{
	return st->kind == SQL_SET && (!st->name || !strcmp(st->name, "search_path"));
}

static bool makes_temp(const struct sql_stmt *st)
{
	for (int i = 0; i < st->n_needs; i++)
		if (st->needs[i].verb == VERB_CREATE && st->needs[i].schema &&
		    !strncmp(st->needs[i].schema, "pg_temp", 7))
			return true;
	return false;
}

static bool is_ddl(const struct sql_stmt *st)
{
	return st->class == CLASS_DDL || st->class == CLASS_DCL || st->class == CLASS_PROCEDURAL ||
	       st->class == CLASS_ADMIN || st->class == CLASS_OPAQUE;
}

/* Can this statement bring the path of s back to another one of its sets? */
static bool ends_transaction(const struct sql_stmt *st)
{
	return st->kind == SQL_COMMIT || st->kind == SQL_ROLLBACK || st->kind == SQL_SAVEPOINT ||
	       st->kind == SQL_PREPARE_XACT;
}

static bool is_moved(const struct session *s)
{
	return s->commit != s->now || s->base != s->now || (s->seen & ~s->now) != 0;
}

bool session_is_changed_by(const struct session *s, const struct sql_stmt *st)
{
	if (!st || settings_are_changed_by(st) || is_ddl(st) || sets_path(st) ||
	    makes_temp(st) || st->kind == SQL_DISCARD)
		return true;
	return ends_transaction(st) && (is_moved(s) || s->changed.now || s->changed.base);
}

/* What a SET of search_path leads to; 0 if it cannot be told. */
static uint32_t path_after(struct session *s, const struct sql_stmt *st)
{
	if (st->value)
		return path_bit(s, st->value);
	return is_path_computed(st) ? 0 : s->reset;
}

bool session_view_within(struct session *s, const struct sql_result *r, struct sql_session *ret)
{
	uint32_t set = s->now;
	bool has_temp = s->has_temp;
	for (int i = 0; i + 1 < r->n_stmts; i++) {
		const struct sql_stmt *st = &r->stmts[i];
		if (sets_path(st) || st->kind == SQL_DISCARD) {
			uint32_t bit = st->kind == SQL_DISCARD ? s->reset : path_after(s, st);
			if (!bit)
				return false;
			set |= bit;
			s->seen |= bit; /* keeps the text until the transaction ends */
		}
		if (ends_transaction(st))
			set |= s->commit | s->base | s->seen;
		has_temp |= makes_temp(st);
	}
	*ret = (struct sql_session){0};
	if (view_of(s, set, ret))
		return false;
	ret->has_temp = has_temp;
	return true;
}

static void set_path(struct session *s, const struct sql_stmt *st)
{
	uint32_t bit = path_after(s, st);
	if (!bit) {
		s->doubt = doubtful;
		return;
	}
	s->now = bit;
	s->seen |= bit;
	if (!st->is_local)
		s->commit = bit;
}

static void end_transaction(struct session *s, bool is_committed)
{
	uint32_t to = is_committed ? s->commit : s->base;
	s->now = s->commit = s->base = s->seen = to;
	settings_end(&s->changed, is_committed);
	s->wants_facts |= s->wants_facts_later;
	s->wants_facts_later = false;
}

static void transaction_completed(struct session *s, const struct sql_stmt *st, const char *tag)
{
	if (!strcmp(tag, "COMMIT") || !strcmp(tag, "PREPARE TRANSACTION"))
		end_transaction(s, true);
	else if (strcmp(tag, "ROLLBACK"))
		return;
	else if (st->kind == SQL_SAVEPOINT) /* ROLLBACK TO: which of them is not told */
		s->now = s->commit = s->seen;
	else
		end_transaction(s, false);
}

static void forget_all(struct session *s)
{
	s->now = s->commit = s->base = s->seen = s->reset;
	s->has_temp = false;
	s->doubt = NULL;
	settings_forget(&s->changed);
}

void session_completed(struct session *s, const struct sql_stmt *st, const char *tag, struct span text)
{
	uint32_t now = s->now;
	bool had_temp = s->has_temp;
	if (!st) {
		s->doubt = doubtful;
		settings_unclassified(&s->changed);
		s->wants_facts_later = true;
		s->version++;
		return;
	}
	settings_completed(&s->changed, st, text);
	if (sets_path(st))
		set_path(s, st);
	else if (ends_transaction(st))
		transaction_completed(s, st, tag);
	else if (st->kind == SQL_DISCARD && !strcmp(tag, "DISCARD ALL"))
		forget_all(s);
	if (is_ddl(st))
		s->wants_facts_later = true;
	s->has_temp |= makes_temp(st);
	if (now != s->now || had_temp != s->has_temp)
		s->version++;
}

void session_ready(struct session *s, char status)
{
	uint32_t now = s->now;
	if (status == 'I')
		end_transaction(s, !s->had_error);
	if (now != s->now)
		s->version++;
	s->had_error = false;
	s->tx_status = status;
}

bool session_encoding_known(struct span value)
{
	char plain[16];
	size_t n = 0;
	for (size_t i = 0; i < value.len; i++) {
		if (!isalnum(value.p[i]))
			continue;
		if (n + 1 >= sizeof(plain))
			return false;
		plain[n++] = (char)tolower(value.p[i]);
	}
	plain[n] = 0;
	return !strcmp(plain, "utf8") || !strcmp(plain, "unicode") || !strcmp(plain, "sqlascii");
}

static int keep_setting(struct session *s, struct span name, struct span value)
{
	static const char *const names[SESSION_SETTINGS] = {"DateStyle", "IntervalStyle", "TimeZone"};
	for (int i = 0; i < SESSION_SETTINGS; i++) {
		if (!span_is(name, names[i]))
			continue;
		char *text = strndup((const char *)value.p, value.len);
		if (!text)
			return -ENOMEM;
		free(s->settings[i]);
		s->settings[i] = text;
	}
	return 0;
}

int session_parameter(struct session *s, struct span name, struct span value)
{
	if (span_is(name, "standard_conforming_strings"))
		s->has_escapes = !span_is(value, "on");
	else if (span_is(name, "client_encoding"))
		s->is_encoding_bad = !session_encoding_known(value);
	return keep_setting(s, name, value);
}
