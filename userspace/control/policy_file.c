/* The policy file: read through the monitor, compiled, put into force whole or not at all, and watched. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "control/control_internal.h"
#include "record/event.h"

#define SETTLE_MS 150 /* an editor makes several changes of one */
#define EARLY_MS  100
#define POLL_MS	  2000 /* where inotify sees nothing: a folder that we may not read, a link out of it */

static void hash_of(struct span text, char hex[65])
{
	uint8_t sha[32];
	SHA256(text.p, text.len, sha);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sha[i]);
}

static int record(struct control *c, const char *hash, const char *error)
{
	struct event_ctx ctx = {.node = c->cfg->node, .time_ns = clock_real_ns()};
	struct buf event;
	buf_init(&event, RING_EVENT_MAX);
	event_policy(&event, &ctx, hash, error);
	return control_record(c, &event);
}

static void keep_error(struct control *c, const struct policy_errors *e)
{
	free(c->policy.last_error);
	c->policy.last_error = NULL;
	if (asprintf(&c->policy.last_error, "%s:%d:%d: %s", c->cfg->policy, e->n ? e->at[0].line : 1,
		     e->n ? e->at[0].column : 1, e->n ? e->at[0].text : "cannot be read") < 0)
		c->policy.last_error = NULL;
}

static void refuse(struct control *c, const char *hash, const struct policy_errors *e)
{
	keep_error(c, e);
	for (int i = 0; i < e->n; i++)
		log_error("%s:%d:%d: %s", c->cfg->policy, e->at[i].line, e->at[i].column, e->at[i].text);
	log_error("the policy is not taken; %s",
		  c->policy.plan ? "the one before stays in force" : "there is none: nothing passes");
	if (record(c, hash, c->policy.last_error) < 0)
		log_error("a refused policy is not recorded");
}

static void add_declared(const struct resource *r, json_t *names, json_t *nets)
{
	for (int i = 0; i < r->n_matches; i++) {
		const struct match *m = &r->matches[i];
		struct addr a = {.port = 0};
		char ip[ADDR_TEXT], text[ADDR_TEXT + 8];
		if (m->host) {
			json_array_append_new(names, json_string(m->host));
			continue;
		}
		memcpy(a.ip, m->net, sizeof(a.ip));
		bool is_v4 = addr_is_v4(&a) && m->prefix_len >= 96;
		snprintf(text, sizeof(text), "%s/%d", addr_ip_text(&a, ip),
			 is_v4 ? m->prefix_len - 96 : m->prefix_len);
		json_array_append_new(nets, json_string(text));
	}
}

static bool offers_tls(const struct resource *r)
{
	return !strcmp(r->protocol, "postgres") && r->client_tls != CLIENT_TLS_REFUSE;
}

bool policy_offers_tls(const struct plan *p)
{
	for (int i = 0; i < plan_n_resources(p); i++)
		if (offers_tls(plan_resource(p, i)))
			return true;
	return false;
}

/* The monitor signs certificates for these, and for nothing else. Without them TLS with clients fails,
 * and nothing opens. */
static void declare_names(struct control *c)
{
	json_t *names = json_array(), *nets = json_array();
	json_t *all = json_pack("{s:o, s:o}", "names", names, "nets", nets);
	struct msg answer = {0};
	char why[200] = "out of memory";
	int fd = -1;
	for (int i = 0; all && i < plan_n_resources(c->policy.plan); i++) {
		const struct resource *r = plan_resource(c->policy.plan, i);
		if (offers_tls(r))
			add_declared(r, names, nets);
	}
	_cleanup_(freep) char *text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	int r = text ? memfd_of(text, strlen(text), &fd) : -ENOMEM;
	if (r == 0)
		r = monitor_call(c, json_pack("{s:s}", "t", "declare"), fd, &answer, why, sizeof(why));
	if (r < 0)
		log_error("workloads will not get TLS: %s", why);
	msg_done(&answer);
	closep(&fd);
}

/* The event first: nothing is decided by a policy that is not on record. */
static int adopt(struct control *c, struct plan *plan, struct span text)
{
	int fd = -1, r = memfd_of(text.p, text.len, &fd);
	if (r == 0)
		r = record(c, plan_hash(plan), NULL);
	if (r < 0) {
		closep(&fd);
		plan_unref(plan);
		return r;
	}
	plan_unref(c->policy.plan);
	closep(&c->policy.text_fd);
	free(c->policy.last_error);
	c->policy.last_error = NULL;
	c->policy.plan = plan;
	c->policy.text_fd = fd;
	log_info("policy %.12s is in force", plan_hash(plan));
	declare_names(c);
	proxy_send_policy(c);
	approvals_policy(c);
	live_changed(c, "policy");
	return 0;
}

static int compile(struct control *c, struct span text, const char *hash, struct policy_errors *e)
{
	struct plan *plan = NULL;
	int r = plan_compile(text, &plan, e);
	for (int i = 0; i < e->n_warnings; i++)
		log_warn("%s:%d:%d: %s", c->cfg->policy, e->warnings[i].line, e->warnings[i].column,
			 e->warnings[i].text);
	if (r == 0)
		r = adopt(c, plan, text);
	else
		refuse(c, hash, e);
	if (r == 0 || r == ERR_CONFIG || r == ERR_LIMIT)
		memcpy(c->policy.seen_hash, hash, sizeof(c->policy.seen_hash)); /* else it is tried again */
	return r;
}

int policy_reload(struct control *c, struct policy_errors *ret_errors, bool *ret_changed)
{
	_cleanup_(freep) struct policy_errors *e = calloc(1, sizeof(*e));
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int fd = -1;
	char hash[65], why[200];
	size_t len = 0;
	if (!e)
		return -ENOMEM;
	int r = monitor_open(c, json_pack("{s:s}", "t", "open_policy"), &fd, why, sizeof(why));
	if (r == 0)
		r = fd_read_all(fd, POLICY_MAX, &text, &len);
	if (r < 0) {
		e->n = 1;
		e->at[0] = (struct policy_error){1, 1, ""};
		snprintf(e->at[0].text, sizeof(e->at[0].text), "cannot be read: %s",
			 fd < 0 ? why : err_text(r));
		if (!c->policy.last_error || strcmp(c->policy.seen_hash, "unreadable"))
			refuse(c, "", e);
		snprintf(c->policy.seen_hash, sizeof(c->policy.seen_hash), "unreadable");
		r = ERR_CONFIG;
	} else {
		hash_of(span_of(text, len), hash);
		*ret_changed = strcmp(hash, c->policy.seen_hash) != 0;
		/* The same bad text again: compiled for its errors, when somebody asks for them. */
		if (*ret_changed)
			r = compile(c, span_of(text, len), hash, e);
		else if (c->policy.last_error && ret_errors) {
			struct plan *unused = NULL;
			r = plan_compile(span_of(text, len), &unused, e);
			plan_unref(unused);
		}
		else if (ret_errors && c->policy.plan)
			proxy_send_policy(c); /* the keys of masks may have changed */
	}
	if (ret_errors)
		*ret_errors = *e;
	return r;
}

static struct control *control_of_watch(struct source *s)
{
	return (struct control *)((char *)s - offsetof(struct control, policy.watch));
}

static void on_watch(struct source *s, uint32_t events)
{
	struct control *c = control_of_watch(s);
	_Alignas(struct inotify_event) char junk[4096];
	(void)events;
	while (read(s->fd, junk, sizeof(junk)) > 0)
		;
	if (loop_timer_in_ms(c->loop, &c->policy.settle, SETTLE_MS) < 0)
		log_warn("a change of the policy may be seen late");
}

static void on_settle(struct timer *t)
{
	struct control *c = (struct control *)((char *)t - offsetof(struct control, policy.settle));
	bool changed;
	if (policy_reload(c, NULL, &changed) < 0)
		log_debug("the policy is not taken"); /* why, was said and recorded there */
}

static void on_poll(struct timer *t)
{
	struct control *c = (struct control *)((char *)t - offsetof(struct control, policy.poll));
	bool changed;
	/* Until the recorder is up, nothing can come into force. */
	bool is_early = policy_reload(c, NULL, &changed) == ERR_RECORD;
	if (loop_timer_in_ms(c->loop, t, is_early ? EARLY_MS : POLL_MS) < 0)
		loop_stop(c->loop);
}

/* The folder, not the file: it sees renames over the file and swaps of a link beside it. */
static void watch(struct control *c)
{
	char path[256];
	snprintf(path, sizeof(path), "%s", c->cfg->policy);
	c->policy.watch = (struct source){inotify_init1(IN_CLOEXEC | IN_NONBLOCK), EPOLLIN, on_watch, false};
	if (c->policy.watch.fd < 0 ||
	    inotify_add_watch(c->policy.watch.fd, dirname(path),
			      IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0 ||
	    loop_add(c->loop, &c->policy.watch) < 0)
		log_info("the policy's folder cannot be watched: it is looked at every %d ms", POLL_MS);
}

void policy_init(struct control *c)
{
	c->policy.text_fd = -1;
	timer_init(&c->policy.settle, on_settle);
	timer_init(&c->policy.poll, on_poll);
	watch(c);
	on_poll(&c->policy.poll);
}

void policy_done(struct control *c)
{
	plan_unref(c->policy.plan);
	closep(&c->policy.text_fd);
	closep(&c->policy.watch.fd);
	free(c->policy.last_error);
}
