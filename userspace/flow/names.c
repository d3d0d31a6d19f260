#include "flow/names.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "flow/dests.h"
#include "flow/list.h"
#include "flow/worker.h"
#include "kernel/flowmap.h"

#define KEEP_NS (600 * NS_PER_SEC) /* agents hold on to an address longer than its TTL */

struct seen {
	struct addr addr;
	uint64_t at_ns;
};

struct name_entry {
	struct name_entry *next;
	int err;
	uint64_t at_ns; /* of the last answer */
	struct names_answer answer;
	struct seen seen[2 * NAMES_ADDRS]; /* of this answer and former ones */
	int n_seen;
	char name[NAMES_TEXT];
};

struct names {
	pthread_mutex_t mutex;
	struct plan *plan;
	struct dests dests;
	struct name_entry *entries;
};

int names_new(int dest_map_fd, struct names **ret_n)
{
	struct names *n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	pthread_mutex_init(&n->mutex, NULL);
	n->dests.map_fd = dest_map_fd;
	*ret_n = n;
	return 0;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	while (n->entries) {
		struct name_entry *e = n->entries;
		n->entries = e->next;
		free(e);
	}
	plan_unref(n->plan);
	dests_done(&n->dests);
	pthread_mutex_destroy(&n->mutex);
	free(n);
}

static struct name_entry *find(struct names *n, const char *name)
{
	struct name_entry *e = n->entries;
	while (e && strcmp(e->name, name))
		e = e->next;
	return e;
}

/* Calls fn for each thing that the plan's resources answer to. */
static int each_match(const struct plan *p, int (*fn)(struct names *, const struct match *),
		      struct names *n)
{
	int err = 0;
	for (int i = 0; p && i < plan_n_resources(p) && !err; i++) {
		const struct resource *r = plan_resource(p, i);
		for (int k = 0; k < r->n_matches && !err; k++)
			err = fn(n, &r->matches[k]);
	}
	return err;
}

static int want_match(struct names *n, const struct match *m)
{
	if (!m->host)
		return dests_want(&n->dests, m->net, m->prefix_len, m->port);
	struct name_entry *e = find(n, m->host);
	int err = 0;
	for (int i = 0; e && i < e->n_seen && !err; i++)
		err = dests_want(&n->dests, e->seen[i].addr.ip, 128, m->port);
	return err;
}

static void tell_kernel(struct names *n)
{
	dests_begin(&n->dests);
	int err = each_match(n->plan, want_match, n);
	if (!err)
		err = dests_commit(&n->dests);
	if (err)
		log_error("declared destinations did not reach the kernel: %s", err_text(err));
}

static void drop_undeclared(struct names *n)
{
	for (struct name_entry **at = &n->entries; *at;) {
		struct name_entry *e = *at;
		if (plan_declares_name(n->plan, e->name)) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		free(e);
	}
}

void names_set_plan(struct names *n, struct plan *plan)
{
	pthread_mutex_lock(&n->mutex);
	if (!n->plan && n->dests.map_fd >= 0) {
		int err = dest_clear(n->dests.map_fd);
		if (err)
			log_error("declared destinations of before: %s", err_text(err));
	}
	struct plan *old = n->plan;
	n->plan = plan_ref(plan);
	plan_unref(old);
	drop_undeclared(n);
	tell_kernel(n);
	pthread_mutex_unlock(&n->mutex);
}

bool names_lookup(struct names *n, const char *name, struct names_answer *ret)
{
	pthread_mutex_lock(&n->mutex);
	const struct name_entry *e = find(n, name);
	bool is_young = e && e->at_ns && clock_mono_ns() - e->at_ns < NAMES_TTL_S * NS_PER_SEC;
	if (is_young) {
		*ret = e->answer;
		ret->ttl_s = NAMES_TTL_S - (uint32_t)((clock_mono_ns() - e->at_ns) / NS_PER_SEC);
	}
	pthread_mutex_unlock(&n->mutex);
	return is_young;
}

int names_of(struct names *n, const struct addr *a, bool (*keep)(void *ctx, const char *name, bool is_local), void *ctx,
	     char (*ret)[NAMES_TEXT], int max)
{
	int found = 0;
	pthread_mutex_lock(&n->mutex);
	for (const struct name_entry *e = n->entries; e && found < max; e = e->next) {
		for (int i = 0; i < e->n_seen; i++) {
			if (memcmp(e->seen[i].addr.ip, a->ip, 16))
				continue;
			if (keep(ctx, e->name, e->answer.is_local))
				memcpy(ret[found++], e->name, NAMES_TEXT);
			break;
		}
	}
	pthread_mutex_unlock(&n->mutex);
	return found;
}

#define HOSTS_FILE  "/etc/hosts"
#define HOSTS_BYTES (1024 * 1024)

bool names_stands_in(const char *hosts_file, const char *name)
{
	_cleanup_(freep) char *line = NULL;
	size_t cap = 0, total = 0;
	ssize_t n;
	FILE *f = fopen(hosts_file, "re");
	bool is_there = false;
	while (f && !is_there && total < HOSTS_BYTES && (n = getline(&line, &cap, f)) > 0) {
		char *state = NULL, *word;
		total += (size_t)n;
		line[strcspn(line, "#")] = '\0';
		word = strtok_r(line, " \t\r\n", &state); /* the address */
		while (word && (word = strtok_r(NULL, " \t\r\n", &state)))
			is_there |= !strcasecmp(word, name);
	}
	if (f)
		fclose(f);
	return is_there;
}

/* A name with a dot is whole: the node's search list would make others of it, and ask for those first. (A hosts file
 * knows names without the final dot.) */
static void ask(const char *name, struct names_answer *ret)
{
	char whole[NAMES_TEXT + 1];
	bool is_local = names_stands_in(HOSTS_FILE, name);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
	snprintf(whole, sizeof(whole), "%s%s", name, !is_local && strchr(name, '.') ? "." : "");
	int r = getaddrinfo(whole, NULL, &hints, &all);
	*ret = (struct names_answer){.ttl_s = NAMES_TTL_S, .is_local = is_local};
	if (r) {
		ret->err = r == EAI_NONAME || r == EAI_NODATA ? ERR_NOT_FOUND : ERR_UPSTREAM;
		return;
	}
	for (struct addrinfo *a = all; a && ret->n < NAMES_ADDRS; a = a->ai_next)
		if (!addr_from_sockaddr(a->ai_addr, &ret->addrs[ret->n])) {
			ret->addrs[ret->n].port = 0;
			ret->n++;
		}
	freeaddrinfo(all);
}

static void see(struct name_entry *e, const struct addr *a, uint64_t now)
{
	int at = 0;
	while (at < e->n_seen && memcmp(e->seen[at].addr.ip, a->ip, 16))
		at++;
	if (at == (int)ARRAY_LEN(e->seen)) { /* full: the one not seen for longest goes */
		at = 0;
		for (int i = 1; i < e->n_seen; i++)
			at = e->seen[i].at_ns < e->seen[at].at_ns ? i : at;
	} else if (at == e->n_seen) {
		e->n_seen++;
	}
	e->seen[at] = (struct seen){*a, now};
}

static void forget(struct name_entry *e, uint64_t now)
{
	int kept = 0;
	for (int i = 0; i < e->n_seen; i++)
		if (now - e->seen[i].at_ns < KEEP_NS)
			e->seen[kept++] = e->seen[i];
	e->n_seen = kept;
}

static struct name_entry *add_entry(struct names *n, const char *name)
{
	struct name_entry *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->next = n->entries;
	n->entries = e;
	return e;
}

static void store(struct names *n, const char *name, const struct names_answer *a)
{
	uint64_t now = clock_mono_ns();
	struct name_entry *e = find(n, name);
	if (!n->plan || !plan_declares_name(n->plan, name))
		return; /* withdrawn meanwhile */
	e = e ? e : add_entry(n, name);
	if (!e)
		return;
	if (a->err && (!e->at_ns || !e->answer.err))
		log_warn("the declared name %s does not resolve", name);
	e->answer = *a;
	e->at_ns = now;
	for (int i = 0; i < a->n; i++)
		see(e, &a->addrs[i], now);
	forget(e, now);
	tell_kernel(n);
}

void names_resolve(struct names *n, const char *name, struct names_answer *ret)
{
	pthread_mutex_lock(&n->mutex);
	bool is_declared =
	    n->plan && strlen(name) < NAMES_TEXT && plan_declares_name(n->plan, name);
	pthread_mutex_unlock(&n->mutex);
	if (!is_declared) { /* one with a search domain behind it */
		*ret = (struct names_answer){.err = ERR_NOT_FOUND};
		return;
	}
	ask(name, ret);
	pthread_mutex_lock(&n->mutex);
	store(n, name, ret);
	pthread_mutex_unlock(&n->mutex);
}

struct refresh {
	struct job job;
	struct names *names;
	char name[NAMES_TEXT];
};

static void refresh_work(struct job *job)
{
	struct refresh *r = container_of(job, struct refresh, job);
	struct names_answer a;
	names_resolve(r->names, r->name, &a);
	free(r);
}

void names_refresh(struct names *n, struct pool *pool)
{
	pthread_mutex_lock(&n->mutex);
	struct plan *p = n->plan ? plan_ref(n->plan) : NULL;
	pthread_mutex_unlock(&n->mutex);
	for (int i = 0; p && i < plan_n_resources(p); i++) {
		const struct resource *res = plan_resource(p, i);
		for (int k = 0; k < res->n_matches; k++) {
			const char *host = res->matches[k].host;
			struct refresh *r = host ? calloc(1, sizeof(*r)) : NULL;
			if (!r)
				continue;
			r->job.work = refresh_work;
			r->names = n;
			snprintf(r->name, sizeof(r->name), "%s", host);
			if (pool_submit(pool, &r->job) < 0)
				free(r);
		}
	}
	plan_unref(p);
}
