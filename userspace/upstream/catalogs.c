#include "upstream/catalogs.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macro.h"
#include "upstream/catalog_read.h"
#include "sql/catalog.h"

#define SLOTS_MAX     64 /* unused ones above this are dropped */
#define LOAD_LIMIT_NS (30 * NS_PER_SEC)
#define LOAD_TRIES    2 /* of what passes, in a row */
/* How long an idle login is kept: DROP DATABASE waits 5 s for others to leave. */
#define KEEP_NS (1 * NS_PER_SEC)

struct catalog_slot {
	struct catalog_slot *next;
	int refs;
	struct target target; /* to load it with; also its key */
	struct catalog *catalog;
	bool is_loading;
	struct catalog_base base;      /* of who loads */
	struct catalog_reader *reader; /* of the last load, idle since then; NULL */
	uint64_t idle_since_ns;
	int err; /* of the last load */
	bool is_passing; /* it may go better the next time: it took too long, or its connection broke off */
	char why[WHY_MAX];
	uint64_t checked_ns;	       /* when the last look began that found it as it is */
	_Atomic uint64_t generation, began_ns, spoilt_ns, claimed_ns;
	_Atomic uint64_t early; /* second, and in the low byte how many in it */
};

struct catalogs {
	struct msg_line *monitor;
	pthread_mutex_t mutex;
	pthread_cond_t loaded, kept;
	pthread_t closer;
	bool is_stopping;
	struct catalog_slot *slots;
	int n;
};

/* An idle reader that is to be closed, taken from its slot; else NULL, and when to look again (0:
 * not before one is kept). */
static struct catalog_reader *take_idle(struct catalogs *c, uint64_t *ret_next_ns)
{
	uint64_t now = clock_mono_ns();
	*ret_next_ns = 0;
	for (struct catalog_slot *s = c->slots; s; s = s->next) {
		uint64_t until = s->idle_since_ns + KEEP_NS;
		if (s->reader && now >= until)
			return TAKE(s->reader);
		if (s->reader && (!*ret_next_ns || until < *ret_next_ns))
			*ret_next_ns = until;
	}
	return NULL;
}

/* A thread of its own: workers have other things to do than to wait. */
static void *close_idle(void *arg)
{
	struct catalogs *c = arg;
	pthread_mutex_lock(&c->mutex);
	while (!c->is_stopping) {
		uint64_t next_ns;
		struct catalog_reader *r = take_idle(c, &next_ns);
		struct timespec at = {(time_t)(next_ns / NS_PER_SEC), (long)(next_ns % NS_PER_SEC)};
		if (r) {
			pthread_mutex_unlock(&c->mutex);
			catalog_reader_close(r);
			pthread_mutex_lock(&c->mutex);
		} else if (next_ns) {
			pthread_cond_timedwait(&c->kept, &c->mutex, &at);
		} else {
			pthread_cond_wait(&c->kept, &c->mutex);
		}
	}
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

int catalogs_new(struct msg_line *monitor, struct catalogs **ret_c)
{
	struct catalogs *c = calloc(1, sizeof(*c));
	pthread_condattr_t monotonic;
	if (!c)
		return -ENOMEM;
	c->monitor = monitor;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->loaded, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->kept, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int err = pthread_create(&c->closer, NULL, close_idle, c);
	if (err) {
		free(c);
		return -err;
	}
	*ret_c = c;
	return 0;
}

static void slot_free(struct catalog_slot *s)
{
	catalog_reader_close(s->reader);
	catalog_unref(s->catalog);
	catalog_base_done(&s->base);
	arena_done(&s->target.arena);
	free(s);
}

void catalogs_free(struct catalogs *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->mutex);
	c->is_stopping = true;
	pthread_cond_signal(&c->kept);
	pthread_mutex_unlock(&c->mutex);
	pthread_join(c->closer, NULL);
	while (c->slots) {
		struct catalog_slot *s = c->slots;
		c->slots = s->next;
		slot_free(s);
	}
	pthread_cond_destroy(&c->kept);
	pthread_cond_destroy(&c->loaded);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

static bool is_same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool is_for(const struct catalog_slot *s, const struct target *t)
{
	const struct target *k = &s->target;
	return is_same(k->resource, t->resource) && is_same(k->upstream, t->upstream) &&
	       is_same(k->database, t->database) && is_same(k->credential, t->credential) &&
	       is_same(k->user, t->user) && is_same(k->place, t->place) &&
	       (t->upstream || addr_eq(&k->asked, &t->asked));
}

static struct catalog_slot *slot_new(const struct target *t)
{
	struct catalog_slot *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	struct arena *a = &s->target.arena;
	arena_init(a, 64 * 1024);
	s->target.asked = t->asked;
	s->target.resource = arena_str(a, t->resource);
	s->target.credential = arena_str(a, t->credential);
	s->target.upstream = t->upstream ? arena_str(a, t->upstream) : NULL;
	s->target.host = t->host ? arena_str(a, t->host) : NULL;
	s->target.user = t->user ? arena_str(a, t->user) : NULL;
	s->target.place = t->place ? arena_str(a, t->place) : NULL;
	s->target.database = t->database ? arena_str(a, t->database) : NULL;
	if (!arena_failed(a))
		return s;
	slot_free(s);
	return NULL;
}

static void drop_unused(struct catalogs *c)
{
	for (struct catalog_slot **at = &c->slots; *at && c->n >= SLOTS_MAX;) {
		struct catalog_slot *s = *at;
		if (s->refs || s->is_loading) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		c->n--;
		slot_free(s);
	}
}

int catalogs_slot(struct catalogs *c, const struct target *t, struct catalog_slot **ret_s)
{
	pthread_mutex_lock(&c->mutex);
	struct catalog_slot *s = c->slots;
	while (s && !is_for(s, t))
		s = s->next;
	if (!s) {
		drop_unused(c);
		s = slot_new(t);
		if (s) {
			s->next = c->slots;
			c->slots = s;
			c->n++;
		}
	}
	if (s)
		s->refs++;
	pthread_mutex_unlock(&c->mutex);
	if (!s)
		return -ENOMEM;
	*ret_s = s;
	return 0;
}

struct catalog *catalogs_newest(struct catalogs *c, const char *resource, const char *database, char ret_database[64])
{
	const struct catalog_slot *newest = NULL;
	pthread_mutex_lock(&c->mutex);
	for (const struct catalog_slot *s = c->slots; s; s = s->next) {
		bool fits = s->catalog && is_same(s->target.resource, resource) &&
			    (!database || is_same(s->target.database, database));
		if (fits && (!newest || atomic_load(&s->began_ns) > atomic_load(&newest->began_ns)))
			newest = s;
	}
	struct catalog *found = newest ? catalog_ref(newest->catalog) : NULL;
	if (found)
		snprintf(ret_database, 64, "%s", newest->target.database ? newest->target.database : "");
	pthread_mutex_unlock(&c->mutex);
	return found;
}

void catalog_slot_ref(struct catalogs *c, struct catalog_slot *s)
{
	pthread_mutex_lock(&c->mutex);
	s->refs++;
	pthread_mutex_unlock(&c->mutex);
}

void catalog_slot_unref(struct catalogs *c, struct catalog_slot *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&c->mutex);
	s->refs--;
	pthread_mutex_unlock(&c->mutex);
}

/* By the reader that was kept, if it still is of use; else by a new one. Whatever failed when the time was over: it was
 * the time. */
static int read_catalog(struct catalogs *c, struct catalog_slot *s, struct catalog_reader **reader,
			struct catalog **ret_c, char ret_why[WHY_MAX])
{
	uint64_t deadline = clock_mono_ns() + LOAD_LIMIT_NS;
	int err = ERR_STATE;
	if (*reader) {
		err = catalog_reader_load(*reader, &s->base, deadline, ret_c, ret_why);
		if (err)
			catalog_reader_close(TAKE(*reader));
	}
	if (!*reader && clock_mono_ns() < deadline) {
		err = catalog_reader_open(c->monitor, &s->target, deadline, reader, ret_why);
		if (!err)
			err = catalog_reader_load(*reader, &s->base, deadline, ret_c, ret_why);
	}
	return err && clock_mono_ns() >= deadline ? -ETIMEDOUT : err;
}

/* By the reader that was kept, or by a new one. */
static bool is_as_it_was(struct catalogs *c, struct catalog_slot *s, struct catalog_reader **reader,
			 char ret_why[WHY_MAX])
{
	uint64_t deadline = clock_mono_ns() + LOAD_LIMIT_NS;
	bool same = false;
	for (int i = 0; i < 2; i++) { /* the one that was kept may have been ended by the server */
		bool is_new = !*reader;
		if (is_new && catalog_reader_open(c->monitor, &s->target, deadline, reader, ret_why))
			return false;
		if (!catalog_reader_check(*reader, &s->base, deadline, &same, ret_why))
			return same;
		catalog_reader_close(TAKE(*reader));
		if (is_new)
			break;
	}
	return false;
}

/* With the lock held, which it lets go of while it loads; not at all where the one in force is of that version. */
static void load_locked(struct catalogs *c, struct catalog_slot *s, bool is_check)
{
	struct catalog *fresh = NULL;
	struct catalog_reader *reader = TAKE(s->reader);
	char why[WHY_MAX] = "";
	uint64_t began = clock_mono_ns();
	s->is_loading = true;
	pthread_mutex_unlock(&c->mutex);
	bool is_same = is_check && is_as_it_was(c, s, &reader, why);
	int err = is_same ? 0 : read_catalog(c, s, &reader, &fresh, why);
	bool is_cut = reader && !catalog_reader_is_open(reader);
	if (reader && (err || is_cut))
		catalog_reader_close(TAKE(reader));
	pthread_mutex_lock(&c->mutex);
	s->is_loading = false;
	s->reader = reader;
	s->idle_since_ns = clock_mono_ns();
	s->err = err;
	s->is_passing = err == -ETIMEDOUT || err == -ECONNRESET || is_cut;
	memcpy(s->why, why, sizeof(why));
	if (!err)
		s->checked_ns = began;
	if (!err && !is_same) {
		catalog_unref(s->catalog);
		s->catalog = fresh;
		atomic_store(&s->began_ns, began);
		atomic_fetch_add(&s->generation, 1);
	}
	pthread_cond_signal(&c->kept);
	pthread_cond_broadcast(&c->loaded);
}

static int load_since(struct catalogs *c, struct catalog_slot *s, uint64_t since_ns, bool is_check,
		      char ret_why[WHY_MAX])
{
	int err = 0, tries = 0;
	pthread_mutex_lock(&c->mutex);
	while (!s->catalog || (is_check ? s->checked_ns : atomic_load(&s->began_ns)) < since_ns) {
		if (s->is_loading) {
			pthread_cond_wait(&c->loaded, &c->mutex);
			continue;
		}
		load_locked(c, s, is_check && s->catalog && !catalog_slot_is_spoilt(s));
		err = s->err;
		/* Sessions hang on it, and a server may be slow for a moment. */
		if (err && (!s->is_passing || ++tries == LOAD_TRIES))
			break;
	}
	if (err)
		memcpy(ret_why, s->why, WHY_MAX);
	pthread_mutex_unlock(&c->mutex);
	return err;
}

int catalogs_load(struct catalogs *c, struct catalog_slot *s, uint64_t since_ns,
		  char ret_why[WHY_MAX])
{
	return load_since(c, s, since_ns, false, ret_why);
}

int catalogs_check(struct catalogs *c, struct catalog_slot *s, uint64_t since_ns,
		   char ret_why[WHY_MAX])
{
	return load_since(c, s, since_ns, true, ret_why);
}

const struct target *catalog_slot_target(const struct catalog_slot *s)
{
	return &s->target;
}

uint64_t catalog_slot_generation(const struct catalog_slot *s)
{
	return atomic_load(&s->generation);
}

struct catalog *catalog_slot_get(struct catalogs *c, struct catalog_slot *s)
{
	pthread_mutex_lock(&c->mutex);
	struct catalog *got = s->catalog ? catalog_ref(s->catalog) : NULL;
	pthread_mutex_unlock(&c->mutex);
	return got;
}

void catalog_slot_spoil(struct catalog_slot *s, uint64_t at_ns)
{
	uint64_t was = atomic_load(&s->spoilt_ns);
	while (was < at_ns && !atomic_compare_exchange_weak(&s->spoilt_ns, &was, at_ns))
		;
}

bool catalog_slot_is_spoilt(const struct catalog_slot *s)
{
	return atomic_load(&s->spoilt_ns) > atomic_load(&s->began_ns);
}

uint64_t catalog_slot_began(const struct catalog_slot *s)
{
	return atomic_load(&s->began_ns);
}

bool catalog_slot_claim_refresh(struct catalog_slot *s, uint64_t now_ns)
{
	uint64_t began = atomic_load(&s->began_ns), claimed = atomic_load(&s->claimed_ns);
	uint64_t last = MAX(began, claimed);
	if (!began || now_ns - last < CATALOG_AGE_NS || now_ns < last)
		return false;
	return atomic_compare_exchange_strong(&s->claimed_ns, &claimed, now_ns);
}

bool catalog_slot_claim_early(struct catalog_slot *s, uint64_t now_ns)
{
	uint64_t second = now_ns / NS_PER_SEC << 8, was = atomic_load(&s->early), next;
	do {
		next = (was & ~0xffull) == second ? was + 1 : second | 1;
		if ((next & 0xff) > EARLY_MAX)
			return false;
	} while (!atomic_compare_exchange_weak(&s->early, &was, next));
	return true;
}
