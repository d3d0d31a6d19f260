#include "record/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "record/ring_layout.h"

/* A busy host keeps a thread waiting for seconds; what must be on disk waits anyway. */
#define BEAT_STALE_NS (8 * NS_PER_SEC)
/* And it is looked at once more: after a suspended machine all beats are old. */
#define BEAT_LOOK_NS (NS_PER_SEC / 2)
#define SEALS	      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

struct ring {
	struct ring_header *h;
	uint8_t *data;
	uint64_t size, head;
	int to_recorder;
	uint64_t old_beat, old_since_ns; /* a beat that is too old, and when it was first seen to be */
};

static int write_header(int memfd, size_t size)
{
	struct ring_header h = {.magic = RING_MAGIC, .version = RING_VERSION, .size = size};
	if (getrandom(h.id, sizeof(h.id), 0) != sizeof(h.id))
		return -EIO;
	if (ftruncate(memfd, (off_t)(RING_HEADER + size)) < 0)
		return -errno;
	ssize_t n = pwrite(memfd, &h, sizeof(h), 0);
	if (n != sizeof(h))
		return n < 0 ? -errno : -EIO;
	return fcntl(memfd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int ring_create(size_t size, struct ring_desc *ret_desc)
{
	struct ring_desc d = {-1, -1, -1};
	if (size < 4096 || size & (size - 1))
		return -EINVAL;
	d.memfd = memfd_create("sluice-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	d.to_recorder = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d.to_producer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = d.memfd < 0 || d.to_recorder < 0 || d.to_producer < 0 ? -errno : 0;
	if (r == 0)
		r = write_header(d.memfd, size);
	if (r < 0) {
		ring_desc_done(&d);
		return r;
	}
	*ret_desc = d;
	return 0;
}

void ring_desc_done(struct ring_desc *d)
{
	closep(&d->memfd);
	closep(&d->to_recorder);
	closep(&d->to_producer);
	*d = (struct ring_desc){-1, -1, -1};
}

int ring_map(int memfd, struct ring_header **ret_h, uint64_t *ret_size)
{
	struct stat st;
	int seals = fcntl(memfd, F_GET_SEALS);
	if (seals < 0 || fstat(memfd, &st) < 0)
		return -errno;
	/* Without the seals a peer could shrink the file and kill us by SIGBUS. */
	if ((seals & SEALS) != SEALS || st.st_size <= RING_HEADER)
		return ERR_MALFORMED;
	uint64_t size = (uint64_t)st.st_size - RING_HEADER;
	if (size & (size - 1))
		return ERR_MALFORMED;
	void *mem = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	*ret_h = mem;
	*ret_size = size;
	return 0;
}

void ring_unmap(struct ring_header *h, uint64_t size)
{
	munmap(h, RING_HEADER + size);
}

int ring_open(const struct ring_desc *d, struct ring **ret_r)
{
	struct ring *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	int err = ring_map(d->memfd, &r->h, &r->size);
	if (err == 0 && (r->h->magic != RING_MAGIC || r->h->version != RING_VERSION)) {
		ring_unmap(r->h, r->size);
		err = ERR_MALFORMED;
	}
	if (err < 0) {
		free(r);
		return err;
	}
	r->data = (uint8_t *)r->h + RING_HEADER;
	r->head = atomic_load(&r->h->head);
	r->to_recorder = d->to_recorder;
	*ret_r = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	ring_unmap(r->h, r->size);
	free(r);
}

int ring_check(struct ring *r)
{
	uint32_t state = atomic_load_explicit(&r->h->state, memory_order_acquire);
	uint64_t beat = atomic_load_explicit(&r->h->beat_ns, memory_order_acquire);
	uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE); /* to a few ms, at a fifth of the price */
	if (state != RING_STATE_OK && state != RING_STATE_MEMORY)
		return ERR_RECORD;
	if (!beat)
		return ERR_RECORD;
	if (now <= beat || now - beat <= BEAT_STALE_NS)
		return 0;
	if (r->old_beat != beat) {
		r->old_beat = beat;
		r->old_since_ns = now;
	}
	return now - r->old_since_ns > BEAT_LOOK_NS ? ERR_RECORD : 0;
}

static void wake_recorder(struct ring *r)
{
	uint64_t one = 1;
	if (!atomic_load(&r->h->is_asleep) || !atomic_exchange(&r->h->is_asleep, 0))
		return;
	if (write(r->to_recorder, &one, sizeof(one)) < 0)
		return; /* a full counter wakes as well */
}

static uint64_t ring_used(const struct ring *r)
{
	uint64_t used = r->head - atomic_load(&r->h->tail);
	return MIN(used,
		   r->size); /* a head that a predecessor broke: full until the recorder mends it */
}

static bool has_room(struct ring *r, uint64_t need)
{
	if (r->size - ring_used(r) >= need)
		return true;
	atomic_store(&r->h->room_wanted, 1);
	/* The recorder may have made room between the look and the wish. */
	return r->size - ring_used(r) >= need;
}

static void copy_in(struct ring *r, uint64_t at, const void *p, size_t len)
{
	uint64_t off = at & (r->size - 1);
	size_t first = MIN(len, r->size - off);
	memcpy(r->data + off, p, first);
	if (len > first)
		memcpy(r->data, (const uint8_t *)p + first, len - first);
}

bool ring_has_room(struct ring *r, size_t n, size_t bytes)
{
	bool has = has_room(r, n * RING_FRAME + bytes);
	if (!has)
		wake_recorder(r);
	return has;
}

int ring_put(struct ring *r, struct span event, uint64_t *ret_ticket)
{
	uint32_t len = (uint32_t)event.len;
	if (event.len < 2 || event.len > RING_EVENT_MAX || event.len + RING_FRAME > r->size)
		return ERR_LIMIT;
	int err = ring_check(r);
	if (err < 0)
		return err;
	if (!has_room(r, len + RING_FRAME)) {
		wake_recorder(r);
		return ERR_FULL;
	}
	copy_in(r, r->head, &len, RING_FRAME);
	copy_in(r, r->head + RING_FRAME, event.p, event.len);
	r->head += RING_FRAME + len;
	atomic_store(&r->h->head, r->head);
	/* A recorder that sleeps looks by itself within 50 ms; that is enough for what nobody waits
	 * for, unless the ring fills. */
	if (ring_used(r) > r->size / 4)
		wake_recorder(r);
	*ret_ticket = r->head;
	return 0;
}

bool ring_durable(struct ring *r, uint64_t ticket)
{
	if (atomic_load_explicit(&r->h->state, memory_order_acquire) == RING_STATE_MEMORY)
		return ring_check(r) == 0;
	return ring_reaches(atomic_load(&r->h->durable), ticket);
}

void ring_want(struct ring *r, uint64_t ticket)
{
	if (!ring_reaches(atomic_load(&r->h->wanted), ticket))
		atomic_store(&r->h->wanted, ticket);
	wake_recorder(r);
}
