/* What the recorder takes: durable events a second, bytes on disk an event, and how long one waits.
 * recbench [-d DIR] [-e EVENTS] [-b BATCH,...] [-m] [-E KEY] [-z LEVEL] [-k DIR]
 *   -d  where the store is made (default: a folder in /tmp, removed afterwards)
 *   -e  events for each figure (200000)
 *   -b  how many events a producer puts before it waits for the disk; 0: it waits once, at the end
 *   -m  audit.durability memory
 *   -E  a public key (PEM): payloads are sealed for it; -z  a level of zstd: they are packed
 *   -k  moves the store of the last figure there (on the same file system)
 * One line a batch size: batch, events/s, microseconds a wait (median, 99 %), the recorder's
 * processor microseconds an event, bytes of an event, bytes in LMDB's files an event. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "../unit/userspace/record/rig_talk.h"

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t disk_bytes(const char *store)
{
	char command[PATH_MAX + 64];
	unsigned long long n = 0;
	snprintf(command, sizeof(command),
		 "du -cs --block-size=1 '%.4000s'/segment-* | tail -n 1 | cut -f1", store);
	FILE *f = popen(command, "r");
	if (!f || fscanf(f, "%llu", &n) != 1)
		n = 0;
	if (f)
		pclose(f);
	return n;
}

/* Of children that have ended, in microseconds. */
static double cpu_us(void)
{
	struct rusage u;
	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static bool wait_durable(struct rig *g, uint64_t ticket)
{
	struct pollfd p = {.fd = g->rings[1].to_producer, .events = POLLIN};
	uint64_t n;
	while (!ring_durable(g->producers[1], ticket)) {
		ring_want(g->producers[1], ticket);
		if (ring_durable(g->producers[1], ticket))
			break;
		if (ring_check(g->producers[1]) < 0)
			return false;
		if (poll(&p, 1, 100) > 0 && read(p.fd, &n, sizeof(n)) < 0)
			return false;
	}
	return true;
}

static uint64_t put_one(struct rig *g, struct buf *b, uint64_t id)
{
	uint64_t ticket = 0;
	rig_op(b, &rig_who, id, "SELECT abalance FROM pgbench_accounts WHERE aid = 4711",
	       EFFECT_ALLOW);
	while (ring_put(g->producers[1], buf_span(b), &ticket) == ERR_FULL)
		if (!wait_durable(g, 0))
			usleep(100);
	return ticket;
}

static const char *keep, *auditor;
static int level;

static void measure(const char *dir, uint64_t events, uint64_t batch, bool is_durable)
{
	struct rig g;
	struct buf b;
	uint64_t ticket = 0, n_waits = 0, bytes = 0;
	uint64_t *waits = calloc(events + 1, sizeof(*waits));
	buf_init(&b, RING_EVENT_MAX);
	rig_init(&g, dir, 4ull << 30);
	if (!is_durable || auditor || level || !waits) {
		rig_kill(&g);
		g.cfg.is_durable = is_durable;
		g.cfg.encrypt_to[0] = auditor;
		g.cfg.n_encrypt_to = auditor != NULL;
		g.cfg.compress = level;
		rig_start(&g);
	}
	if (!rig_says(&g, 0))
		exit(1);
	double cpu = cpu_us();
	uint64_t from = clock_mono_ns();
	for (uint64_t i = 1; i <= events; i++) {
		ticket = put_one(&g, &b, i);
		bytes += buf_len(&b);
		if (i != events && (!batch || i % batch))
			continue;
		uint64_t since = clock_mono_ns();
		if (!wait_durable(&g, ticket))
			exit(1);
		waits[n_waits++] = clock_mono_ns() - since;
	}
	double seconds = (double)(clock_mono_ns() - from) / 1e9;
	qsort(waits, n_waits, sizeof(*waits), by_value);
	rig_stop(&g);
	cpu = cpu_us() - cpu;
	printf("%" PRIu64 "\t%.0f\t%" PRIu64 "\t%" PRIu64 "\t%.1f\t%.0f\t%.0f\n", batch,
	       (double)events / seconds, waits[n_waits / 2] / 1000,
	       waits[n_waits * 99 / 100] / 1000, cpu / (double)events,
	       (double)bytes / (double)events, (double)disk_bytes(g.store) / (double)events);
	fflush(stdout);
	if (keep && rename(g.store, keep) < 0)
		exit(1);
	rig_done(&g);
	buf_done(&b);
	free(waits);
}

int main(int argc, char **argv)
{
	const char *dir = NULL, *batches = "1,10,100,1000,0";
	uint64_t events = 200000;
	bool is_durable = true;
	for (int o; (o = getopt(argc, argv, "d:e:b:mk:E:z:")) != -1;) {
		if (o == '?')
			return 2;
		dir = o == 'd' ? optarg : dir;
		keep = o == 'k' ? optarg : keep;
		batches = o == 'b' ? optarg : batches;
		auditor = o == 'E' ? optarg : auditor;
		level = o == 'z' ? atoi(optarg) : level;
		events = o == 'e' ? strtoull(optarg, NULL, 10) : events;
		is_durable = is_durable && o != 'm';
	}
	puts("batch\tevents/s\twait_us_p50\twait_us_p99\tcpu_us\tbytes\tbytes_lmdb");
	char *list = strdup(batches), *save = NULL;
	for (char *at = strtok_r(list, ",", &save); at; at = strtok_r(NULL, ",", &save)) {
		uint64_t batch = strtoull(at, NULL, 10);
		measure(dir,
			batch == 1	       ? events / 100
			: batch && batch < 100 ? events / 10
					       : events,
			batch, is_durable);
	}
	free(list);
	return 0;
}
