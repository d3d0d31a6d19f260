#include "priv/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

static void drop(struct kept_secret *s)
{
	static const char zeros[4096];
	struct stat st;
	if (!s->path[0])
		return;
	for (off_t at = 0; fstat(s->fd, &st) == 0 && at < st.st_size; at += (off_t)sizeof(zeros))
		if (pwrite(s->fd, zeros, MIN(sizeof(zeros), (size_t)(st.st_size - at)), at) < 0)
			break; /* its pages are freed with it */
	close(s->fd);
	*s = (struct kept_secret){.fd = -1};
}

static void on_due(struct timer *t)
{
	struct kept *k = (struct kept *)((char *)t - offsetof(struct kept, due));
	uint64_t now = clock_mono_ns(), next = 0;
	for (int i = 0; i < KEPT_MAX; i++) {
		struct kept_secret *s = &k->at[i];
		if (s->path[0] && s->until_ns <= now)
			drop(s);
		if (s->path[0] && (!next || s->until_ns < next))
			next = s->until_ns;
	}
	if (next && loop_timer_at(k->loop, &k->due, next) < 0)
		kept_done(k); /* what cannot be forgotten in time is not kept */
}

void kept_init(struct kept *k, struct loop *l, int ttl_s)
{
	*k = (struct kept){.loop = l, .ttl_ns = (uint64_t)ttl_s * NS_PER_SEC};
	timer_init(&k->due, on_due);
}

void kept_done(struct kept *k)
{
	if (k->loop)
		loop_timer_del(k->loop, &k->due);
	for (int i = 0; i < KEPT_MAX; i++)
		drop(&k->at[i]);
}

static struct kept_secret *slot_for(struct kept *k, const char *path)
{
	struct kept_secret *oldest = &k->at[0];
	for (int i = 0; i < KEPT_MAX; i++) {
		if (!strcmp(k->at[i].path, path))
			return &k->at[i];
		if (k->at[i].until_ns < oldest->until_ns)
			oldest = &k->at[i];
	}
	return oldest;
}

void kept_put(struct kept *k, const char *path, int fd)
{
	if (!k->ttl_ns || strlen(path) >= KEPT_PATH)
		return;
	struct kept_secret *s = slot_for(k, path);
	drop(s);
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return;
	s->fd = own;
	s->until_ns = clock_mono_ns() + k->ttl_ns;
	snprintf(s->path, sizeof(s->path), "%s", path);
	on_due(&k->due);
}

int kept_open(const struct kept *k, const char *path, int *ret_fd)
{
	char name[64];
	for (int i = 0; i < KEPT_MAX; i++) {
		const struct kept_secret *s = &k->at[i];
		if (strcmp(s->path, path) || !path[0] || s->until_ns <= clock_mono_ns())
			continue;
		snprintf(name, sizeof(name), "/proc/self/fd/%d", s->fd);
		int fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		*ret_fd = fd;
		return 0;
	}
	return ERR_NOT_FOUND;
}
