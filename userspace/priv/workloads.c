#include "priv/workloads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"

#define FILE_LIMIT (16 * 1024 * 1024)
#define PIDS_MAX   256

int workloads_init(struct workloads *w, struct kernel *k, const char *run_dir)
{
	*w = (struct workloads){.kernel = k};
	/* Rises over restarts, so that a generation never comes back for the same cgroup. */
	w->last_generation = (uint32_t)(clock_real_ns() / NS_PER_SEC);
	return asprintf(&w->path, "%s/state.json", run_dir) < 0 ? -ENOMEM : 0;
}

static void workload_free(struct workload *l)
{
	free(l->session);
	free(l->cgroup);
	json_decref(l->state);
	free(l);
}

static void netns_free(struct netns *n)
{
	for (int i = 0; i < LISTEN_FDS; i++)
		closep(&n->l.fds[i]);
	free(n);
}

void workloads_done(struct workloads *w)
{
	for (struct workload *l = w->first, *next; l; l = next) {
		next = l->next;
		workload_free(l);
	}
	for (struct netns *n = w->netns, *next; n; n = next) {
		next = n->next;
		netns_free(n);
	}
	free(w->path);
}

/* --- the file ----------------------------------------------------------------------------------- */

static json_t *workload_json(const struct workload *l)
{
	return json_pack("{s:s,s:s,s:I,s:I,s:b,s:b,s:b,s:O}", "session", l->session, "cgroup", l->cgroup,
			 "cgroup_id", (json_int_t)l->cgroup_id, "generation", (json_int_t)l->generation,
			 "is_attached", l->is_attached, "is_gone", l->is_gone, "is_orphan", l->is_orphan,
			 "state", l->state);
}

json_t *workloads_json(const struct workloads *w)
{
	json_t *list = json_array();
	for (const struct workload *l = w->first; l; l = l->next)
		json_array_append_new(list, workload_json(l));
	return list;
}

/* A lost file costs the sessions, never the enforcement: the cgroups stay managed. */
static void save(const struct workloads *w)
{
	_cleanup_(freep) char *temp = NULL;
	json_t *list = workloads_json(w);
	int fd = asprintf(&temp, "%s.new", w->path) < 0
			 ? -1
			 : open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0 && json_dumpfd(list, fd, JSON_COMPACT | JSON_SORT_KEYS) == 0 &&
		  rename(temp, w->path) == 0;
	if (fd >= 0)
		close(fd);
	json_decref(list);
	if (!ok)
		log_error("%s cannot be written: %s; a restart would not take the workloads over", w->path,
			  err_text(-errno));
}

/* --- listeners ---------------------------------------------------------------------------------- */

static struct netns *netns_by_cookie(const struct workloads *w, uint64_t cookie)
{
	struct netns *n = w->netns;
	while (n && n->l.netns_cookie != cookie)
		n = n->next;
	return n;
}

static bool uses_netns(const struct workload *l, uint64_t cookie)
{
	for (int i = 0; i < l->n_netns; i++)
		if (l->netns[i] == cookie)
			return true;
	return false;
}

/* Makes sure that the network namespace of a process has listeners, and counts the workload in. */
static int listen_for(struct workloads *w, struct workload *l, int pid)
{
	struct listeners made = {.fds = {-1, -1, -1, -1}};
	int r = kernel_listen(w->kernel, pid, &made);
	if (r < 0 && r != ERR_EXISTS)
		return r;
	struct netns *n = netns_by_cookie(w, made.netns_cookie);
	if (r == 0 && !n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return -ENOMEM;
		n->l = made;
		n->next = w->netns;
		w->netns = n;
		w->on_listen(w->ctx, &n->l);
	}
	if (!n)
		return ERR_STATE;
	if (uses_netns(l, n->l.netns_cookie))
		return 0;
	if (l->n_netns == NETNS_PER_LOAD)
		return ERR_LIMIT;
	l->netns[l->n_netns++] = n->l.netns_cookie;
	n->n_users++;
	return 0;
}

static void netns_drop(struct workloads *w, uint64_t cookie)
{
	for (struct netns **at = &w->netns; *at; at = &(*at)->next) {
		struct netns *n = *at;
		if (n->l.netns_cookie != cookie)
			continue;
		if (--n->n_users > 0)
			return;
		*at = n->next;
		w->on_unlisten(w->ctx, cookie);
		kernel_unlisten(w->kernel, cookie);
		netns_free(n);
		return;
	}
}

static void drop_listeners(struct workloads *w, struct workload *l)
{
	while (l->n_netns > 0)
		netns_drop(w, l->netns[--l->n_netns]);
}

static int read_pids(const char *cgroup, int *ret_pids, int max)
{
	char path[4200];
	int n = 0, pid;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	FILE *f = fopen(path, "re");
	while (f && n < max && fscanf(f, "%d", &pid) == 1)
		if (pid > 0)
			ret_pids[n++] = pid;
	if (f)
		fclose(f);
	return n;
}

/* For all processes in a cgroup and below. */
static void listen_below(struct workloads *w, struct workload *l, const char *cgroup, int depth)
{
	int pids[PIDS_MAX], n = read_pids(cgroup, pids, PIDS_MAX);
	for (int i = 0; i < n; i++)
		if (listen_for(w, l, pids[i]) < 0)
			log_warn("session %s: no listeners for process %d: its connects are refused",
				 l->session, pids[i]);
	DIR *d = depth < 8 ? opendir(cgroup) : NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[4200];
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", cgroup, e->d_name) < (int)sizeof(path))
			listen_below(w, l, path, depth + 1);
	}
	if (d)
		closedir(d);
}

/* --- enrolment ---------------------------------------------------------------------------------- */

struct workload *workload_by_cgroup(const struct workloads *w, uint64_t cgroup_id)
{
	struct workload *l = w->first;
	while (l && l->cgroup_id != cgroup_id)
		l = l->next;
	return l;
}

static struct workload *workload_new(struct workloads *w, const char *session, json_t *state)
{
	struct workload *l = w->n < WORKLOADS_MAX ? calloc(1, sizeof(*l)) : NULL;
	if (!l)
		return NULL;
	l->session = strdup(session);
	l->state = json_incref(state);
	l->generation = ++w->last_generation;
	if (!l->session) {
		workload_free(l);
		return NULL;
	}
	return l;
}

static void link_in(struct workloads *w, struct workload *l)
{
	l->next = w->first;
	w->first = l;
	w->n++;
}

static void unlink_from(struct workloads *w, struct workload *l)
{
	for (struct workload **at = &w->first; *at; at = &(*at)->next) {
		if (*at != l)
			continue;
		*at = l->next;
		w->n--;
		return;
	}
}

/* The order is the point: listeners, then managed, then the process comes in. From its first
 * instruction inside, every connect is ours or refused. */
static int enrol_new(struct workloads *w, struct workload *l, int pid)
{
	int r = listen_for(w, l, pid);
	if (r == 0)
		r = kernel_cgroup_create(w->kernel, l->session, &l->cgroup, &l->cgroup_id);
	if (r < 0)
		return r;
	r = kernel_manage(w->kernel, l->cgroup_id, l->generation);
	if (r == 0)
		r = kernel_cgroup_move(l->cgroup, pid);
	if (r < 0) {
		if (kernel_unmanage(w->kernel, l->cgroup_id) < 0 ||
		    kernel_cgroup_remove(w->kernel, l->cgroup) < 0)
			log_warn("session %s: its cgroup stays behind, managed", l->session);
	}
	return r;
}

static int enrol_existing(struct workloads *w, struct workload *l, const char *path, json_t **ret_foreign)
{
	uint64_t id;
	int r = kernel_cgroup_id(path, &id);
	if (r < 0)
		return r;
	if (workload_by_cgroup(w, id))
		return ERR_EXISTS;
	l->cgroup = strdup(path);
	l->cgroup_id = id;
	l->is_attached = true;
	if (!l->cgroup)
		return -ENOMEM;
	r = kernel_attach_cgroup(w->kernel, path, ret_foreign);
	if (r < 0)
		return r;
	listen_below(w, l, path, 0);
	r = kernel_manage(w->kernel, l->cgroup_id, l->generation);
	if (r < 0 && kernel_detach_cgroup(w->kernel, l->cgroup_id) < 0)
		log_warn("%s: the programs stay attached", path);
	return r;
}

int workload_enrol(struct workloads *w, const char *session, int pid, const char *path, json_t *state,
		   struct workload **ret_w, json_t **ret_foreign)
{
	struct workload *l = workload_new(w, session, state);
	if (!l)
		return ERR_LIMIT;
	int r = path ? enrol_existing(w, l, path, ret_foreign) : enrol_new(w, l, pid);
	if (r < 0) {
		drop_listeners(w, l);
		workload_free(l);
		return r;
	}
	link_in(w, l);
	save(w);
	*ret_w = l;
	return 0;
}

void workload_update(struct workloads *w, struct workload *l, json_t *state)
{
	json_decref(l->state);
	l->state = json_incref(state);
	save(w);
}

static void forget(struct workloads *w, struct workload *l)
{
	if (w->on_ended)
		w->on_ended(w->ctx, l);
	drop_listeners(w, l);
	unlink_from(w, l);
	workload_free(l);
	save(w);
}

static int release_attached(struct workloads *w, struct workload *l)
{
	int r = kernel_unmanage(w->kernel, l->cgroup_id);
	int detached = kernel_detach_cgroup(w->kernel, l->cgroup_id);
	return r < 0 ? r : detached;
}

int workload_unenrol(struct workloads *w, struct workload *l)
{
	int r = 0;
	if (l->is_attached && !l->is_gone && kernel_cgroup_population(l->cgroup) != 0) {
		l->is_orphan = true; /* what still lives there must not be let out */
		save(w);
		return 0;
	}
	if (l->is_attached) {
		r = release_attached(w, l);
	} else {
		r = kernel_cgroup_remove(w->kernel, l->cgroup);
		if (r == -ENOENT)
			r = 0;
		if (r == 0)
			r = kernel_unmanage(w->kernel, l->cgroup_id);
	}
	if (r == ERR_NOT_FOUND)
		r = 0;
	if (r < 0)
		return r;
	forget(w, l);
	return 0;
}

int workload_freeze(struct workloads *w, struct workload *l)
{
	(void)w;
	return kernel_cgroup_freeze(l->cgroup, true);
}

int workload_thaw(struct workloads *w, struct workload *l)
{
	(void)w;
	return kernel_cgroup_freeze(l->cgroup, false);
}

/* A frozen one dies all the same. */
int workload_kill(struct workloads *w, struct workload *l)
{
	(void)w;
	return kernel_cgroup_kill(l->cgroup);
}

int workload_release(struct workloads *w, struct workload *l)
{
	int r = 0;
	if (l->is_attached) {
		l->is_gone = true; /* whoever is inside: that is what was asked for */
	} else {
		r = kernel_cgroup_freeze(l->cgroup, true); /* nobody forks past us */
		if (r == 0)
			r = kernel_cgroup_release(w->kernel, l->cgroup, l->session);
	}
	return r < 0 ? r : workload_unenrol(w, l);
}

void workloads_sweep(struct workloads *w)
{
	for (struct workload *l = w->first, *next; l; l = next) {
		next = l->next;
		if (l->is_orphan && kernel_cgroup_population(l->cgroup) <= 0 && workload_unenrol(w, l) < 0)
			log_warn("%s cannot be released yet", l->cgroup);
	}
}

void workloads_remove_all(struct workloads *w)
{
	for (struct workload *l = w->first, *next; l; l = next) {
		next = l->next;
		l->is_gone =
			true; /* attached ones are let go whoever is inside: that is what was asked for */
		if (workload_unenrol(w, l) < 0)
			log_warn("%s cannot be removed", l->cgroup);
	}
}

/* --- after a restart ---------------------------------------------------------------------------- */

static struct workload *workload_of(const json_t *j)
{
	const char *session, *cgroup;
	json_int_t id, generation;
	int is_attached, is_orphan, is_gone;
	json_t *state;
	struct workload *l = calloc(1, sizeof(*l));
	if (!l ||
	    json_unpack((json_t *)j, "{s:s,s:s,s:I,s:I,s:b,s:b,s:b,s:o}", "session", &session, "cgroup",
			&cgroup, "cgroup_id", &id, "generation", &generation, "is_attached", &is_attached,
			"is_orphan", &is_orphan, "is_gone", &is_gone, "state", &state) < 0) {
		free(l);
		return NULL;
	}
	*l = (struct workload){.session = strdup(session),
			       .cgroup = strdup(cgroup),
			       .cgroup_id = (uint64_t)id,
			       .generation = (uint32_t)generation,
			       .is_attached = is_attached,
			       .is_orphan = is_orphan,
			       .state = json_incref(state)};
	return l;
}

static bool still_lives(struct workloads *w, const struct workload *l, const uint64_t *managed, int n)
{
	uint64_t id;
	bool is_managed = false;
	for (int i = 0; i < n; i++)
		is_managed = is_managed || managed[i] == l->cgroup_id;
	(void)w;
	return is_managed && kernel_cgroup_id(l->cgroup, &id) == 0 && id == l->cgroup_id &&
	       kernel_cgroup_population(l->cgroup) > 0;
}

/* What the kernel side manages and the file does not know has no session: it stays refused. */
static void warn_unknown(const struct workloads *w, const uint64_t *managed, int n)
{
	for (int i = 0; i < n; i++)
		if (!workload_by_cgroup(w, managed[i]))
			log_warn("cgroup %llu is managed and has no session: it stays refused",
				 (unsigned long long)managed[i]);
}

static json_t *read_file(const char *path)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
	    fd_read_all(fd, FILE_LIMIT, &text, &len) < 0)
		return NULL;
	return json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
}

int workloads_restore(struct workloads *w)
{
	static uint64_t managed[WORKLOADS_MAX];
	int n = kernel_managed(w->kernel, managed, WORKLOADS_MAX), live = 0;
	json_t *list = read_file(w->path), *item;
	size_t i;
	json_array_foreach(list, i, item) {
		struct workload *l = workload_of(item);
		if (!l)
			continue;
		link_in(w, l);
		w->last_generation = MAX(w->last_generation, l->generation);
		l->is_gone = !still_lives(w, l, managed, n);
		if (l->is_gone)
			continue;
		listen_below(w, l, l->cgroup, 0);
		live++;
	}
	json_decref(list);
	warn_unknown(w, managed, MAX(n, 0));
	workloads_sweep(w);
	return live;
}
