/* Large things through a PostgreSQL connection, as fast as it gives and takes them: bulk DSN WORK
 * CLIENTS SECONDS. Each of CLIENTS sessions does WORK again and again, at least once; prints "tps =
 * " and how many were done a second. bulk-select   SELECT of the table bulk copy-out      COPY of
 * it to the client copy-in       COPY of 100 MB from the client, which the server reads and drops
 *   pipeline      10,000 Bind and Execute, one Sync
 * Messages are written and read on the socket itself: a client that costs nothing hides nothing. */
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CLIENTS_MAX 64
#define COPY_BYTES  (100u * 1024 * 1024)
#define COPY_DATA   32768u
#define STATEMENTS  10000

struct out {
	uint8_t *p;
	size_t n, cap;
};

struct client {
	pthread_t thread;
	int fd, done;
	double elapsed_s;
};

static struct out work;
static double seconds;
static pthread_barrier_t ready;

static void fail(const char *what)
{
	fprintf(stderr, "bulk: %s\n", what);
	exit(1);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add(struct out *o, const void *p, size_t n)
{
	if (o->n + n > o->cap) {
		o->cap = (o->n + n) * 2;
		o->p = realloc(o->p, o->cap);
		if (!o->p)
			fail("out of memory");
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void add_message(struct out *o, char type, const void *body, size_t n)
{
	uint32_t len = (uint32_t)n + 4;
	uint8_t head[5] = {(uint8_t)type, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
			   (uint8_t)(len >> 8), (uint8_t)len};
	add(o, head, sizeof(head));
	add(o, body, n);
}

static void add_query(struct out *o, const char *sql)
{
	add_message(o, 'Q', sql, strlen(sql) + 1);
}

/* Lines of a hundred bytes, whole ones in each message. */
static void make_copy_in(struct out *o)
{
	static char data[COPY_DATA];
	size_t n = 0;
	while (n + 100 <= sizeof(data)) {
		memset(data + n, 'a' + (int)(n / 100 % 26), 99);
		data[n + 99] = '\n';
		n += 100;
	}
	add_query(o, "COPY sink FROM STDIN WHERE false");
	for (size_t sent = 0; sent < COPY_BYTES; sent += n)
		add_message(o, 'd', data, n);
	add_message(o, 'c', "", 0);
}

static void make_pipeline(struct out *o)
{
	static const char parse[] = "s\0SELECT v FROM small WHERE v = $1\0\0\0";
	static const char bind[] = "\0s\0\0\0\0\1\0\0\0\1"
				   "7\0\0",
			  execute[] = "\0\0\0\0";
	add_message(o, 'P', parse, sizeof(parse) - 1);
	for (int i = 0; i < STATEMENTS; i++) {
		add_message(o, 'B', bind, sizeof(bind) - 1);
		add_message(o, 'E', execute, sizeof(execute));
	}
	add_message(o, 'C', "Ss", 3);
	add_message(o, 'S', "", 0);
}

static void make(const char *name, struct out *o)
{
	if (!strcmp(name, "bulk-select"))
		add_query(o, "SELECT line FROM bulk");
	else if (!strcmp(name, "copy-out"))
		add_query(o, "COPY bulk TO STDOUT");
	else if (!strcmp(name, "copy-in"))
		make_copy_in(o);
	else if (!strcmp(name, "pipeline"))
		make_pipeline(o);
	else
		fail("no such work");
}

/* Are the last bytes that came ReadyForQuery, outside a transaction? */
static bool is_ready(const uint8_t tail[6])
{
	return !memcmp(tail, "Z\0\0\0\5I", 6);
}

static void keep_tail(uint8_t tail[6], const uint8_t *p, size_t n)
{
	if (n < 6) {
		memmove(tail, tail + n, 6 - n);
		memcpy(tail + 6 - n, p, n);
	} else {
		memcpy(tail, p + n - 6, 6);
	}
}

static void exchange(int fd, const struct out *o)
{
	uint8_t in[64 * 1024];
	uint8_t tail[6] = {0};
	size_t sent = 0;
	bool is_first = true; /* an error comes before all else */
	while (sent < o->n || !is_ready(tail)) {
		struct pollfd p = {.fd = fd,
				   .events = (short)(POLLIN | (sent < o->n ? POLLOUT : 0))};
		if (poll(&p, 1, 60000) <= 0)
			fail("nothing moves");
		if (p.revents & POLLOUT) {
			ssize_t n = send(fd, o->p + sent, o->n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
			sent += n > 0 ? (size_t)n : 0;
		}
		if (!(p.revents & ~POLLOUT))
			continue;
		ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
		if (n == 0 || (n > 0 && is_first && in[0] == 'E'))
			fail("the server ends it, or reports an error");
		is_first &= n < 0;
		keep_tail(tail, in, n > 0 ? (size_t)n : 0);
	}
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	pthread_barrier_wait(&ready);
	double from = now_s();
	do {
		exchange(c->fd, &work);
		c->done++;
		c->elapsed_s = now_s() - from;
	} while (c->elapsed_s < seconds);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct client all[CLIENTS_MAX];
	int n = argc == 5 ? atoi(argv[3]) : 0;
	double rate = 0;
	if (n < 1 || n > CLIENTS_MAX)
		fail("usage: bulk DSN bulk-select|copy-out|copy-in|pipeline CLIENTS SECONDS");
	seconds = atof(argv[4]);
	make(argv[2], &work);
	pthread_barrier_init(&ready, NULL, (unsigned)n);
	for (int i = 0; i < n; i++) {
		PGconn *c = PQconnectdb(argv[1]);
		if (PQstatus(c) != CONNECTION_OK)
			fail(PQerrorMessage(c));
		all[i].fd = PQsocket(c);
		if (pthread_create(&all[i].thread, NULL, client_main, &all[i]))
			fail("no thread");
	}
	for (int i = 0; i < n; i++) {
		pthread_join(all[i].thread, NULL);
		rate += all[i].done / all[i].elapsed_s;
	}
	printf("tps = %.3f\n", rate);
	return 0;
}
