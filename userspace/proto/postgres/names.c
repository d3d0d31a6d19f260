#include "proto/postgres/names.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"

#define BUCKETS 64

struct prepared *prepared_new(struct span text, struct sql_entry *entry, int index)
{
	struct prepared *p = malloc(sizeof(*p) + text.len);
	if (!p)
		return NULL;
	*p = (struct prepared){.refs = 1, .index = index, .len = text.len};
	if (entry)
		p->entry = sql_entry_ref(entry);
	if (text.len)
		memcpy(p->text, text.p, text.len);
	return p;
}

int prepared_set_types(struct prepared *p, const uint32_t *types, int n)
{
	size_t size = (size_t)n * sizeof(*types);
	p->types = n ? malloc(size) : NULL;
	if (n && !p->types)
		return -ENOMEM;
	if (n)
		memcpy(p->types, types, size);
	p->n_types = n;
	return 0;
}

struct prepared *prepared_ref(struct prepared *p)
{
	p->refs++;
	return p;
}

void prepared_unref(struct prepared *p)
{
	if (!p || --p->refs)
		return;
	if (p->entry)
		sql_entry_unref(p->entry);
	free(p->types);
	free(p->told_types);
	free(p->columns);
	free(p);
}

const struct sql_stmt *prepared_stmt(const struct prepared *p)
{
	const struct sql_result *r = p && p->entry ? sql_entry_result(p->entry) : NULL;
	return r && p->index >= 0 && p->index < r->n_stmts ? &r->stmts[p->index] : NULL;
}

struct name *name_ref(struct name *n)
{
	n->refs++;
	return n;
}

void name_unref(struct name *n)
{
	if (!n || --n->refs)
		return;
	prepared_unref(n->stmt);
	masking_unref(n->masking);
	if (n->opened.entry)
		sql_entry_unref(n->opened.entry);
	free(n->opened.mandate);
	free(n->formats);
	free(n);
}

void name_opened(struct name *portal, struct sql_entry *entry, int index, const char *why)
{
	struct opened *o = &portal->opened;
	o->entry = entry ? sql_entry_ref(entry) : NULL;
	o->index = index;
	o->why = why;
}

int mandate_of(const struct decision *d, struct mandate **ret)
{
	struct mandate *m = d->release ? calloc(1, sizeof(*m)) : NULL;
	*ret = m;
	if (!m)
		return d->release ? -ENOMEM : 0;
	m->release = d->release;
	memcpy(m->rule, d->rule, sizeof(m->rule));
	memcpy(m->request, d->request, sizeof(m->request));
	memcpy(m->grant, d->grant[0] ? d->grant : d->made_grant, sizeof(m->grant));
	return 0;
}

int name_passed(struct name *portal, const struct decision *d)
{
	portal->opened.plan = d->plan;
	return mandate_of(d, &portal->opened.mandate);
}

static struct span cut(struct span name)
{
	return span_of(name.p, MIN(name.len, (size_t)NAME_KEY - 1));
}

static unsigned hash(struct span key)
{
	return span_hash(SPAN_HASH_START, key) % BUCKETS;
}

static bool is_named(const struct name *n, struct span key)
{
	return span_eq(name_key(n), key);
}

int names_add(struct names *t, struct span name, struct prepared *stmt, uint64_t seq,
	      struct name **ret_n)
{
	struct span key = cut(name);
	if (t->n >= NAMES_MAX || stmt->len > NAMES_BYTES - t->bytes)
		return ERR_LIMIT;
	if (!t->buckets)
		t->buckets = calloc(BUCKETS, sizeof(*t->buckets));
	struct name *n = t->buckets ? malloc(sizeof(*n)) : NULL;
	if (!n)
		return -ENOMEM;
	struct name **bucket = &t->buckets[hash(key)];
	*n = (struct name){
	    .refs = 1, .is_listed = true, .seq = seq, .next = *bucket, .key_len = key.len};
	if (key.len)
		memcpy(n->key, key.p, key.len);
	n->stmt = prepared_ref(stmt);
	*bucket = n;
	t->n++;
	t->bytes += stmt->len;
	*ret_n = n;
	return 0;
}

struct name *names_find(const struct names *t, struct span name)
{
	struct span key = cut(name);
	struct name *n = t->buckets ? t->buckets[hash(key)] : NULL;
	while (n && !is_named(n, key))
		n = n->next;
	return n;
}

static void unlink_at(struct names *t, struct name **at)
{
	struct name *n = *at;
	if (t->gone)
		t->gone(t->ctx, n);
	*at = n->next;
	n->next = NULL;
	n->is_listed = false;
	t->n--;
	t->bytes -= n->stmt->len;
	name_unref(n);
}

void names_remove(struct names *t, struct name *n)
{
	if (!n->is_listed)
		return;
	struct name **at = &t->buckets[hash(name_key(n))];
	while (*at != n)
		at = &(*at)->next;
	unlink_at(t, at);
}

static void remove_older_behind(struct names *t, struct name **at, struct span key, uint64_t seq)
{
	while (*at) {
		if ((*at)->seq < seq && is_named(*at, key))
			unlink_at(t, at);
		else
			at = &(*at)->next;
	}
}

void names_remove_older(struct names *t, struct span name, uint64_t seq)
{
	struct span key = cut(name);
	if (t->buckets)
		remove_older_behind(t, &t->buckets[hash(key)], key, seq);
}

/* Older ones stand behind it: the many newer ones of a pipeline are not looked at. */
void names_supersede(struct names *t, struct name *n)
{
	if (n->is_listed)
		remove_older_behind(t, &n->next, name_key(n), n->seq);
	else
		names_remove_older(t, name_key(n), n->seq);
}

void names_clear(struct names *t, uint64_t seq, bool with_cursors)
{
	for (int i = 0; t->n && i < BUCKETS; i++) {
		for (struct name **at = &t->buckets[i]; *at;) {
			struct name *n = *at;
			if (n->seq >= seq || !n->is_live || (n->is_cursor && !with_cursors))
				at = &n->next;
			else
				unlink_at(t, at);
		}
	}
}

void names_done(struct names *t)
{
	for (int i = 0; t->buckets && i < BUCKETS; i++)
		while (t->buckets[i])
			unlink_at(t, &t->buckets[i]);
	free(t->buckets);
	*t = (struct names){0};
}

void names_mark(struct names *t, struct span name, uint64_t seq)
{
	struct name *n = names_find(t, name);
	if (n)
		n->closing = seq;
}

void names_unmark(struct names *t, struct span name, uint64_t seq)
{
	struct span key = cut(name);
	for (struct name *n = t->buckets ? t->buckets[hash(key)] : NULL; n; n = n->next)
		if (n->closing == seq && is_named(n, key))
			n->closing = 0;
}
