#include "upstream/login_pump.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/macro.h"
#include "upstream/hosts.h"
#include "upstream/tls.h"
#include "upstream/tls_client.h"

extern char **environ;

#define PIPE_MAX (1024 * 1024)

void login_scrub_environment(void)
{
	for (char **e = environ; *e;) {
		char name[128];
		const char *eq = strchr(*e, '=');
		bool is_pg = !strncmp(*e, "PG", 2) && eq && (size_t)(eq - *e) < sizeof(name);
		if (!is_pg) {
			e++;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(eq - *e), *e);
		unsetenv(name);
		e = environ;
	}
}

int pump_lost(struct pump *p)
{
	return login_fail(p->login, ERR_UPSTREAM, "08006", "the upstream closed the connection");
}

static ssize_t receive(int fd, struct tls *tls, void *p, size_t n)
{
	if (tls)
		return tls_read(tls, p, n);
	ssize_t got = recv(fd, p, n, MSG_DONTWAIT);
	return got < 0 ? -errno : got;
}

static ssize_t transmit(int fd, struct tls *tls, struct span s)
{
	if (tls)
		return tls_write(tls, s.p, s.len);
	ssize_t put = send(fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return put < 0 ? -errno : put;
}

static int move_in(int fd, struct tls *tls, struct buf *to)
{
	uint8_t *room = buf_reserve(to, TLS_RECORD_MAX);
	ssize_t n = room ? receive(fd, tls, room, TLS_RECORD_MAX) : buf_err(to);
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : ERR_CLOSED;
	buf_commit(to, (size_t)n);
	return 0;
}

static int move_out(int fd, struct tls *tls, struct buf *from)
{
	while (buf_len(from)) {
		ssize_t n = transmit(fd, tls, buf_span(from));
		if (n == -EAGAIN || n == -EINTR)
			return 0;
		if (n < 0)
			return (int)n;
		buf_consume(from, (size_t)n);
	}
	return 0;
}

/* Only ourselves: the name is random, and whoever guessed it is another process. */
static int accept_lib(struct pump *p)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.pid != getpid()) {
		close(fd);
		return 0;
	}
	p->lib = fd;
	closep(&p->listener);
	p->listener = -1;
	return 0;
}

static int move_bytes(struct pump *p)
{
	int err = p->lib < 0 ? accept_lib(p) : 0;
	if (!err && p->lib >= 0)
		err = move_in(p->lib, NULL, &p->to_server);
	if (err == ERR_CLOSED) /* libpq has given up */
		return login_fail(p->login, ERR_UPSTREAM, "08006", "the login was given up");
	if (!err)
		err = move_out(p->login->fd, p->login->tls, &p->to_server);
	if (!err)
		err = move_in(p->login->fd, p->login->tls, &p->from_server);
	if (err)
		return pump_lost(p);
	err = pump_read(p);
	if (!err && p->lib >= 0)
		err = move_out(p->lib, NULL, &p->to_lib);
	return err ? login_fail(p->login, err, "08006", "the login failed") : 0;
}

int pump_step(struct pump *p, short lib_events, bool *ret_lib)
{
	bool is_open = p->lib >= 0;
	struct pollfd fds[] = {
	    {.fd = p->login->fd,
	     .events = (short)(POLLIN | (buf_len(&p->to_server) ? POLLOUT : 0))},
	    {.fd = is_open ? p->lib : p->listener,
	     .events = (short)(POLLIN | (is_open && buf_len(&p->to_lib) ? POLLOUT : 0))},
	    {.fd = PQsocket(p->conn), .events = lib_events},
	};
	uint64_t now = clock_mono_ns();
	if (now >= p->deadline_ns)
		return login_fail(p->login, -ETIMEDOUT, "08001",
				  "the upstream did not log us in in time");
	int n = poll(fds, 3, (int)((p->deadline_ns - now) / NS_PER_MS) + 1);
	if (n < 0 && errno != EINTR)
		return login_fail(p->login, -errno, "08006", "the login failed");
	*ret_lib = n > 0 && fds[2].revents;
	return move_bytes(p);
}

static int listen_for_lib(struct pump *p, char name[64])
{
	uint8_t random[16];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	int n = snprintf(name, 64, "@sluice-");
	for (int i = 0; i < 16; i++)
		n += snprintf(name + n, 64 - (size_t)n, "%02x", random[i]);
	int len = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/.s.PGSQL.5432", name);
	sa.sun_path[0] = 0;
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->listener < 0 ||
	    bind(p->listener, (struct sockaddr *)&sa,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)) < 0 ||
	    listen(p->listener, 1) < 0)
		return -errno;
	return 0;
}

static int start_libpq(struct pump *p, const struct target *t, const struct credential *c)
{
	char host[64];
	int err = listen_for_lib(p, host);
	if (err)
		return login_fail(p->login, err, "08006",
				  "the gateway cannot open a socket to log in over");
	p->authentication = (struct authentication){
	    .user = t->user ? t->user : credential_get(c, "user"),
	    .credential = c,
	    .tls = p->login->tls,
	    .is_verified = p->login->tls && tls_client_is_verified(p->login->client)};
	const char *database =
	    t->database && t->database[0] ? t->database : credential_get(c, "dbname");
	const char *pairs[][2] = {
	    {"host", host},
	    {"port", "5432"},
	    {"user", p->authentication.user},
	    {"dbname", database},
	    {"replication", t->replication},
	    {"options", t->options},
	    {"application_name", t->application},
	    {"sslmode", "disable"},
	    {"gssencmode", "disable"},
	    {"password", "-"}, /* is not asked for, and keeps libpq from looking for one */
	};
	const char *keys[ARRAY_LEN(pairs) + 1] = {0}, *values[ARRAY_LEN(pairs) + 1] = {0};
	for (size_t i = 0, n = 0; i < ARRAY_LEN(pairs); i++) {
		if (!pairs[i][1])
			continue;
		keys[n] = pairs[i][0];
		values[n++] = pairs[i][1];
	}
	p->conn = PQconnectStartParams(keys, values, 0);
	if (!p->conn || PQstatus(p->conn) == CONNECTION_BAD)
		return login_fail(p->login, ERR_UPSTREAM, "08006",
				  "the login could not be started");
	return 0;
}

static int run_login(struct pump *p)
{
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;
	while (st != PGRES_POLLING_OK) {
		bool is_ready = false;
		int err = pump_step(p, st == PGRES_POLLING_READING ? POLLIN : POLLOUT, &is_ready);
		if (err)
			return err;
		if (is_ready)
			st = PQconnectPoll(p->conn);
		if (st == PGRES_POLLING_FAILED)
			return login_fail(p->login, ERR_UPSTREAM, "28000",
					  "the upstream's side of the login does not check out");
	}
	if (p->state != PUMP_READY || PQstatus(p->conn) != CONNECTION_OK)
		return login_fail(p->login, ERR_UPSTREAM, "08006", "the login did not finish");
	return 0;
}

void pump_done(struct pump *p)
{
	PQfinish(p->conn);
	closep(&p->listener);
	closep(&p->lib);
	buf_wipe(&p->from_server);
	buf_wipe(&p->to_server);
	buf_wipe(&p->to_lib);
}

static int start_tls(struct pump *p, struct msg_line *monitor, const struct target *t,
		     const struct credential *c)
{
	struct login *l = p->login;
	char why[WHY_MAX] = "";
	int err = tls_client_new(monitor, c, t->host ? t->host : "", &l->client, why);
	if (err)
		return login_fail(l, err, "28000", why);
	err = l->client ? tls_client_start(l->client, l->fd, p->deadline_ns, &l->tls, why) : 0;
	return err ? login_fail(l, err, "08006", why) : 0;
}

static void pump_open(struct pump *p)
{
	buf_init(&p->from_server, PIPE_MAX);
	buf_init(&p->to_server, PIPE_MAX);
	buf_init(&p->to_lib, 2 * PIPE_MAX);
	p->listener = p->lib = -1;
	p->conn = NULL;
	p->state = PUMP_LOGIN;
	p->is_in = false;
}

static int pump_one(struct pump *p, struct msg_line *monitor, const struct target *t,
		    const struct credential *c, bool is_last_round)
{
	const char *own = credential_get(c, "connect_timeout");
	uint64_t seconds = own ? strtoull(own, NULL, 10) : 0;
	p->deadline_ns = p->limit_ns;
	if (seconds && seconds < 3600)
		p->deadline_ns = MIN(p->limit_ns, clock_mono_ns() + seconds * NS_PER_SEC);
	int err = login_connect(t, p->deadline_ns, p->login);
	if (!err)
		err = start_tls(p, monitor, t, c);
	if (err || p->is_bare)
		return err;
	err = start_libpq(p, t, c);
	if (!err)
		err = run_login(p);
	authentication_done(&p->authentication);
	const char *why = err ? NULL
			      : hosts_mismatch(buf_span(&p->login->greeting),
					       credential_get(c, "target_session_attrs"), p->is_raw,
					       is_last_round);
	return why ? login_fail(p->login, ERR_UPSTREAM, "08001", why) : err;
}

/* As libpq goes on to the next host: it is not there, does not answer, starts or is of another
 * kind.
 */
static bool may_try_next(const struct pump *p)
{
	const struct login *l = p->login;
	return clock_mono_ns() < p->limit_ns &&
	       (!strncmp(l->sqlstate, "08", 2) || !strcmp(l->sqlstate, "57P03"));
}

static void pump_again(struct pump *p)
{
	pump_done(p);
	login_done(p->login);
	login_init(p->login);
	pump_open(p);
}

/* One time through the list. */
static int try_hosts(struct pump *p, struct msg_line *monitor, const struct target *t,
		     const struct credential *c, bool is_last_round)
{
	char entry[HOST_PORT_MAX], name[HOST_PORT_MAX];
	const char *rest = t->upstream;
	struct target one = *t;
	int err = ERR_CONFIG;
	if (!rest)
		return pump_one(p, monitor, t, c, is_last_round);
	one.upstream = entry;
	one.host = name;
	for (bool is_first = true; hosts_next(&rest, entry); is_first = false) {
		if (!is_first)
			pump_again(p);
		hosts_name(entry, name, sizeof(name));
		err = pump_one(p, monitor, &one, c, is_last_round);
		if (!err || !may_try_next(p))
			break;
	}
	return err;
}

int pump_login(struct pump *p, struct msg_line *monitor, const struct target *t)
{
	struct credential c = {0};
	char why[WHY_MAX] = "out of memory";
	pump_open(p);
	int err = credential_fetch(monitor, t->credential, &c, why);
	if (!err && !t->user && !credential_get(&c, "user")) {
		snprintf(why, sizeof(why), "the credential names no user");
		credential_done(&c);
		err = ERR_MALFORMED;
	}
	if (err)
		return login_fail(p->login, err, "28000", why);
	const char *want = credential_get(&c, "target_session_attrs");
	if (p->is_bare && want && strcmp(want, "any")) {
		credential_done(&c);
		return login_fail(p->login, ERR_UNSUPPORTED, "28000",
				  "target_session_attrs of the credential cannot be asked before a "
				  "client's own login");
	}
	bool is_picky = want && !strcmp(want, "prefer-standby");
	err = try_hosts(p, monitor, t, &c, !is_picky);
	if (err && is_picky && may_try_next(p)) {
		pump_again(p);
		err = try_hosts(p, monitor, t, &c, true);
	}
	credential_done(&c);
	return err;
}

int login_postgres(struct msg_line *monitor, const struct target *t, uint64_t deadline_ns,
		   struct login *l)
{
	struct pump p = {.login = l, .deadline_ns = deadline_ns, .limit_ns = deadline_ns};
	int err = pump_login(&p, monitor, t);
	pump_done(&p); /* its Terminate goes to our socket, not to the server */
	return err;
}

int login_reach(struct msg_line *monitor, const struct target *t, uint64_t deadline_ns,
		struct login *l)
{
	struct pump p = {
	    .login = l, .is_bare = true, .deadline_ns = deadline_ns, .limit_ns = deadline_ns};
	int err = pump_login(&p, monitor, t);
	pump_done(&p);
	return err;
}
