/* The console process: set up, notices of the monitor. */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "console/console_internal.h"

static void on_peer(struct console *c, struct msg *m)
{
	int fd = msg_take_fd(m, 0);
	closep(&c->control_fd);
	c->control_fd = fd;
	if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		closep(&c->control_fd);
	tls_tell(c);
}

static void on_reload(struct console *c, struct msg *m)
{
	(void)m;
	if (tls_load(c) == 0)
		log_info("the certificate was read again");
	tls_tell(c);
}

static void on_stop(struct console *c, struct msg *m)
{
	(void)m;
	loop_stop(c->loop);
}

static void on_notify(struct source *s, uint32_t events)
{
	static const struct {
		const char *name;
		void (*run)(struct console *c, struct msg *m);
	} notices[] = {{"peer", on_peer}, {"reload", on_reload}, {"stop", on_stop}};
	struct console *c = (struct console *)((char *)s - offsetof(struct console, notify));
	struct msg m;
	int r = msg_recv(s->fd, &m);
	(void)events;
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		loop_stop(c->loop);
		return;
	}
	const char *t = json_string_value(json_object_get(m.json, "t"));
	for (size_t i = 0; t && i < ARRAY_LEN(notices); i++)
		if (!strcmp(notices[i].name, t))
			notices[i].run(c, &m);
	msg_done(&m);
}

static void on_listen(struct source *s, uint32_t events)
{
	struct console *c = (struct console *)((char *)s - offsetof(struct console, listen));
	(void)events;
	client_accept(c);
}

static int set_up(struct console *c)
{
	int r = loop_new(&c->loop);
	if (r < 0)
		return r;
	if (tls_load(c) < 0)
		log_error("without a certificate the console refuses every connection; SIGHUP "
			  "reads it again");
	c->notify = (struct source){c->env->notify_fd, EPOLLIN, on_notify, false};
	c->listen = (struct source){c->env->console_fd, EPOLLIN, on_listen, false};
	r = loop_add(c->loop, &c->notify);
	return r < 0 ? r : loop_add(c->loop, &c->listen);
}

int console_main(const struct config *cfg, const struct child_env *env)
{
	struct console c = {.cfg = cfg, .env = env, .control_fd = -1};
	int r = set_up(&c);
	if (r < 0)
		log_error("the console cannot start: %s", err_text(r));
	else
		r = loop_run(c.loop);
	clients_stop(&c);
	SSL_CTX_free(c.tls);
	loop_free(c.loop);
	closep(&c.control_fd);
	return r < 0;
}
