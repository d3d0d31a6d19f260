/* Pages of 10,000 sessions, that come in no order: the newest first, each once, whatever began in the same moment; and
 * what filters leave. */
#include <pthread.h>
#include <stdlib.h>

#include "base/msg.h"
#include "web_rig.h"

#define N     10000
#define TIES  5 /* sessions that began in the same moment */
#define STEP  7919 /* prime: an order that is none */
#define LINES "{\"session\":\"s-%05d\",\"start\":%d,\"identity\":\"crew-%d\",\"owner\":\"Pat%d@example.com\"," \
	      "\"role\":\"viewer\",\"command\":[\"psql\",\"db-%d\"]}\n"

static struct web_session cleo = {.roles = WEB_ADMIN};
static json_t *asked; /* the recorder's last question */

static void on_request(struct conn *conn, const struct http_request *r)
{
	struct call k = {.c = &rig_c, .conn = conn, .query = r->query, .web = &cleo};
	api_newest(&k);
}

/* The recorder's side: a question in, lines out. */
static void *recorder(void *arg)
{
	int fd = *(int *)arg;
	struct msg m;
	while (msg_recv(fd, &m) == 0) {
		int out = msg_take_fd(&m, 0);
		FILE *f = fdopen(out, "w");
		json_decref(asked);
		asked = json_incref(m.json);
		for (int i = 0; f && i < N; i++) {
			int n = (int)((long long)i * STEP % N);
			fprintf(f, LINES, n, 1 + n / TIES, n % 10, n % 3, n);
		}
		if (f)
			fclose(f);
		msg_done(&m);
	}
	return NULL;
}

static json_t *page(const char *query, int *ret_status)
{
	static char answer[256 * 1024];
	char path[400];
	snprintf(path, sizeof(path), "/v1/sessions/newest?%s", query);
	int fd = rig_get(path);
	size_t n = 0;
	for (int i = 0; i < 400; i++) {
		ssize_t got;
		rig_run(10);
		while ((got = recv(fd, answer + n, sizeof(answer) - n - 1, 0)) > 0)
			n += (size_t)got;
		if (got == 0)
			break;
	}
	answer[n] = 0;
	close(fd);
	*ret_status = atoi(answer + 9);
	return rig_json(answer);
}

static json_int_t found(const char *query)
{
	int status;
	json_t *j = page(query, &status);
	json_int_t n = status == 200 ? json_integer_value(json_object_get(j, "found")) : -status;
	json_decref(j);
	return n;
}

static void walks_all(void)
{
	static int seen[N];
	char query[200] = "limit=200";
	json_int_t before = N;
	int pages = 0, status = 0, n_wrong = 0;
	for (; pages < 60; pages++) {
		json_t *j = page(query, &status), *s;
		const char *next = json_string_value(json_object_get(j, "next"));
		size_t i;
		json_array_foreach(json_object_get(j, "sessions"), i, s)
		{
			json_int_t start = json_integer_value(json_object_get(s, "start"));
			n_wrong += start > before;
			before = start;
			seen[atoi(json_string_value(json_object_get(s, "session")) + 2)]++;
		}
		n_wrong += json_integer_value(json_object_get(j, "found")) != N;
		snprintf(query, sizeof(query), "limit=200&before=%s", next ? next : "");
		bool is_last = !next || !*next;
		json_decref(j);
		if (is_last || status != 200)
			break;
	}
	for (int i = 0; i < N; i++)
		n_wrong += seen[i] != 1;
	CHECK_INT(status, 200);
	CHECK_INT(n_wrong, 0);
	CHECK(pages >= N / 200 - 1 && pages <= N / 200);
}

static void finds(void)
{
	CHECK_INT(found(""), N);
	CHECK_INT(found("find=CREW-7"), N / 10);
	CHECK_INT(found("find=pat2%40"), N / 3);
	CHECK_INT(found("find=db-4711"), 1);
	CHECK_INT(found("find=s-00042"), 1);
	CHECK_INT(found("find=nobody"), 0);
	CHECK_INT(found("live=1&denied=1"), N); /* the recorder's to leave out */
	CHECK_STR(json_string_value(json_object_get(asked, "live")), "1");
	CHECK_STR(json_string_value(json_object_get(asked, "denied")), "1");
}

static void refuses(void)
{
	static const char *const bad[] = {"limit=0", "limit=201", "limit=x", "before=x", "before=0.s-1",
					  "before=-1.s-1", "before=1", "find=%zz"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(found(bad[i]), -400);
}

int main(void)
{
	int ends[2];
	pthread_t thread;
	rig_start(on_request);
	CHECK_INT(msg_pair(ends), 0);
	rig_c.recorder.fd = ends[0];
	CHECK_INT(pthread_create(&thread, NULL, recorder, &ends[1]), 0);
	walks_all();
	finds();
	refuses();
	shutdown(ends[0], SHUT_RDWR);
	pthread_join(thread, NULL);
	CHECK_INT(found(""), -503);
	close(ends[0]);
	close(ends[1]);
	json_decref(asked);
	rig_stop();
	return tap_done();
}
