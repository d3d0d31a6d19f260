#include "flow/dests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "kernel/flowmap.h"

void dests_done(struct dests *d)
{
	free(d->now);
	free(d->next);
	*d = (struct dests){.map_fd = d->map_fd};
}

void dests_begin(struct dests *d)
{
	d->n_next = 0;
}

/* Host bits are cleared, so that two spellings of one network are one entry. */
int dests_want(struct dests *d, const uint8_t net[16], int prefix_len, uint16_t port)
{
	if (d->n_next == d->cap_next) {
		size_t cap = MAX((size_t)64, d->cap_next * 2);
		struct dest *more = realloc(d->next, cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		d->next = more;
		d->cap_next = cap;
	}
	struct dest *to = &d->next[d->n_next++];
	*to = (struct dest){.prefix_len = prefix_len, .port = port};
	for (int i = 0; i < 16; i++) {
		int bits = prefix_len - 8 * i;
		uint8_t mask = bits >= 8 ? 0xff : bits <= 0 ? 0 : (uint8_t)(0xff << (8 - bits));
		to->net[i] = net[i] & mask;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct dest));
}

static size_t unique(struct dest *d, size_t n)
{
	size_t kept = 0;
	qsort(d, n, sizeof(*d), compare);
	for (size_t i = 0; i < n; i++)
		if (!kept || compare(&d[kept - 1], &d[i]))
			d[kept++] = d[i];
	return kept;
}

/* Calls fn for what is in a and not in b, both sorted. */
static int only_in(int map_fd, const struct dest *a, size_t n_a, const struct dest *b, size_t n_b,
		   int (*fn)(int, const uint8_t *, int, uint16_t))
{
	int err = 0;
	for (size_t i = 0, k = 0; i < n_a; i++) {
		while (k < n_b && compare(&b[k], &a[i]) < 0)
			k++;
		if (k < n_b && !compare(&b[k], &a[i]))
			continue;
		int r = fn(map_fd, a[i].net, a[i].prefix_len, (uint16_t)a[i].port);
		err = err ? err : r;
	}
	return err;
}

int dests_commit(struct dests *d)
{
	int err = 0;
	d->n_next = d->n_next ? unique(d->next, d->n_next) : 0;
	if (d->map_fd >= 0) {
		err = only_in(d->map_fd, d->next, d->n_next, d->now, d->n_now, dest_add);
		int r = only_in(d->map_fd, d->now, d->n_now, d->next, d->n_next, dest_del);
		err = err ? err : r;
	}
	free(d->now);
	d->now = d->next;
	d->n_now = err ? 0 : d->n_next;
	d->next = NULL;
	d->n_next = d->cap_next = 0;
	return err;
}
