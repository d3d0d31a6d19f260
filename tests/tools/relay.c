/* relay [-l LOOPS] [-s FILE] -- COMMAND...: the least that can stand behind the same redirect, as
 * the measure of what sluice adds. Runs COMMAND in a managed cgroup and relays what it connects to:
 * read, write, epoll, no more. With -s it also holds what design/Records holds (a COMMIT, in
 * PostgreSQL's simple protocol or bound from a prepared statement) for one group-committed
 * fdatasync of FILE. Bench only. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/macro.h"
#include "kernel/flowmap.h"
#include "kernel/kernel.h"

#define CHUNK	  65536
#define MAX_LOOPS 16
#define NAMES	  512 /* pgbench names its statements P<script>_<command>: a small number */

struct side {
	struct source source;
	struct pair *pair;
	uint8_t mem[CHUNK]; /* read here, not yet written to the other side */
	size_t start, end;
};

struct pair {
	struct side client, server;
	struct worker *worker;
	uint64_t sync_ticket; /* held until synced >= this; 0: not held */
	struct pair *next_held;
	bool commits[NAMES];
	struct deferred free_later;
};

struct worker {
	struct loop *loop;
	pthread_t thread;
	struct pair *held;
};

static struct worker workers[MAX_LOOPS];
static int n_workers = 2, sync_fd = -1, flow_map_fd;
static uint64_t netns_cookie;
static struct kernel *kern;

/* The group commit: whoever comes while an fdatasync runs waits for the next one. */
static pthread_mutex_t sync_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sync_wanted = PTHREAD_COND_INITIALIZER;
static _Atomic uint64_t sync_asked, sync_done;

static void *sync_main(void *arg)
{
	static const uint8_t page[4096];
	for (;;) {
		pthread_mutex_lock(&sync_lock);
		while (sync_asked == sync_done)
			pthread_cond_wait(&sync_wanted, &sync_lock);
		uint64_t upto = sync_asked;
		pthread_mutex_unlock(&sync_lock);
		if (pwrite(sync_fd, page, sizeof(page), 0) < 0 || fdatasync(sync_fd) < 0)
			abort();
		sync_done = upto;
		for (int i = 0; i < n_workers; i++)
			loop_wake(workers[i].loop);
	}
	return arg;
}

static void pair_close(struct pair *p);
static void side_flush(struct side *from);

static void pair_free(struct deferred *d)
{
	free((char *)d - offsetof(struct pair, free_later));
}

static void pair_close(struct pair *p)
{
	if (p->client.source.fd < 0)
		return;
	loop_del(p->worker->loop, &p->client.source);
	loop_del(p->worker->loop, &p->server.source);
	close(p->client.source.fd);
	close(p->server.source.fd);
	p->client.source.fd = p->server.source.fd = -1;
	for (struct pair **h = &p->worker->held; *h; h = &(*h)->next_held)
		if (*h == p) {
			*h = p->next_held;
			break;
		}
	p->free_later.run = pair_free;
	loop_defer(p->worker->loop, &p->free_later);
}

static bool is_commit(const uint8_t *sql, size_t len)
{
	return (len >= 3 && !strncasecmp((const char *)sql, "END", 3)) ||
	       (len >= 6 && !strncasecmp((const char *)sql, "COMMIT", 6));
}

static unsigned name_slot(const uint8_t *name, size_t len)
{
	unsigned h = 0;
	for (size_t i = 0; i < len && name[i]; i++)
		h = h * 31 + name[i];
	return h % NAMES;
}

/* Does this run of whole messages make something permanent? */
static bool holds_commit(struct pair *p, const uint8_t *m, size_t len)
{
	bool found = false;
	while (len >= 5 && m[0] >= 'A') {
		size_t size =
		    1 + ((size_t)m[1] << 24 | (size_t)m[2] << 16 | (size_t)m[3] << 8 | m[4]);
		if (size > len)
			break;
		const uint8_t *body = m + 5;
		size_t n = size - 5, name = strnlen((const char *)body, n) + 1;
		if (m[0] == 'Q')
			found |= is_commit(body, n);
		else if (m[0] == 'P' && name < n)
			p->commits[name_slot(body, n)] = is_commit(body + name, n - name);
		else if (m[0] == 'B' && name < n)
			found |= p->commits[name_slot(body + name, n - name)];
		m += size;
		len -= size;
	}
	return found;
}

static bool hold(struct pair *p)
{
	struct side *c = &p->client;
	if (sync_fd < 0 || !holds_commit(p, c->mem + c->start, c->end - c->start))
		return false;
	pthread_mutex_lock(&sync_lock);
	p->sync_ticket = ++sync_asked;
	pthread_cond_signal(&sync_wanted);
	pthread_mutex_unlock(&sync_lock);
	p->next_held = p->worker->held;
	p->worker->held = p;
	return true;
}

static void on_wake(void *ctx)
{
	struct worker *w = ctx;
	struct pair **h = &w->held;
	while (*h) {
		struct pair *p = *h;
		if (p->sync_ticket > sync_done) {
			h = &p->next_held;
			continue;
		}
		*h = p->next_held;
		p->sync_ticket = 0;
		side_flush(&p->client);
		h = &w->held; /* the list may have changed */
	}
}

static struct side *other(struct side *s)
{
	return s == &s->pair->client ? &s->pair->server : &s->pair->client;
}

static void side_flush(struct side *from)
{
	struct side *to = other(from);
	struct loop *l = from->pair->worker->loop;
	while (from->start < from->end) {
		ssize_t n = write(to->source.fd, from->mem + from->start, from->end - from->start);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			pair_close(from->pair);
			return;
		}
		from->start += (size_t)n;
	}
	bool is_full = from->start < from->end;
	if (!is_full)
		from->start = from->end = 0;
	if (loop_mod(l, &from->source,
		     is_full ? from->source.events & ~EPOLLIN : from->source.events | EPOLLIN) <
		0 ||
	    loop_mod(l, &to->source,
		     is_full ? to->source.events | EPOLLOUT : to->source.events & ~EPOLLOUT) < 0)
		pair_close(from->pair);
}

static void on_side(struct source *source, uint32_t events)
{
	struct side *s = (struct side *)((char *)source - offsetof(struct side, source));
	struct pair *p = s->pair;
	if (events & EPOLLOUT) {
		side_flush(other(s));
		if (p->client.source.fd < 0)
			return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || s->end)
		return;
	ssize_t n = read(source->fd, s->mem, CHUNK);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		pair_close(p);
		return;
	}
	s->end = (size_t)n;
	if (s == &p->client && hold(p))
		return;
	side_flush(s);
}

static int dial(const struct addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void pair_new(struct worker *w, int client, int server)
{
	struct pair *p = calloc(1, sizeof(*p));
	int one = 1;
	if (!p)
		abort();
	for (int i = 0; i < 2; i++) {
		int fd = i ? server : client;
		struct side *s = i ? &p->server : &p->client;
		fcntl(fd, F_SETFL, O_NONBLOCK);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		s->source = (struct source){fd, EPOLLIN, on_side, false};
		s->pair = p;
	}
	p->worker = w;
	if (loop_add(w->loop, &p->client.source) < 0 || loop_add(w->loop, &p->server.source) < 0)
		pair_close(p);
}

static void on_listener(struct source *s, uint32_t events)
{
	static int next;
	struct sockaddr_storage peer, local;
	socklen_t peer_len = sizeof(peer), local_len = sizeof(local);
	struct addr peer_addr, local_addr;
	struct flow_info info;
	int fd = accept4(s->fd, (struct sockaddr *)&peer, &peer_len, SOCK_CLOEXEC);
	(void)events;
	if (fd < 0)
		return;
	if (getsockname(fd, (struct sockaddr *)&local, &local_len) < 0 ||
	    addr_from_sockaddr((struct sockaddr *)&peer, &peer_addr) < 0 ||
	    addr_from_sockaddr((struct sockaddr *)&local, &local_addr) < 0 ||
	    flowmap_take(flow_map_fd, netns_cookie, false, &peer_addr, &local_addr, &info) < 0) {
		close(fd);
		return;
	}
	int up = dial(&info.dst);
	if (up < 0)
		close(fd);
	else
		pair_new(&workers[next++ % n_workers], fd, up);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct sched_param none = {0};
	sched_setscheduler(0, SCHED_BATCH, &none); /* as sluice's loops */
	if (loop_run(w->loop) < 0)
		abort();
	return NULL;
}

static struct timer beat;
static struct loop *main_loop;
static int child_pid, child_status;

static void on_beat(struct timer *t)
{
	kernel_beat(kern);
	if (waitpid(child_pid, &child_status, WNOHANG) == child_pid)
		loop_stop(main_loop);
	else if (loop_timer_in_ms(main_loop, t, 100) < 0)
		abort();
}

static int spawn(char **argv, const char *cgroup)
{
	int gate[2];
	if (pipe(gate) < 0)
		return -errno;
	int pid = fork();
	if (pid == 0) {
		char go;
		close(gate[1]);
		if (read(gate[0], &go, 1) == 1)
			execvp(argv[0], argv);
		_exit(127);
	}
	close(gate[0]);
	int r = kernel_cgroup_move(cgroup, pid);
	if (r == 0 && write(gate[1], "", 1) < 0)
		r = -errno;
	close(gate[1]);
	child_pid = pid;
	return r;
}

static int fail(const char *what, int r)
{
	fprintf(stderr, "relay: %s: %s\n", what, err_text(r));
	return 1;
}

static int serve(char **argv)
{
	char name[32], why[300];
	char *cgroup = NULL;
	uint64_t id;
	struct listeners l;
	static const uint8_t any[16];
	snprintf(name, sizeof(name), "sl-relay-%d", getpid());
	struct kernel_options o = {.instance = name, .bpffs = "/sys/fs/bpf"};
	int r = kernel_open(&o, &kern, why, sizeof(why));
	if (r < 0)
		return fail(why, r);
	flow_map_fd = kernel_flow_map_fd(kern);
	if ((r = kernel_cgroup_create(kern, "bench", &cgroup, &id)) < 0 ||
	    (r = kernel_manage(kern, id, 1)) < 0 || (r = kernel_listen(kern, getpid(), &l)) < 0 ||
	    (r = dest_add(kernel_dest_map_fd(kern), any, 0, 0)) < 0 ||
	    (r = loop_new(&main_loop)) < 0)
		return fail("set-up", r);
	netns_cookie = l.netns_cookie;
	for (int i = 0; i < n_workers; i++) {
		if ((r = loop_new(&workers[i].loop)) < 0)
			return fail("loop", r);
		loop_on_wake(workers[i].loop, on_wake, &workers[i]);
	}
	struct source tcp4 = {l.fds[0], EPOLLIN, on_listener, false},
		      tcp6 = {l.fds[1], EPOLLIN, on_listener, false};
	if ((r = loop_add(main_loop, &tcp4)) < 0 ||
	    (l.fds[1] >= 0 && (r = loop_add(main_loop, &tcp6)) < 0))
		return fail("listener", r);
	timer_init(&beat, on_beat);
	kernel_beat(kern);
	if ((r = spawn(argv, cgroup)) < 0)
		return fail("spawn", r);
	pthread_t syncer;
	if (sync_fd >= 0)
		pthread_create(&syncer, NULL, sync_main, NULL);
	for (int i = 0; i < n_workers; i++)
		pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
	on_beat(&beat);
	r = loop_run(main_loop);
	if (kernel_cgroup_remove(kern, cgroup) < 0)
		fprintf(stderr, "relay: %s is left\n", cgroup);
	kernel_close(kern, false);
	return r < 0 ? fail("loop", r) : WIFEXITED(child_status) ? WEXITSTATUS(child_status) : 1;
}

int main(int argc, char **argv)
{
	int c;
	while ((c = getopt(argc, argv, "+l:s:")) >= 0) {
		if (c == 'l')
			n_workers = MIN(MAX(atoi(optarg), 1), MAX_LOOPS);
		else if (c == 's')
			sync_fd = open(optarg, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		else
			return 2;
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: relay [-l LOOPS] [-s FILE] -- COMMAND...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	return serve(argv + optind);
}
