#include "../../../tap.h"
#include <sys/mount.h>

#include "record/segment.h"
#include "record/store.h"
#include "../rig_talk.h"

static void put_ops(struct rig *g, int ring, const struct who *who, uint64_t n,
		    uint64_t *ret_ticket)
{
	struct buf b;
	int bad = 0;
	buf_init(&b, 2 * RING_EVENT_MAX);
	for (uint64_t i = 1; i <= n; i++) {
		rig_op(&b, who, i, "SELECT * FROM customers", i % 10 ? EFFECT_ALLOW : EFFECT_DENY);
		bad += rig_put(g, ring, &b, ret_ticket) != 0;
	}
	CHECK_INT(bad, 0);
	buf_done(&b);
}

static char *ask_events(struct rig *g, const char *key, const char *value)
{
	return rig_ask(g, json_pack("{s:s,s:s,s:s}", "t", "query", "kind", "events", key, value));
}

static void records_and_answers(void)
{
	struct rig g;
	struct buf b;
	uint64_t ticket = 0;
	int err;
	const char *const command[] = {"python", "crew.py"}, *const groups[] = {"crewai-viewer"};
	struct event_ctx c = rig_ctx(&rig_who);
	rig_init(&g, NULL, 0);
	buf_init(&b, 2 * RING_EVENT_MAX);
	CHECK(rig_says(&g, 0));

	c.flow = c.resource = NULL;
	event_session_start(&b, &c, "run", "/sluice/s-7f2", 4711, groups, 1, command, 2, "sha");
	CHECK_INT(rig_put(&g, 0, &b, NULL), 0);
	put_ops(&g, 1, &rig_who, 100, &ticket);
	CHECK(rig_wait(&g, 1, ticket));

	char *text = rig_ask(&g, json_pack("{s:s,s:s}", "t", "query", "kind", "sessions"));
	CHECK(text && strstr(text, "\"denied\":10,"));
	CHECK(text && strstr(text, "\"ops\":100,"));
	CHECK(text && strstr(text, "\"rules\":[{\"count\":10,\"rule\":\"default\"}]"));
	free(text);
	text = ask_events(&g, "session", "s-7f2");
	CHECK_INT(rig_lines(text), 101);
	free(text);
	text = ask_events(&g, "denied", "1");
	CHECK_INT(rig_lines(text), 10);
	free(text);
	text = ask_events(&g, "nonsense", "1");
	CHECK(text && strstr(text, "{\"error\":"));
	free(text);
	put_ops(&g, 2, &rig_who, 50, &ticket);
	text = ask_events(&g, "session",
			  "s-7f2"); /* without waiting: what was accepted is in the answer */
	CHECK_INT(rig_lines(text), 151);
	free(text);
	text = rig_ask(&g, json_pack("{s:s,s:s}", "t", "query", "kind", "verify"));
	CHECK(text && strstr(text, "OK node-07 events 1..151 "));
	free(text);

	CHECK_INT(rig_stop(&g), 0); /* signs the end */
	struct verify_result v = rig_verify(g.store, &err);
	CHECK_INT(err, 0);
	CHECK(!v.is_bad);
	CHECK_INT(v.last, 151);
	CHECK_INT(v.signed_to, 151);
	rig_done(&g);
	buf_done(&b);
}

/* How many events there are once there are at least n, or after ten seconds. */
static int lines_within(struct rig *g, const char *key, const char *value, int n)
{
	int found = 0;
	for (int i = 0; i < 100 && found < n; i++) {
		char *text = ask_events(g, key, value);
		found = rig_lines(text);
		free(text);
		usleep(found < n ? 100000 : 0);
	}
	return found;
}

/* --- kill -9 under load
 * --------------------------------------------------------------------------- */

struct load {
	struct rig *g;
	int ring;
	atomic_bool stops;
	uint64_t accepted; /* events that ring_put took; their ids are 1..accepted */
};

static void *load_main(void *arg)
{
	struct load *l = arg;
	char session[16];
	struct who who = rig_who;
	struct buf b;
	uint64_t ticket;
	snprintf(session, sizeof(session), "s-load%d", l->ring);
	who.session = session;
	buf_init(&b, 2 * RING_EVENT_MAX);
	while (!atomic_load(&l->stops)) {
		rig_op(&b, &who, l->accepted + 1, "UPDATE customers SET name = 'x'", EFFECT_ALLOW);
		int r = ring_put(l->g->producers[l->ring], buf_span(&b), &ticket);
		if (r == 0)
			l->accepted++;
		else
			usleep(1000); /* no recorder, or no room */
	}
	buf_done(&b);
	return NULL;
}

/* Each session's ids must be 1..accepted, each once, in their order. */
static void check_ids(struct rig *g, const struct load *l)
{
	char session[16];
	uint64_t n = 0, wrong = 0;
	snprintf(session, sizeof(session), "s-load%d", l->ring);
	char *text = ask_events(g, "session", session), *save = NULL;
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *id = strstr(line, ",\"id\":");
		n++;
		wrong += !id || strtoull(id + 6, NULL, 10) != n;
	}
	CHECK_INT(wrong, 0);
	CHECK_INT(n, l->accepted);
	free(text);
}

static void loses_nothing_when_killed(void)
{
	struct rig g;
	struct load loads[2];
	pthread_t threads[2];
	int err;
	srand(4711);
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	rig_spares(&g);
	for (int i = 0; i < 2; i++) {
		loads[i] = (struct load){.g = &g, .ring = 1 + i};
		pthread_create(&threads[i], NULL, load_main, &loads[i]);
	}
	for (int i = 0; i < 15; i++) {
		usleep((useconds_t)(rand() % 60000));
		rig_kill(&g);
		rig_start(&g);
		CHECK(rig_says(&g, 0));
	}
	for (int i = 0; i < 2; i++) {
		atomic_store(&loads[i].stops, true);
		pthread_join(threads[i], NULL);
	}
	CHECK(loads[0].accepted > 1000 && loads[1].accepted > 1000);
	rig_kill(&g); /* with what is in the rings */
	rig_start(&g);
	CHECK(rig_says(&g, 0));
	for (int i = 0; i < 2; i++)
		check_ids(&g, &loads[i]);
	CHECK_INT(rig_stop(&g), 0);
	struct verify_result v = rig_verify(g.store, &err);
	CHECK_INT(err, 0);
	CHECK(!v.is_bad);
	CHECK_INT(v.last, loads[0].accepted + loads[1].accepted);
	CHECK_INT(v.signed_to, v.last);
	rig_done(&g);
}

/* --- no room ------------------------------------------------------------------------------------
 */

static void says_when_the_ring_is_full(void)
{
	struct rig g;
	struct buf b;
	uint64_t ticket, n = 0, count;
	int r;
	char text[60000];
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	kill(g.pid, SIGSTOP);
	buf_init(&b, 2 * RING_EVENT_MAX);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	do {
		rig_op(&b, &rig_who, n + 1, text, EFFECT_ALLOW);
		r = ring_put(g.producers[1], buf_span(&b), &ticket);
		n += r == 0;
	} while (r == 0);
	CHECK_INT(r, ERR_FULL);
	CHECK(n > 130);
	if (read(g.rings[1].to_producer, &count, 8) < 0)
		count = 0; /* drained: what comes now is news */
	struct pollfd p = {.fd = g.rings[1].to_producer, .events = POLLIN};
	CHECK_INT(poll(&p, 1, 0), 0);
	kill(g.pid, SIGCONT);
	CHECK_INT(poll(&p, 1, 5000), 1); /* there is room */
	CHECK_INT(ring_put(g.producers[1], buf_span(&b), &ticket), 0);
	CHECK(rig_wait(&g, 1, ticket));
	rig_done(&g);
	buf_done(&b);
}

static void counts_as_dead_when_stopped(void)
{
	struct rig g;
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	kill(g.pid, SIGSTOP);
	CHECK_INT(ring_check(g.producers[0]), 0);
	CHECK(rig_says(&g, ERR_RECORD));
	kill(g.pid, SIGCONT);
	CHECK(rig_says(&g, 0));
	rig_kill(&g);
	CHECK(rig_says(&g, ERR_RECORD));
	rig_start(&g);
	CHECK(rig_says(&g, 0));
	rig_done(&g);
}

/* A monitor that dies closes its channels one after the other: by whichever the recorder hears of it, it ends. */
static void ends_with_its_monitor(void)
{
	for (int by_call = 0; by_call < 2; by_call++) {
		struct rig g;
		int err;
		uint64_t ticket = 0;
		rig_init(&g, NULL, 0);
		CHECK(rig_says(&g, 0));
		put_ops(&g, 1, &rig_who, 10, &ticket);
		rig_end_monitor(&g);
		int *end = by_call ? &g.call[0] : &g.notify[0];
		close(*end);
		*end = -1;
		int status = 0;
		bool has_ended = false;
		for (int i = 0; i < 1000 && !has_ended; i++) {
			has_ended = waitpid(g.pid, &status, WNOHANG) == g.pid;
			usleep(has_ended ? 0 : 10000);
		}
		CHECK(has_ended && WIFEXITED(status) && WEXITSTATUS(status) == 0);
		if (has_ended)
			g.pid = 0;
		else
			rig_kill(&g);
		struct verify_result v = rig_verify(g.store, &err);
		CHECK(err == 0 && !v.is_bad);
		CHECK_INT(v.last, 10); /* what was accepted */
		rig_done(&g);
	}
}

/* --- no disk ------------------------------------------------------------------------------------
 */

/* As many as are taken before the recorder notices. */
static uint64_t put_until_refused(struct rig *g, uint64_t max, uint64_t *ret_ticket)
{
	struct buf b;
	uint64_t n = 0;
	buf_init(&b, 2 * RING_EVENT_MAX);
	rig_op(&b, &rig_who, 1, "SELECT * FROM customers", EFFECT_ALLOW);
	while (n < max && !rig_put(g, 1, &b, ret_ticket))
		n++;
	buf_done(&b);
	return n;
}

/* Another process than before has come as far as to say that it lives. */
static bool has_begun(struct rig *g, uint64_t since_ns)
{
	for (int i = 0; i < 1000; i++) {
		if (atomic_load(&g->health->beat_ns[HEALTH_RECORDER]) > since_ns)
			return true;
		usleep(10000);
	}
	return false;
}

/* What a recorder that has begun needs until it has tried to write; nothing of it can be seen from here. */
#ifdef __SANITIZE_THREAD__
#define TO_TRY_US 5000000
#else
#define TO_TRY_US 500000
#endif

static void refuses_while_the_disk_is_full(void)
{
	struct rig g;
	char dir[] = "/tmp/sluice-full-XXXXXX", ballast[64];
	uint64_t ticket = 0;
	int err;
	if (!mkdtemp(dir) || mount("none", dir, "tmpfs", 0, "size=48m") < 0) {
		SKIP("no tmpfs can be mounted here");
		return;
	}
	rig_init(&g, dir, 0);
	CHECK(rig_says(&g, 0));
	put_ops(&g, 1, &rig_who, 10, &ticket);
	CHECK(rig_wait(&g, 1, ticket));
	snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char block[4096] = {0};
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	uint64_t n = put_until_refused(&g, 100, &ticket); /* the journal has room for these, LMDB has not */
	CHECK(n > 0);
	CHECK(rig_wait(&g, 1, ticket));
	CHECK(rig_says(&g, ERR_RECORD));
	usleep(1500 * 1000);
	CHECK_INT(ring_check(g.producers[1]), ERR_RECORD); /* and it stays so */
	rig_kill(&g);					   /* nor does a new one find room */
	uint64_t since = clock_mono_ns();
	rig_start(&g);
	CHECK(has_begun(&g, since));
	usleep(TO_TRY_US);
	CHECK_INT(ring_check(g.producers[1]), ERR_RECORD);
	unlink(ballast);
	CHECK(rig_says(&g, 0));
	char *text = ask_events(&g, "session", "s-7f2");
	CHECK_INT(rig_lines(text), 10 + n);
	free(text);
	CHECK_INT(lines_within(&g, "type", "record.resume", 1), 1);
	CHECK_INT(rig_stop(&g), 0);
	struct verify_result v = rig_verify(g.store, &err);
	CHECK(err == 0 && !v.is_bad);
	rig_done(&g);
	umount(dir);
	rmdir(dir);
}

/* --- hostile producers
 * ---------------------------------------------------------------------------- */

static void survives_garbage_in_the_ring(void)
{
	struct rig g;
	uint64_t ticket = 0;
	int err;
	srand(7);
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	uint8_t *mem =
	    mmap(NULL, 4096 + RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, g.rings[2].memfd, 0);
	CHECK(mem != MAP_FAILED);
	for (int i = 0; i < 20000; i++) {
		if (i % 100 == 0) { /* heads, tails and marks that make no sense, or nearly do */
			uint64_t v = (uint64_t)rand() << (rand() % 40);
			memcpy(mem + 64 + (size_t)(rand() % 24) * 8, &v, 8);
			usleep(500);
		}
		mem[4096 + rand() % 65536] = (uint8_t)rand();
	}
	CHECK_INT(kill(g.pid, 0), 0);
	put_ops(&g, 1, &rig_who, 10, &ticket); /* the neighbour's ring goes on */
	CHECK(rig_wait(&g, 1, ticket));
	char *text = ask_events(&g, "type", "record.garbage");
	CHECK(rig_lines(text) > 0);
	CHECK(text && strstr(text, "\"producer\":\"proxy\""));
	free(text);
	munmap(mem, 4096 + RING_SIZE);
	CHECK_INT(rig_stop(&g), 0);
	struct verify_result v = rig_verify(g.store, &err);
	CHECK(err == 0 && !v.is_bad);
	rig_done(&g);
}

static void takes_only_what_a_producer_may_say(void)
{
	static const struct {
		int ring;
		const char *event;
		bool is_taken;
	} rows[] = {
	    {1, "{\"session\":\"\",\"time\":1,\"type\":\"op\"}", true},
	    {1, "{\"session\":\"\",\"time\":1,\"type\":\"session.end\"}", false},
	    {1, "{\"session\":\"\",\"time\":1,\"type\":\"node.stop\"}", false},
	    {1, "{\"session\":\"\",\"time\":1,\"type\":\"policy.load\"}", false},
	    {1, "{\"session\":\"\",\"time\":1,\"type\":\"record.garbage\"}", false},
	    {1, "{\"_seq\":1,\"session\":\"\",\"time\":1,\"type\":\"op\"}", false},
	    {1, "{\"session\":\"\",\"type\":\"op\"}", false},
	    {1, "{\"time\":1,\"type\":\"op\"}", false},
	    {1, "{\"session\":\"\",\"time\":1}", false},
	    {1, "not json", false},
	    {0, "{\"session\":\"\",\"time\":1,\"type\":\"session.end\"}", true},
	    {0, "{\"session\":\"\",\"time\":1,\"type\":\"op\"}", false},
	    {3, "{\"session\":\"\",\"time\":1,\"type\":\"node.stop\"}", true},
	    {3, "{\"session\":\"\",\"time\":1,\"type\":\"session.start\"}", false},
	};
	struct rig g;
	uint64_t ticket, last = 0;
	int err;
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(ring_put(g.producers[rows[i].ring], span_str(rows[i].event), &ticket), 0);
		CHECK(rig_wait(&g, rows[i].ring, ticket));
		char *text = rig_ask(&g, json_pack("{s:s,s:s}", "t", "query", "kind", "events"));
		uint64_t n = 0;
		for (char *at = text; at && (at = strstr(at, "\"type\":\"")); at++)
			n += strncmp(at, "\"type\":\"record.", 15) != 0;
		if (n != last + rows[i].is_taken)
			printf("%s on ring %d\n", rows[i].event, rows[i].ring);
		CHECK_INT(n, last + rows[i].is_taken);
		last = n;
		free(text);
	}
	CHECK_INT(rig_stop(&g), 0);
	struct verify_result v = rig_verify(g.store, &err);
	CHECK(err == 0 && !v.is_bad);
	rig_done(&g);
}

/* --- order, durability, segments
 * ------------------------------------------------------------------ */

static void merges_rings_by_time(void)
{
	struct rig g;
	struct buf b;
	struct event_ctx c = rig_ctx(&rig_who);
	uint64_t ticket;
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	kill(g.pid, SIGSTOP);
	buf_init(&b, RING_EVENT_MAX);
	event_flow_close(&b, &c, "closed",
			 &(struct flow_figures){.bytes_up = 1, .bytes_down = 2, .duration_ns = 3});
	CHECK_INT(ring_put(g.producers[2], buf_span(&b), &ticket), 0);
	buf_reset(&b);
	c.time_ns = clock_real_ns();
	event_session_end(&b, &c, "session.end", "done", 0);
	CHECK_INT(ring_put(g.producers[0], buf_span(&b), &ticket), 0);
	kill(g.pid, SIGCONT);
	char *text = ask_events(&g, "session", "s-7f2");
	const char *close_at = text ? strstr(text, "flow.close") : NULL,
		   *end_at = text ? strstr(text, "session.end") : NULL;
	CHECK(close_at && end_at && close_at < end_at);
	free(text);
	rig_done(&g);
	buf_done(&b);
}

/* What is said to be durable is in the file, whatever then happens to the process. */
static void durable_means_on_disk(void)
{
	struct rig g;
	uint64_t ticket = 0, n = 0;
	int err;
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	for (int i = 0; i < 10; i++) {
		put_ops(&g, 1, &rig_who, 7, &ticket);
		n += 7;
		CHECK(rig_wait(&g, 1, ticket));
		rig_kill(&g);
		struct verify_result v = rig_verify(g.store, &err);
		CHECK(err == 0 && !v.is_bad);
		CHECK_INT(v.last, n);
		rig_start(&g);
		CHECK(rig_says(&g, 0));
	}
	rig_done(&g);
}

static void memory_mode_does_not_wait(void)
{
	struct rig g;
	uint64_t ticket = 0;
	int err;
	rig_init(&g, NULL, 0);
	rig_kill(&g);
	g.cfg.is_durable = false;
	rig_start(&g);
	CHECK(rig_says(&g, 0));
	kill(g.pid, SIGSTOP);
	put_ops(&g, 1, &rig_who, 5, &ticket);
	CHECK(ring_durable(g.producers[1], ticket)); /* nobody has written anything */
	kill(g.pid, SIGCONT);
	CHECK_INT(rig_stop(&g), 0);
	CHECK(!ring_durable(g.producers[1], ticket + 1)); /* no recorder, no promise */
	struct verify_result v = rig_verify(g.store, &err);
	CHECK_INT(v.last, 5);
	rig_done(&g);
}

static void goes_on_in_new_segments(void)
{
	struct rig g;
	uint64_t ticket = 0;
	uint32_t *list;
	size_t n;
	int err;
	rig_init(&g, NULL, 1 << 20);
	CHECK(rig_says(&g, 0));
	for (int i = 0; i < 5; i++) {
		put_ops(&g, 1, &rig_who, 2000, &ticket);
		CHECK(rig_wait(&g, 1, ticket));
		if (i == 2) { /* a restart in between */
			rig_kill(&g);
			rig_start(&g);
			CHECK(rig_says(&g, 0));
		}
	}
	char *text = ask_events(&g, "session", "s-7f2");
	CHECK_INT(rig_lines(text), 10000);
	free(text);
	text = rig_ask(&g, json_pack("{s:s,s:s}", "t", "query", "kind", "sessions"));
	CHECK_INT(rig_lines(text), 1);
	CHECK(text && strstr(text, "\"ops\":10000,"));
	free(text);
	CHECK_INT(rig_stop(&g), 0);
	CHECK_INT(segment_list(g.store, &list, &n), 0);
	CHECK(n >= 5);
	struct stat st;
	char file[PATH_MAX + 80];
	snprintf(file, sizeof(file), "%s/segment-000001/data.mdb", g.store);
	CHECK(stat(file, &st) == 0 && (st.st_mode & 0777) == 0400);
	struct verify_result v = rig_verify(g.store, &err);
	CHECK(err == 0 && !v.is_bad);
	if (v.is_bad)
		printf("event %" PRIu64 ": %s\n", v.bad_seq, v.why);
	CHECK_INT(v.last, 10000);

	/* A segment that is gone from the middle shows. */
	snprintf(file, sizeof(file), "%s/segment-000002", g.store);
	rig_remove(file);
	v = rig_verify(g.store, &err);
	CHECK(err == 0 && v.is_bad && strstr(v.why, "segment is gone"));
	free(list);
	rig_done(&g);
}

static void takes_large_events(void)
{
	struct rig g;
	struct buf b;
	uint64_t ticket = 0;
	int err;
	rig_init(&g, NULL, 1 << 20);
	CHECK(rig_says(&g, 0));
	buf_init(&b, 2 * RING_EVENT_MAX);
	for (int i = 0; i < 12; i++) {
		buf_reset(&b);
		buf_add_str(&b, "{\"session\":\"\",\"text\":\"");
		static const char end[] = "\",\"time\":1,\"type\":\"op\"}";
		while (buf_len(&b) < RING_EVENT_MAX - (sizeof(end) - 1))
			buf_add_u8(&b, 'x');
		buf_add_str(&b, end);
		CHECK_INT(buf_len(&b), RING_EVENT_MAX);
		CHECK_INT(rig_put(&g, 1, &b, &ticket), 0);
	}
	CHECK(rig_wait(&g, 1, ticket));
	buf_add_u8(&b, ' ');
	CHECK_INT(ring_put(g.producers[1], buf_span(&b), &ticket), ERR_LIMIT);
	CHECK_INT(rig_stop(&g), 0);
	struct verify_result v = rig_verify(g.store, &err);
	CHECK(err == 0 && !v.is_bad);
	CHECK_INT(v.last, 12);
	rig_done(&g);
	buf_done(&b);
}

static void lets_only_one_write(void)
{
	struct rig g;
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	struct store_options o = {.node = "node-07", .segment_bytes = 1 << 20};
	struct store *s;
	char why[PATH_MAX + 600];
	CHECK_INT(store_open(g.store, &o, &s, why, sizeof(why)), -EWOULDBLOCK);
	CHECK(strstr(why, "another recorder") != NULL);
	rig_done(&g);
}

int main(void)
{
	records_and_answers();
	loses_nothing_when_killed();
	ends_with_its_monitor();
	says_when_the_ring_is_full();
	counts_as_dead_when_stopped();
	refuses_while_the_disk_is_full();
	survives_garbage_in_the_ring();
	takes_only_what_a_producer_may_say();
	merges_rings_by_time();
	durable_means_on_disk();
	memory_mode_does_not_wait();
	goes_on_in_new_segments();
	takes_large_events();
	lets_only_one_write();
	return tap_done();
}
