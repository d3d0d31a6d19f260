#include "flow/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macro.h"
#include "policy/policy.h"

#define BACKLOG_MAX (16 * 1024 * 1024)
#define EVENT_KEEP  (64 * 1024)

int journal_init(struct journal *j, const struct ring_desc *d, size_t payload_limit)
{
	parts_init(&j->parts, payload_limit);
	buf_init(&j->event, 2 * RING_EVENT_MAX);
	buf_init(&j->backlog, BACKLOG_MAX);
	list_init(&j->holds);
	list_init(&j->free_holds);
	list_init(&j->ready);
	j->wake.fd = d->to_producer;
	return ring_open(d, &j->ring);
}

static void free_holds(struct list *head)
{
	list_each(at, head)
	{
		struct hold *h = container_of(at, struct hold, link);
		plan_unref(h->plan);
		free(h);
	}
	list_init(head);
}

void journal_done(struct journal *j)
{
	free_holds(&j->holds);
	free_holds(&j->free_holds);
	parts_done(&j->parts);
	buf_done(&j->event);
	buf_done(&j->backlog);
	ring_free(j->ring);
	j->ring = NULL;
}

static int put(struct journal *j, struct span event, uint64_t *ret_ticket)
{
	uint64_t ticket = 0;
	int r = ring_put(j->ring, event, &ticket);
	if (!r && ret_ticket)
		*ret_ticket = ticket;
	return r;
}

bool journal_drain(struct journal *j)
{
	while (buf_len(&j->backlog)) {
		struct span s = buf_span(&j->backlog);
		uint32_t len;
		memcpy(&len, s.p, 4);
		int r = put(j, span_of(s.p + 4, len), NULL);
		if (r == ERR_FULL || r == ERR_RECORD)
			return false;
		j->lost += r != 0;
		buf_consume(&j->backlog, 4 + len);
	}
	if (j->backlog.cap > EVENT_KEEP)
		buf_done(&j->backlog);
	return true;
}

static void event_clear(struct journal *j)
{
	if (j->event.cap > EVENT_KEEP)
		buf_done(&j->event);
	else
		buf_reset(&j->event);
}

/* Before the event, once there is room for both. */
static int put_parts(struct journal *j)
{
	struct span part;
	size_t n = 1;
	int r = 0;
	for (size_t at = 0; parts_next(&j->parts, &at, &part);)
		n++;
	if (!ring_has_room(j->ring, n, buf_len(&j->parts.events) + buf_len(&j->event)))
		return ring_check(j->ring) < 0 ? ERR_RECORD : ERR_FULL;
	for (size_t at = 0; r == 0 && parts_next(&j->parts, &at, &part);)
		r = put(j, part, NULL);
	return r;
}

int journal_put(struct journal *j, uint64_t *ret_ticket)
{
	int r = buf_err(&j->event);
	if (!r && buf_len(&j->backlog) && !journal_drain(j))
		r = ring_check(j->ring) ? ERR_RECORD : ERR_FULL; /* nothing overtakes */
	if (!r && buf_len(&j->parts.events))
		r = put_parts(j);
	if (!r)
		r = put(j, buf_span(&j->event), ret_ticket);
	parts_done(&j->parts); /* large, and rare */
	event_clear(j);
	return r;
}

int journal_note(struct journal *j)
{
	int r = buf_err(&j->event);
	if (!r)
		r = journal_drain(j) ? put(j, buf_span(&j->event), NULL) : ERR_FULL;
	if (r == ERR_FULL || r == ERR_RECORD) { /* a recorder that is dead has a successor soon */
		uint32_t len = (uint32_t)buf_len(&j->event);
		bool has_room = buf_len(&j->backlog) + 4 + len <= BACKLOG_MAX;
		if (has_room) {
			buf_add(&j->backlog, &len, 4);
			buf_add_span(&j->backlog, buf_span(&j->event));
		}
		r = has_room && !buf_err(&j->backlog) ? 0 : ERR_RECORD;
	}
	j->lost += r != 0;
	event_clear(j);
	return r;
}

bool journal_is_durable(struct journal *j, uint64_t ticket)
{
	if (ring_durable(j->ring, ticket))
		return true;
	ring_want(j->ring, ticket);
	return ring_durable(j->ring, ticket);
}

struct hold *journal_hold(struct journal *j)
{
	struct hold *h;
	if (list_empty(&j->free_holds)) {
		h = malloc(sizeof(*h));
		if (!h)
			return NULL;
	} else {
		h = container_of(j->free_holds.next, struct hold, link);
		list_del(&h->link);
	}
	h->plan = NULL;
	list_add(&j->holds, &h->link);
	return h;
}

void journal_unhold(struct journal *j, struct hold *h)
{
	plan_unref(h->plan);
	h->plan = NULL;
	list_del(&h->link);
	list_add(&j->free_holds, &h->link);
}

static void drop_flow(struct journal *j, struct list *head, const struct flow *f)
{
	list_each(at, head)
	{
		struct hold *h = container_of(at, struct hold, link);
		if (h->flow == f)
			journal_unhold(j, h);
	}
}

void journal_drop_flow(struct journal *j, const struct flow *f)
{
	drop_flow(j, &j->holds, f);
	drop_flow(j, &j->ready, f);
}
