#include "control/hooks.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"

#define SEND_MS	     5000
#define ANSWER_LIMIT (64 * 1024)

static const int waits_s[HOOK_TRIES] = {0, 1, 5, 30, 120, 600};

/* One notice to one receiver. */
struct delivery {
	struct delivery *next;
	struct hook_queue *q;
	const struct hook_state *to;
	char *body;
	char id[40];
	int tries;
	uint64_t due_ns;
	bool is_on_its_way;
};

static void on_due(struct timer *t);

/* --- secrets ------------------------------------------------------------------------------------
 */

static char *read_secret(struct control *c, const struct hook *h)
{
	_cleanup_(closep) int fd = -1;
	char *text = NULL, why[300] = "";
	size_t len = 0;
	int r = monitor_open(c, json_pack("{s:s,s:s}", "t", "open_key", "path", h->secret + 5), &fd,
			     why, sizeof(why));
	if (r == 0)
		r = fd_read_all(fd, 4096, &text, &len);
	if (r == 0) {
		text[strcspn(text, "\r\n")] = 0;
		if (strlen(text) >= HOOK_SECRET_MIN)
			return text;
		snprintf(why, sizeof(why), "shorter than %d characters", HOOK_SECRET_MIN);
	}
	log_error("webhook \"%s\" is off: its secret %s: %s", h->name, h->secret,
		  *why ? why : err_text(r));
	free(text);
	return NULL;
}

void hooks_init(struct control *c)
{
	struct hook_queue *q = &c->hooks;
	*q = (struct hook_queue){.c = c};
	timer_init(&q->due, on_due);
	for (; q->n < c->cfg->hooks.n; q->n++) {
		const struct hook *h = &c->cfg->hooks.at[q->n];
		q->at[q->n] = (struct hook_state){h, read_secret(c, h)};
	}
	if (q->n)
		q->seen = calloc(1, sizeof(*q->seen));
}

/* --- out ----------------------------------------------------------------------------------------
 */

static void delivery_free(struct delivery *d)
{
	struct hook_queue *q = d->q;
	for (struct delivery **at = &q->first; *at; at = &(*at)->next) {
		if (*at == d) {
			*at = d->next;
			q->n_waiting--;
			break;
		}
	}
	free(d->body);
	free(d);
}

void hooks_done(struct control *c)
{
	struct hook_queue *q = &c->hooks;
	loop_timer_del(c->loop, &q->due);
	for (int i = 0; i < q->n; i++) {
		if (q->at[i].secret)
			explicit_bzero(q->at[i].secret, strlen(q->at[i].secret));
		free(q->at[i].secret);
	}
	free(q->seen);
}

/* A line of the file of those that nobody took; the monitor opens it. */
static void bury(struct delivery *d, const char *why)
{
	struct control *c = d->q->c;
	_cleanup_(closep) int fd = -1;
	char reason[300];
	d->q->n_dead++;
	log_error("webhook \"%s\": a notice is given up after %d tries: %s", d->to->hook->name,
		  d->tries, why);
	json_t *line =
	    json_pack("{s:s,s:s,s:I,s:s,s:s}", "webhook", d->to->hook->name, "id", d->id, "time",
		      (json_int_t)(clock_real_ns() / NS_PER_SEC), "why", why, "body", d->body);
	_cleanup_(freep) char *text = line ? json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(line);
	int r = monitor_open(c, json_pack("{s:s}", "t", "open_dead_letters"), &fd, reason,
			     sizeof(reason));
	if (r == 0 && text && (dprintf(fd, "%s\n", text) < 0))
		r = -errno;
	if (r < 0)
		log_error("and cannot be kept: %s", err_text(r));
}

static void arm(struct hook_queue *q)
{
	uint64_t soonest = UINT64_MAX;
	for (const struct delivery *d = q->first; d; d = d->next)
		if (!d->is_on_its_way)
			soonest = MIN(soonest, d->due_ns);
	if (soonest != UINT64_MAX && loop_timer_at(q->c->loop, &q->due, soonest) < 0)
		log_error("webhooks: no timer");
}

static void failed(struct delivery *d, const char *why)
{
	d->is_on_its_way = false;
	if (d->tries >= HOOK_TRIES) {
		bury(d, why);
		delivery_free(d);
		return;
	}
	log_warn("webhook \"%s\": try %d of %d: %s", d->to->hook->name, d->tries, HOOK_TRIES, why);
	d->due_ns = clock_mono_ns() + (uint64_t)waits_s[d->tries] * NS_PER_SEC;
}

static void on_answer(struct fetch_job *j)
{
	struct delivery *d = j->ctx;
	struct hook_queue *q = d->q;
	if (j->err == 0 && j->status / 100 == 2) {
		q->n_sent++;
		delivery_free(d);
	} else {
		if (j->err == 0)
			snprintf(j->why, sizeof(j->why), "the receiver answers with status %ld",
				 j->status);
		failed(d, j->why);
	}
	arm(q);
}

static int send_now(struct delivery *d)
{
	char signature[NOTICE_SIGNATURE], time[64], sign[100], id[80];
	int64_t now = (int64_t)(clock_real_ns() / NS_PER_SEC);
	notice_sign(span_str(d->to->secret), now, span_str(d->body), signature);
	snprintf(time, sizeof(time), "X-Sluice-Timestamp: %lld", (long long)now);
	snprintf(sign, sizeof(sign), "X-Sluice-Signature: %s", signature);
	snprintf(id, sizeof(id), "X-Sluice-Id: %s", d->id); /* the same for each try */
	struct fetch f = {.url = d->to->hook->url,
			  .body = d->body,
			  .type = "application/json",
			  .headers = {time, sign, id},
			  .timeout_ms = SEND_MS,
			  .limit = ANSWER_LIMIT};
	return fetch_start(d->q->c, &f, on_answer, d);
}

static void on_due(struct timer *t)
{
	struct hook_queue *q = (struct hook_queue *)((char *)t - offsetof(struct hook_queue, due));
	uint64_t now = clock_mono_ns();
	for (struct delivery *d = q->first; d; d = d->next) {
		if (d->is_on_its_way || d->due_ns > now)
			continue;
		if (send_now(d) < 0) {
			d->due_ns =
			    now + NS_PER_SEC; /* too many fetches at a time: no try of its own */
		} else {
			d->is_on_its_way = true;
			d->tries++;
		}
	}
	arm(q);
}

static void enqueue(struct hook_queue *q, const struct hook_state *to, const char *type,
		    const json_t *about)
{
	struct delivery *d = q->n_waiting < HOOK_QUEUE_MAX ? calloc(1, sizeof(*d)) : NULL;
	const char *request = json_string_value(json_object_get(about, "request")),
		   *url = q->c->cfg->public_url;
	char link[400], secret[OIDC_SECRET];
	struct buf b;
	if (!d || oidc_secret(secret) < 0) {
		log_error("webhook \"%s\": too many notices wait; this one is lost",
			  to->hook->name);
		free(d);
		return;
	}
	snprintf(link, sizeof(link), "%s%srequests/%s", url ? url : "",
		 url && url[strlen(url) - 1] == '/' ? "" : "/", request ? request : "");
	buf_init(&b, 256 * 1024);
	notice_write(&b, to->hook->format, type, about, url ? link : NULL,
		     (int64_t)(clock_real_ns() / NS_PER_SEC));
	buf_add_u8(&b, 0);
	d->q = q;
	d->to = to;
	d->body = buf_err(&b) ? NULL : strdup((const char *)buf_span(&b).p);
	buf_done(&b);
	snprintf(d->id, sizeof(d->id), "n-%.20s", secret);
	d->due_ns = clock_mono_ns();
	if (!d->body) {
		free(d);
		return;
	}
	d->next = q->first;
	q->first = d;
	q->n_waiting++;
}

static void tell(struct control *c, const json_t *names, const char *type, const json_t *about, bool is_for_all)
{
	struct hook_queue *q = &c->hooks;
	size_t i;
	json_t *name;
	json_array_foreach((json_t *)names, i, name)
	{
		for (int k = 0; k < q->n; k++)
			if (q->at[k].secret && (is_for_all || q->at[k].hook->format == HOOK_JSON) &&
			    !strcmp(q->at[k].hook->name, json_string_value(name)))
				enqueue(q, &q->at[k], type, about);
	}
	arm(q);
}

void hooks_tell(struct control *c, const json_t *names, const char *type, const json_t *about)
{
	tell(c, names, type, about, true);
}

void hooks_tell_programs(struct control *c, const json_t *names, const char *type, const json_t *about)
{
	tell(c, names, type, about, false);
}
