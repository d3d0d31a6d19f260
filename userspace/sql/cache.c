#include "sql/sql.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/macro.h"
#include "sql/numbers.h"

#define RESULT_BYTES	((size_t)4 * 1024 * 1024) /* of one analysis */
#define ENTRY_MIN	8192			  /* an arena's smallest block */
#define HERE_ENTRIES	4096
#define GENERATIONS_MAX 4 /* of the catalogue, of one text */
#define HERE_BYTES	((size_t)32 * 1024 * 1024)

/* What a result depends on. */
struct key {
	struct span text;
	uint64_t generation;
	const struct sql_session *session;
	bool is_masked; /* for all texts of this mask */
	uint64_t hash;
};

struct sql_entry {
	struct sql_entry *chain;	 /* same bucket */
	struct sql_entry *newer, *older; /* by last use */
	int refs;			 /* the cache's own included */
	uint64_t hash, generation;
	bool is_masked;
	struct span text;
	struct sql_session session; /* strings and types in the arena */
	struct arena arena;
	struct sql_result result;
};

struct sql_cache {
	size_t max_entries, max_bytes, n_entries, n_bytes;
	size_t n_buckets; /* a power of two */
	uint64_t seed;
	struct sql_entry **buckets;
	struct sql_entry *newest, *oldest;
	char masked[NUMBERS_TEXT_MAX];
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	__uint128_t p = (__uint128_t)(h ^ v ^ 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t mix_bytes(uint64_t h, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t v;
	h = mix(h, len);
	for (; len >= sizeof(v); b += sizeof(v), len -= sizeof(v)) {
		memcpy(&v, b, sizeof(v));
		h = mix(h, v);
	}
	v = 0;
	if (len)
		memcpy(&v, b, len);
	return mix(h, v);
}

/* Without the generation: those of one text lie in one bucket, where insert() finds them. */
static uint64_t hash_key(const struct sql_cache *c, const struct key *k)
{
	const struct sql_session *s = k->session;
	uint64_t h = mix_bytes(c->seed, k->text.p, k->text.len);
	for (int i = 0; i < s->n_paths; i++)
		h = mix_bytes(h, s->paths[i], strlen(s->paths[i]));
	if (s->n_param_types)
		h = mix_bytes(h, s->param_types,
			      (size_t)s->n_param_types * sizeof(*s->param_types));
	return mix(h, (uint64_t)s->has_temp << 1 | k->is_masked);
}

static bool is_same_session(const struct sql_session *a, const struct sql_session *b)
{
	if (a->n_paths != b->n_paths || a->has_temp != b->has_temp ||
	    a->n_param_types != b->n_param_types)
		return false;
	for (int i = 0; i < a->n_paths; i++)
		if (strcmp(a->paths[i], b->paths[i]) != 0)
			return false;
	return a->n_param_types == 0 || !memcmp(a->param_types, b->param_types,
						(size_t)a->n_param_types * sizeof(*a->param_types));
}

static bool is_match(const struct sql_entry *e, const struct key *k)
{
	return e->hash == k->hash && e->generation == k->generation &&
	       e->is_masked == k->is_masked && span_eq(e->text, k->text) &&
	       is_same_session(&e->session, k->session);
}

int sql_cache_new(size_t max_entries, size_t max_bytes, struct sql_cache **ret_c)
{
	struct sql_cache *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	for (c->n_buckets = 16; c->n_buckets < max_entries; c->n_buckets *= 2)
		;
	c->buckets = calloc(c->n_buckets, sizeof(*c->buckets));
	if (!c->buckets || getrandom(&c->seed, sizeof(c->seed), 0) != sizeof(c->seed)) {
		free(c->buckets);
		free(c);
		return -ENOMEM;
	}
	c->max_entries = max_entries;
	c->max_bytes = max_bytes;
	*ret_c = c;
	return 0;
}

const struct sql_result *sql_entry_result(const struct sql_entry *e)
{
	return &e->result;
}

struct sql_entry *sql_entry_ref(struct sql_entry *e)
{
	e->refs++;
	return e;
}

void sql_entry_unref(struct sql_entry *e)
{
	if (!e || --e->refs > 0)
		return;
	arena_done(&e->arena);
	free(e);
}

static size_t cost(const struct sql_entry *e)
{
	return sizeof(*e) + MAX(e->arena.used, (size_t)ENTRY_MIN);
}

static void unlink_use(struct sql_cache *c, struct sql_entry *e)
{
	*(e->newer ? &e->newer->older : &c->newest) = e->older;
	*(e->older ? &e->older->newer : &c->oldest) = e->newer;
	e->newer = e->older = NULL;
}

static void link_newest(struct sql_cache *c, struct sql_entry *e)
{
	e->older = c->newest;
	if (c->newest)
		c->newest->newer = e;
	c->newest = e;
	if (!c->oldest)
		c->oldest = e;
}

static void drop(struct sql_cache *c, struct sql_entry *e)
{
	struct sql_entry **at = &c->buckets[e->hash & (c->n_buckets - 1)];
	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	unlink_use(c, e);
	c->n_entries--;
	c->n_bytes -= cost(e);
	sql_entry_unref(e);
}

void sql_cache_free(struct sql_cache *c)
{
	if (!c)
		return;
	while (c->oldest)
		drop(c, c->oldest);
	free(c->buckets);
	free(c);
}

/* The entry's own copy of all that the key borrows. */
static bool keep_key(struct sql_entry *e, const struct key *k)
{
	struct arena *a = &e->arena;
	const struct sql_session *s = k->session;
	size_t types = (size_t)s->n_param_types * sizeof(*s->param_types);
	e->hash = k->hash;
	e->generation = k->generation;
	e->is_masked = k->is_masked;
	e->text = span_of(arena_strn(a, k->text.p, k->text.len), k->text.len);
	e->session = *s;
	for (int i = 0; i < s->n_paths; i++)
		e->session.paths[i] = arena_str(a, s->paths[i]);
	uint32_t *copy = types ? arena_alloc(a, types) : NULL;
	if (copy)
		memcpy(copy, s->param_types, types);
	e->session.param_types = copy;
	return !arena_failed(a);
}

/* A catalogue that is read again leaves entries that nobody will ask for. Some are let be: other
 * databases' may be among them. */
static void drop_outdated(struct sql_cache *c, const struct sql_entry *new)
{
	struct sql_entry *oldest = NULL;
	int n = 0;
	for (struct sql_entry *e = c->buckets[new->hash &(c->n_buckets - 1)]; e; e = e->chain)
		if (e->hash == new->hash && e->generation != new->generation) {
			n++;
			oldest = e; /* new ones stand in front */
		}
	if (n >= GENERATIONS_MAX)
		drop(c, oldest);
}

static void insert(struct sql_cache *c, struct sql_entry *e)
{
	if (cost(e) > c->max_bytes / 8 || c->max_entries == 0)
		return; /* one text must not push out all others */
	drop_outdated(c, e);
	while (c->oldest && (c->n_entries >= c->max_entries || c->n_bytes + cost(e) > c->max_bytes))
		drop(c, c->oldest);
	struct sql_entry **bucket = &c->buckets[e->hash & (c->n_buckets - 1)];
	e->chain = *bucket;
	*bucket = e;
	link_newest(c, e);
	c->n_entries++;
	c->n_bytes += cost(e);
	sql_entry_ref(e);
}

/* masked: what the text shares with others; p NULL: nothing. k is the text's own. */
static int make(struct sql_cache *c, struct key *k, struct span masked, const struct catalog *cat,
		struct sql_entry **ret_e)
{
	struct sql_entry *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->refs = 1;
	arena_init(&e->arena, RESULT_BYTES);
	int err = sql_analyze(k->text, cat, k->session, &e->arena, &e->result);
	if (!err && masked.p && numbers_are_free(&e->result)) {
		k->text = masked;
		k->is_masked = true;
		k->hash = hash_key(c, k);
	}
	if (!err && !keep_key(e, k))
		err = ERR_LIMIT;
	if (err) {
		sql_entry_unref(e);
		return err;
	}
	insert(c, e);
	*ret_e = e;
	return 0;
}

static struct sql_entry *find(struct sql_cache *c, struct key *k)
{
	k->hash = hash_key(c, k);
	struct sql_entry *e = c->buckets[k->hash & (c->n_buckets - 1)];
	while (e && !is_match(e, k))
		e = e->chain;
	if (e && e != c->newest) {
		unlink_use(c, e);
		link_newest(c, e);
	}
	return e;
}

int sql_cache_get(struct sql_cache *c, struct span text, const struct catalog *cat,
		  const struct sql_session *s, struct sql_entry **ret_e)
{
	struct span masked = {0};
	struct key k = {.text = text, .generation = catalog_generation(cat), .session = s};
	struct sql_entry *e = NULL;
	if (numbers_mask(text, c->masked)) {
		masked = k.text = span_of(c->masked, text.len);
		k.is_masked = true;
		e = find(c, &k);
		k.text = text;
		k.is_masked = false;
	}
	if (!e)
		e = find(c, &k);
	if (!e)
		return make(c, &k, masked, cat, ret_e);
	*ret_e = sql_entry_ref(e);
	return 0;
}

static __thread struct sql_cache *here;
static pthread_key_t here_key;
static pthread_once_t here_once = PTHREAD_ONCE_INIT;

static void free_here(void *c)
{
	sql_cache_free(c);
}

static void make_here_key(void)
{
	if (pthread_key_create(&here_key, free_here) != 0)
		abort();
}

struct sql_cache *sql_cache_here(void)
{
	if (here)
		return here;
	pthread_once(&here_once, make_here_key);
	if (sql_cache_new(HERE_ENTRIES, HERE_BYTES, &here) == 0)
		pthread_setspecific(here_key, here);
	return here;
}
