#include "record/ring_consumer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "record/ring_layout.h"

struct ring_consumer {
	struct ring_header *h;
	uint8_t *data;
	bool wipes;
	uint64_t size;
	uint64_t pos;  /* read up to here */
	uint64_t tail; /* committed up to here */
	uint64_t mark; /* read no further in this round */
	bool has_mark;
	uint8_t id[16];
	uint32_t state;
	struct ring_desc desc; /* borrowed descriptors */
};

static void wake_producer(struct ring_consumer *c)
{
	uint64_t one = 1;
	if (write(c->desc.to_producer, &one, sizeof(one)) < 0)
		return; /* a full counter wakes as well */
}

/* How much lies between pos and what the producer calls its head; size + 1 for nonsense. */
static uint64_t unread(const struct ring_consumer *c)
{
	uint64_t head = atomic_load(&c->h->head);
	return head - c->tail > c->size || head - c->pos > c->size ? c->size + 1 : head - c->pos;
}

int ring_consumer_open(const struct ring_desc *d, struct ring_consumer **ret_c)
{
	struct ring_consumer *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	int r = ring_map(d->memfd, &c->h, &c->size);
	if (r < 0) {
		free(c);
		return r;
	}
	c->data = (uint8_t *)c->h + RING_HEADER;
	c->desc = *d;
	memcpy(c->id, c->h->id, sizeof(c->id));
	c->pos = c->tail = atomic_load(&c->h->tail);
	*ret_c = c;
	return 0;
}

void ring_consumer_free(struct ring_consumer *c)
{
	if (!c)
		return;
	ring_unmap(c->h, c->size);
	free(c);
}

const uint8_t *ring_consumer_id(const struct ring_consumer *c)
{
	return c->id;
}

int ring_consumer_fd(const struct ring_consumer *c)
{
	return c->desc.to_recorder;
}

uint64_t ring_consumer_pos(const struct ring_consumer *c)
{
	return c->pos;
}

int ring_consumer_seek(struct ring_consumer *c, uint64_t pos)
{
	uint64_t head = atomic_load(&c->h->head);
	if (head - c->tail > c->size || pos - c->tail > head - c->tail)
		return ERR_NOT_FOUND;
	c->pos = pos;
	return 0;
}

void ring_consumer_mark(struct ring_consumer *c)
{
	c->mark = atomic_load(&c->h->head);
	c->has_mark = true;
}

static void copy_out(const struct ring_consumer *c, uint64_t at, void *to, size_t len)
{
	uint64_t off = at & (c->size - 1);
	size_t first = MIN(len, c->size - off);
	memcpy(to, c->data + off, first);
	if (len > first)
		memcpy((uint8_t *)to + first, c->data, len - first);
}

/* The framing is lost: nothing up to the producer's head can be told apart. If even that head makes
 * no sense, both ends start again from it. */
static int skip_all(struct ring_consumer *c)
{
	uint64_t head = atomic_load(&c->h->head);
	if (head - c->tail > c->size)
		c->tail = head;
	c->pos = head;
	return ERR_MALFORMED;
}

int ring_consumer_next(struct ring_consumer *c, uint8_t *out, size_t *ret_len)
{
	uint32_t len;
	uint64_t n = unread(c);
	if (n == 0 || (c->has_mark && c->pos == c->mark))
		return 0;
	if (n > c->size || n < RING_FRAME)
		return skip_all(c);
	copy_out(c, c->pos, &len, RING_FRAME);
	if (len > RING_EVENT_MAX || len > n - RING_FRAME)
		return skip_all(c);
	copy_out(c, c->pos + RING_FRAME, out, len);
	c->pos += RING_FRAME + len;
	*ret_len = len;
	return 1;
}

void ring_consumer_wipes(struct ring_consumer *c)
{
	c->wipes = true;
}

/* Between tail and pos nobody writes but us. */
static void wipe(struct ring_consumer *c, uint64_t pos)
{
	uint64_t off = c->tail & (c->size - 1), len = pos - c->tail;
	if (len > c->size)
		return; /* a head that made no sense: nothing was read there */
	uint64_t first = MIN(len, c->size - off);
	explicit_bzero(c->data + off, first);
	explicit_bzero(c->data, len - first);
}

void ring_consumer_commit(struct ring_consumer *c, uint64_t pos)
{
	uint64_t before = atomic_load(&c->h->durable);
	if (c->wipes)
		wipe(c, pos);
	c->tail = pos;
	atomic_store(&c->h->tail, pos);
	atomic_store(&c->h->durable, pos);
	bool is_wanted = pos != before && !ring_reaches(before, atomic_load(&c->h->wanted));
	if (atomic_load(&c->h->room_wanted) && atomic_exchange(&c->h->room_wanted, 0))
		is_wanted = true;
	if (is_wanted)
		wake_producer(c);
}

void ring_consumer_say(struct ring_consumer *c, enum ring_health health)
{
	static const uint32_t states[] = {
	    [RING_RECORDS] = RING_STATE_OK,
	    [RING_RECORDS_IN_MEMORY] = RING_STATE_MEMORY,
	    [RING_CANNOT_RECORD] = RING_STATE_ERROR,
	};
	if (c->state == states[health])
		return;
	c->state = states[health];
	atomic_store(&c->h->state, c->state);
	wake_producer(c);
}

void ring_consumer_beat(struct ring_consumer *c, uint64_t now_ns)
{
	atomic_store_explicit(&c->h->beat_ns, now_ns, memory_order_release);
}

bool ring_consumer_is_urgent(const struct ring_consumer *c)
{
	uint64_t n = unread(c);
	if (n == 0)
		return false;
	return n > c->size / 4 || !ring_reaches(c->tail, atomic_load(&c->h->wanted)) ||
	       atomic_load(&c->h->room_wanted);
}

void ring_consumer_sleep(struct ring_consumer *c)
{
	atomic_store(&c->h->is_asleep, 1);
}

void ring_consumer_awake(struct ring_consumer *c, bool is_readable)
{
	uint64_t n;
	atomic_store(&c->h->is_asleep, 0);
	if (is_readable && read(c->desc.to_recorder, &n, sizeof(n)) < 0)
		return; /* somebody else was faster */
}
