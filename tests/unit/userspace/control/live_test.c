/* Those who look: told once for many changes, few windows of one person, dropped when they do not read, and gone with
 * their login. */
#include "web_rig.h"

static struct web_session ada, ben;
static const struct web_session *who;
static struct conn *last;

static void on_request(struct conn *conn, const struct http_request *r)
{
	struct call k = {.c = &rig_c, .conn = conn, .query = r->query, .web = who};
	last = conn;
	api_live(&k);
}

static int look(const struct web_session *s, char *head, size_t size)
{
	who = s;
	int fd = rig_get("/v1/live");
	rig_run(20);
	CHECK(rig_read(fd, head, size) > 0);
	return fd;
}

static int times(const char *text, const char *word)
{
	int n = 0;
	for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
		n++;
	return n;
}

static void tells_once(void)
{
	char text[4096];
	int fd = look(&ada, text, sizeof(text));
	CHECK(strstr(text, "text/event-stream") && strstr(text, "event: hello"));
	for (int i = 0; i < 1000; i++)
		live_changed(&rig_c, "requests");
	live_changed(&rig_c, "policy");
	live_changed(&rig_c, "nothing of that name");
	rig_run(250);
	CHECK(rig_read(fd, text, sizeof(text)) > 0);
	CHECK_INT(times(text, "event: changed"), 2);
	CHECK_INT(times(text, "data: requests\n\n"), 1);
	CHECK_INT(times(text, "data: policy\n\n"), 1);
	close(fd);
	rig_run(20);
	CHECK_INT(rig_c.live.n, 0);
}

static void keeps_room(void)
{
	char text[4096];
	int fds[9];
	for (int i = 0; i < 8; i++)
		fds[i] = look(&ada, text, sizeof(text));
	fds[8] = look(&ada, text, sizeof(text));
	CHECK(strstr(text, " 429 ") && strstr(text, "close another window"));
	int other = look(&ben, text, sizeof(text));
	CHECK(strstr(text, " 200 "));
	CHECK_INT(rig_c.live.n, 9);
	live_session_over(&rig_c, &ada);
	rig_run(20);
	CHECK_INT(rig_c.live.n, 1);
	CHECK_INT(recv(fds[0], text, sizeof(text), 0), 0);
	live_changed(&rig_c, "sessions");
	rig_run(250);
	CHECK(rig_read(other, text, sizeof(text)) > 0 && strstr(text, "data: sessions"));
	for (int i = 0; i < 9; i++)
		close(fds[i]);
	close(other);
	rig_run(20);
	CHECK_INT(rig_c.live.n, 0);
}

/* One who never reads costs at most what a stream may hold, and nobody else a wait. */
static void drops_the_deaf(void)
{
	static char text[CONN_OUT_HIGH];
	int deaf = look(&ada, text, 4096);
	struct conn *conn = last;
	int other = look(&ben, text, 4096);
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 64 && !conn_stream_full(conn); i++)
		conn_stream_add(conn, span_of(text, sizeof(text)));
	CHECK(conn_stream_full(conn));
	CHECK_INT(rig_c.live.n, 2);
	live_changed(&rig_c, "grants");
	rig_run(250);
	CHECK_INT(rig_c.live.n, 1);
	CHECK(rig_read(other, text, 4096) > 0 && strstr(text, "data: grants"));
	close(deaf);
	close(other);
	rig_run(20);
}

int main(void)
{
	rig_start(on_request);
	tells_once();
	keeps_room();
	drops_the_deaf();
	rig_stop();
	return tap_done();
}
