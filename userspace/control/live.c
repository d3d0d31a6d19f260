#include <stdio.h>

#include "base/macro.h"
#include "control/api_internal.h"
#include "control/web.h"

#define LIVE_MAX	96 /* people who look, of SERVER_CONNS_MAX */
#define LIVE_PERSON_MAX 8
#define LIVE_GATHER_MS	100 /* many changes are one */
#define LIVE_TICK_MS	15000

static const char *const topics[] = {"requests", "sessions", "grants", "policy", "node"};

struct viewer {
	struct viewer *next;
	struct conn_hold hold;
	struct control *c;
	const struct web_session *s; /* NULL: on the Unix socket */
};

static void on_gone(struct conn_hold *h)
{
	struct viewer *v = (struct viewer *)((char *)h - offsetof(struct viewer, hold));
	struct live *l = &v->c->live;
	for (struct viewer **at = &l->first; *at; at = &(*at)->next) {
		if (*at == v) {
			*at = v->next;
			l->n--;
			break;
		}
	}
	free(v);
}

static void drop(struct viewer *v)
{
	struct conn *conn = v->hold.conn;
	conn_release(&v->hold);
	on_gone(&v->hold);
	conn_stream_end(conn, false);
}

static void tell_all(struct control *c, const char *text)
{
	for (struct viewer *v = c->live.first, *next; v; v = next) {
		next = v->next;
		/* One who does not read learns nothing; he asks anew when he is back. */
		if (conn_stream_full(v->hold.conn))
			drop(v);
		else
			conn_stream_add(v->hold.conn, span_str(text));
	}
}

static void on_gather(struct timer *t)
{
	struct control *c = (struct control *)((char *)t - offsetof(struct control, live.gather));
	char text[64];
	unsigned changed = c->live.changed;
	c->live.changed = 0;
	for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
		if (!(changed & 1u << i))
			continue;
		snprintf(text, sizeof(text), "event: changed\ndata: %s\n\n", topics[i]);
		tell_all(c, text);
	}
}

static void on_tick(struct timer *t)
{
	struct control *c = (struct control *)((char *)t - offsetof(struct control, live.tick));
	tell_all(c, ": here\n\n");
	if (c->live.first && loop_timer_in_ms(c->loop, t, LIVE_TICK_MS) < 0)
		loop_stop(c->loop);
}

void live_init(struct control *c)
{
	timer_init(&c->live.gather, on_gather);
	timer_init(&c->live.tick, on_tick);
}

void live_changed(struct control *c, const char *what)
{
	for (size_t i = 0; i < ARRAY_LEN(topics); i++)
		if (!strcmp(topics[i], what))
			c->live.changed |= 1u << i;
	if (c->live.first && c->live.gather.index < 0 &&
	    loop_timer_in_ms(c->loop, &c->live.gather, LIVE_GATHER_MS) < 0)
		loop_stop(c->loop);
}

void live_session_over(struct control *c, const struct web_session *s)
{
	for (struct viewer *v = c->live.first, *next; v; v = next) {
		next = v->next;
		if (v->s == s)
			drop(v);
	}
}

static int count_of(const struct control *c, const struct web_session *s)
{
	int n = 0;
	for (const struct viewer *v = c->live.first; v; v = v->next)
		n += v->s == s;
	return n;
}

void api_live(struct call *k)
{
	struct live *l = &k->c->live;
	bool has_room = l->n < LIVE_MAX && count_of(k->c, k->web) < LIVE_PERSON_MAX;
	struct viewer *v = has_room ? calloc(1, sizeof(*v)) : NULL;
	if (!v) {
		conn_fail(k->conn, 429, "close another window of the console",
			  "too many who look at a time");
		return;
	}
	v->c = k->c;
	v->s = k->web;
	v->hold.on_gone = on_gone;
	v->next = l->first;
	l->first = v;
	l->n++;
	conn_hold(k->conn, &v->hold);
	conn_stream(k->conn, "text/event-stream");
	if (v == l->first && v->hold.conn)
		conn_stream_add(k->conn, span_str("event: hello\ndata: 1\n\n"));
	if (l->tick.index < 0 && loop_timer_in_ms(k->c->loop, &l->tick, LIVE_TICK_MS) < 0)
		loop_stop(k->c->loop);
}
