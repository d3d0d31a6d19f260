#include "kernel/fold.h"

#include "base/clock.h"
#include "base/macro.h"

#define SLOTS 64 /* more kinds at once than this are told one by one */

struct slot {
	struct refusal r;  /* count: repeats not yet said */
	uint64_t until_ns; /* 0: free */
};

struct fold {
	void (*on_refusal)(void *ctx, const struct refusal *r);
	void *ctx;
	struct slot slots[SLOTS];
};

struct fold *fold_new(void)
{
	return calloc(1, sizeof(struct fold));
}

void fold_free(struct fold *f)
{
	free(f);
}

void fold_to(struct fold *f, void (*on_refusal)(void *ctx, const struct refusal *r), void *ctx)
{
	f->on_refusal = on_refusal;
	f->ctx = ctx;
}

void fold_say(struct fold *f, const struct refusal *r)
{
	if (f->on_refusal)
		f->on_refusal(f->ctx, r);
}

static bool is_same(const struct refusal *a, const struct refusal *b)
{
	return a->cgroup_id == b->cgroup_id && a->pid == b->pid && addr_eq(&a->dst, &b->dst) &&
	       a->family == b->family && a->type == b->type && a->protocol == b->protocol &&
	       a->reason == b->reason && !strcmp(a->exe, b->exe);
}

/* Reasons are static strings of one table, so is_same compares them by address. */
void fold_add(struct fold *f, const struct refusal *r, uint64_t now_ns)
{
	struct slot *free_slot = NULL;
	fold_flush(f, now_ns);
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slots[i];
		if (!s->until_ns) {
			free_slot = s;
		} else if (is_same(&s->r, r)) {
			s->r.count += r->count;
			return;
		}
	}
	fold_say(f, r);
	if (!free_slot)
		return;
	free_slot->r = *r;
	free_slot->r.count = 0;
	free_slot->until_ns = now_ns + NS_PER_SEC;
}

uint64_t fold_flush(struct fold *f, uint64_t now_ns)
{
	uint64_t next_ns = 0;
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slots[i];
		if (!s->until_ns)
			continue;
		if (s->until_ns > now_ns) {
			next_ns = next_ns ? MIN(next_ns, s->until_ns) : s->until_ns;
			continue;
		}
		s->until_ns = 0;
		if (s->r.count)
			fold_say(f, &s->r);
	}
	return next_ns;
}
