#include "proto/postgres/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

#define TEXT_MAX 4096

/* What a client is called changes nothing of what it does. */
static bool is_ignored(const char *name)
{
	return !strcmp(name, "application_name");
}

/* ---- lists ---- */

static void list_clear(struct settings_list *l)
{
	for (int i = 0; l && i < l->n; i++) {
		free(l->at[i].name);
		free(l->at[i].value);
	}
	if (l)
		*l = (struct settings_list){0};
}

static void list_free(struct settings_list *l)
{
	list_clear(l);
	free(l);
}

static size_t size_of(const struct changed_setting *c)
{
	return strlen(c->name) + (c->value ? strlen(c->value) : 0) + 2;
}

static int find(const struct settings_list *l, const char *name)
{
	int i = 0;
	while (l && i < l->n && strcmp(l->at[i].name, name) < 0)
		i++;
	return i;
}

static bool is_at(const struct settings_list *l, int i, const char *name)
{
	return l && i < l->n && !strcmp(l->at[i].name, name);
}

static void list_remove(struct settings_list *l, const char *name)
{
	int i = find(l, name);
	if (!is_at(l, i, name))
		return;
	l->bytes -= size_of(&l->at[i]);
	free(l->at[i].name);
	free(l->at[i].value);
	l->n--;
	memmove(&l->at[i], &l->at[i + 1], (size_t)(l->n - i) * sizeof(l->at[0]));
}

/* An entry without a value, unknown, in its place. False: no room. */
static bool list_insert(struct settings_list *l, int i, const char *name)
{
	struct changed_setting c = {.name = strdup(name), .is_unknown = true};
	if (!c.name || l->n == SETTINGS_MAX || l->bytes + size_of(&c) > SETTINGS_BYTES) {
		free(c.name);
		return false;
	}
	memmove(&l->at[i + 1], &l->at[i], (size_t)(l->n - i) * sizeof(l->at[0]));
	l->at[i] = c;
	l->n++;
	l->bytes += size_of(&c);
	return true;
}

/* A name that is there stays as it is: the caller's may be that very one. False: no room, and what the list says of it
 * is unknown. */
static bool list_set(struct settings_list **at, const char *name, const char *value, bool is_unknown)
{
	struct settings_list *l = *at ? *at : (*at = calloc(1, sizeof(*l)));
	int i = find(l, name);
	if (!l || (!is_at(l, i, name) && !list_insert(l, i, name)))
		return false;
	struct changed_setting *e = &l->at[i], c = {e->name, value ? strdup(value) : NULL, is_unknown};
	size_t bytes = l->bytes - size_of(e) + size_of(&c);
	bool fits = (!value || c.value) && bytes <= SETTINGS_BYTES;
	if (!fits) {
		free(c.value);
		c.value = NULL;
		c.is_unknown = true;
		bytes = l->bytes - size_of(e) + size_of(&c);
	}
	free(e->value);
	*e = c;
	l->bytes = bytes;
	return fits;
}

static bool list_copy(struct settings_list **to, const struct settings_list *from)
{
	bool is_whole = true;
	list_clear(*to);
	for (int i = 0; from && i < from->n; i++)
		is_whole &= list_set(to, from->at[i].name, from->at[i].value, from->at[i].is_unknown);
	return is_whole;
}

void settings_done(struct settings *s)
{
	list_free(s->now);
	list_free(s->commit);
	list_free(s->base);
	list_free(s->login);
	*s = (struct settings){0};
}

/* ---- what changes them ---- */

static void put(struct settings *s, const char *name, const char *value, bool is_unknown, bool is_local)
{
	bool is_whole = list_set(&s->now, name, value, is_unknown);
	if (!is_local)
		is_whole &= list_set(&s->commit, name, value, is_unknown);
	s->is_lost |= !is_whole;
}

static void reset(struct settings *s, const char *name, bool is_local)
{
	int i = find(s->login, name);
	if (is_at(s->login, i, name)) {
		put(s, name, s->login->at[i].value, false, is_local);
		return;
	}
	if (s->now)
		list_remove(s->now, name);
	if (s->commit && !is_local)
		list_remove(s->commit, name);
}

void settings_login(struct settings *s, const char *name, const char *value)
{
	char lower[TEXT_MAX];
	size_t n = strlen(name);
	if (n >= sizeof(lower) || strlen(value) > TEXT_MAX) {
		s->is_lost = true;
		return;
	}
	for (size_t i = 0; i <= n; i++)
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
	if (is_ignored(lower))
		return;
	bool is_whole = list_set(&s->login, lower, value, false) && list_set(&s->base, lower, value, false);
	s->is_lost |= !is_whole;
	put(s, lower, value, false, false);
}

static void set(struct settings *s, const struct sql_stmt *st, struct span text)
{
	char words[TEXT_MAX + 1];
	bool is_set = !strcmp(st->tag, "SET");
	bool ends_with_tx = st->is_local || !strcmp(st->name, "transaction") ||
			    !strcmp(st->name, "transaction snapshot");
	if (is_ignored(st->name))
		return;
	if (st->value && strlen(st->value) <= TEXT_MAX) {
		put(s, st->name, st->value, false, ends_with_tx);
	} else if (!st->value && !strcmp(st->tag, "RESET")) {
		reset(s, st->name, false);
	} else if (is_set && !st->value && text.len && text.len <= TEXT_MAX) {
		/* DEFAULT, FROM CURRENT, SET TRANSACTION: its words say all of it. */
		memcpy(words, text.p, text.len);
		words[text.len] = 0;
		put(s, st->name, words, false, ends_with_tx);
	} else {
		put(s, st->name, SETTING_UNKNOWN, true, ends_with_tx);
	}
}

bool settings_are_changed_by(const struct sql_stmt *st)
{
	if (st->kind == SQL_SET || st->kind == SQL_DISCARD)
		return true;
	for (int i = 0; i < st->n_needs; i++)
		if (st->needs[i].kind == NEED_SETTING && st->needs[i].verb == VERB_SET)
			return true;
	return false;
}

static bool is_rollback_to(const struct sql_stmt *st)
{
	return st->kind == SQL_SAVEPOINT && !strcmp(st->tag, "ROLLBACK");
}

/* Which of the savepoints, and what was set since, is not kept: all that differs from before cannot be told. */
static void rolled_back_to_savepoint(struct settings *s)
{
	for (int i = 0; s->now && i < s->now->n; i++) {
		struct changed_setting *c = &s->now->at[i];
		int k = find(s->base, c->name);
		bool is_same = is_at(s->base, k, c->name) && !c->is_unknown && c->value && s->base->at[k].value &&
			       !strcmp(c->value, s->base->at[k].value);
		if (!is_same)
			put(s, c->name, SETTING_UNKNOWN, true, false);
	}
	/* What was reset may be set again. */
	for (int i = 0; s->base && i < s->base->n; i++)
		if (!is_at(s->now, find(s->now, s->base->at[i].name), s->base->at[i].name))
			put(s, s->base->at[i].name, SETTING_UNKNOWN, true, false);
}

void settings_completed(struct settings *s, const struct sql_stmt *st, struct span text)
{
	if (st->kind == SQL_SET && st->name) {
		set(s, st, text);
		return;
	}
	if (st->kind == SQL_SET) { /* RESET ALL */
		s->is_lost |= !list_copy(&s->now, s->login);
		s->is_lost |= !list_copy(&s->commit, s->login);
		return;
	}
	if (is_rollback_to(st))
		rolled_back_to_savepoint(s);
	if (st->kind == SQL_DISCARD)
		return; /* settings_forget, if it is ALL */
	for (int i = 0; i < st->n_needs; i++) {
		const struct need *n = &st->needs[i];
		if (n->kind == NEED_SETTING && n->verb == VERB_SET)
			put(s, n->name ? n->name : "*", SETTING_UNKNOWN, true, false);
	}
}

void settings_unclassified(struct settings *s)
{
	put(s, "*", SETTING_UNKNOWN, true, false);
}

void settings_end(struct settings *s, bool is_committed)
{
	if (!s->now && !s->commit && !s->base)
		return;
	if (is_committed)
		s->is_lost |= !list_copy(&s->base, s->commit) || !list_copy(&s->now, s->commit);
	else
		s->is_lost |= !list_copy(&s->now, s->base) || !list_copy(&s->commit, s->base);
}

void settings_forget(struct settings *s)
{
	s->is_lost = !list_copy(&s->now, s->login) || !list_copy(&s->commit, s->login) ||
		     !list_copy(&s->base, s->login);
}

int settings_shown(struct settings *s, bool *ret_unknown)
{
	int n = 0;
	*ret_unknown = s->is_lost;
	for (int i = 0; s->now && i < s->now->n; i++) {
		const struct changed_setting *c = &s->now->at[i];
		s->shown[n++] = c->name;
		s->shown[n++] = c->value ? c->value : "";
		*ret_unknown |= c->is_unknown;
	}
	if (s->is_lost) {
		s->shown[n++] = "*";
		s->shown[n++] = SETTING_UNKNOWN;
	}
	return n / 2;
}
