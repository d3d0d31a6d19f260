/* A control process with nothing but a loop, people and connections as the console hands them over. */
#pragma once

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macro.h"
#include "control/api_internal.h"

#include "../../tap.h"

static struct config rig_cfg = {.node = "node-07", .session_minutes = 480, .idle_minutes = 30};
static struct control rig_c = {.cfg = &rig_cfg};

static void rig_on_stop(struct timer *t)
{
	(void)t;
	loop_stop(rig_c.loop);
}

/* Lets the loop run for so long. */
static void rig_run(uint64_t ms)
{
	struct timer stop;
	timer_init(&stop, rig_on_stop);
	CHECK_INT(loop_timer_in_ms(rig_c.loop, &stop, ms), 0);
	CHECK_INT(loop_run(rig_c.loop), 0);
	loop_timer_del(rig_c.loop, &stop);
}

static void rig_start(void (*on_request)(struct conn *conn, const struct http_request *r))
{
	CHECK_INT(loop_new(&rig_c.loop), 0);
	rig_c.web = (struct server){.on_request = on_request};
	CHECK_INT(server_start(&rig_c.web, &rig_c, rig_c.loop, -1), 0);
	rig_c.people.c = &rig_c;
	rig_c.recorder = (struct peer){.c = &rig_c, .fd = -1};
	live_init(&rig_c);
}

static void rig_stop(void)
{
	server_stop(&rig_c.web);
	rig_run(10);
	loop_free(rig_c.loop);
}

/* A browser's end of a connection, with a GET on its way. */
__attribute__((unused)) static int rig_get(const char *path)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	dprintf(ends[0], "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	server_adopt(&rig_c.web, ends[1], "192.0.2.7:5000");
	return ends[0];
}

/* All that is there now; its length, or -1: the end, or nothing. */
__attribute__((unused)) static ssize_t rig_read(int fd, char *out, size_t size)
{
	size_t n = 0;
	for (ssize_t got; n + 1 < size && (got = recv(fd, out + n, size - n - 1, 0)) > 0;)
		n += (size_t)got;
	out[n] = 0;
	return n ? (ssize_t)n : -1;
}

/* JSON of an answer. */
__attribute__((unused)) static json_t *rig_json(char *answer)
{
	char *body = strstr(answer, "\r\n\r\n");
	return body ? json_loads(body + 4, 0, NULL) : NULL;
}
