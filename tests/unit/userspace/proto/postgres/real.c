/* A real PostgreSQL in a temporary directory, and a blocking relay around the module in front of
 * it: one thread a client. Only unix sockets. */

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <libpq-fe.h>

#include "rig.c"

#define REAL_PORT  54329 /* of unix sockets: the server's */
#define RELAY_PORT 54330

struct real {
	char dir[64], bin[200];
	pid_t pid;
	int listener;
	pthread_t acceptor;
	atomic_int n_denied;
};

static struct real real;

static void real_become_nobody(void)
{
	struct passwd *pw = getpwnam("postgres");
	if (!pw)
		pw = getpwnam("nobody");
	if (geteuid() || !pw)
		return;
	if (setgid(pw->pw_gid) || setuid(pw->pw_uid))
		_exit(126);
}

static pid_t real_spawn(char *const argv[])
{
	pid_t parent = getpid(), pid = fork();
	if (pid)
		return pid;
	/* Nothing is left behind if the test dies. */
	if (getppid() != parent)
		_exit(126);
	real_become_nobody();
	prctl(PR_SET_PDEATHSIG, SIGQUIT); /* setuid has cleared it */
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

static int real_wait(pid_t pid)
{
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static bool real_find(void)
{
	glob_t g;
	bool is_there = glob("/usr/lib/postgresql/*/bin", 0, NULL, &g) == 0 && g.gl_pathc;
	if (is_there)
		snprintf(real.bin, sizeof(real.bin), "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	return is_there;
}

static void real_ignore(void *ctx, const char *text)
{
	(void)ctx, (void)text;
}

static PGconn *real_connect(int port, const char *more)
{
	char info[400];
	snprintf(info, sizeof(info),
		 "host=%s port=%d user=agent dbname=postgres sslmode=disable %s", real.dir, port,
		 more);
	PGconn *c = PQconnectdb(info);
	PQsetNoticeProcessor(c, real_ignore, NULL);
	return c;
}

static bool real_exec(PGconn *c, const char *sql)
{
	PGresult *r = PQexec(c, sql);
	bool is_ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
	if (!is_ok)
		printf("# %s: %s", sql, PQerrorMessage(c));
	PQclear(r);
	return is_ok;
}

static bool real_up(const char *setup)
{
	char data[80], initdb[256], server[256], port[16];
	if (!real_find())
		return false;
	snprintf(real.dir, sizeof(real.dir), "/tmp/sluice-pg-XXXXXX");
	if (!mkdtemp(real.dir) || chmod(real.dir, 0777))
		return false;
	snprintf(data, sizeof(data), "%s/data", real.dir);
	snprintf(initdb, sizeof(initdb), "%s/initdb", real.bin);
	snprintf(server, sizeof(server), "%s/postgres", real.bin);
	snprintf(port, sizeof(port), "%d", REAL_PORT);
	char *make[] = {initdb,
			"-D",
			data,
			"-A",
			"trust",
			"-U",
			"agent",
			"--no-sync",
			"-E",
			"UTF8",
			"--locale=C.UTF-8",
			NULL};
	if (real_wait(real_spawn(make)))
		return false;
	char *run[] = {server,
		       "-D",
		       data,
		       "-p",
		       port,
		       "-k",
		       real.dir,
		       "-c",
		       "listen_addresses=",
		       "-c",
		       "fsync=off",
		       "-c",
		       "max_prepared_transactions=5",
		       NULL};
	real.pid = real_spawn(run);
	for (int i = 0; i < 100; i++) {
		PGconn *c = real_connect(REAL_PORT, "");
		bool is_up = PQstatus(c) == CONNECTION_OK;
		bool is_set = is_up && real_exec(c, setup);
		PQfinish(c);
		if (is_up)
			return is_set;
		usleep(100000);
	}
	return false;
}

static void real_down(void)
{
	char cmd[] = "/bin/rm", r[] = "-rf";
	if (real.pid > 0) {
		kill(real.pid, SIGQUIT);
		real_wait(real.pid);
	}
	char *rm[] = {cmd, r, real.dir, NULL};
	pid_t pid = real.dir[0] ? fork() : -1;
	if (pid == 0) {
		execv(cmd, rm);
		_exit(127);
	}
	if (pid > 0)
		real_wait(pid);
}

/* The server's catalogue, as the gateway loads it. */
static struct catalog *real_catalog(void)
{
	struct catalog_builder *b = NULL;
	struct catalog *c = NULL;
	PGconn *conn = real_connect(REAL_PORT, "");
	int err = catalog_builder_new(&b);
	for (int i = 0; !err && i < catalog_n_queries(); i++) {
		PGresult *r = PQexec(conn, catalog_query(i, CATALOG_WHOLE));
		if (PQresultStatus(r) != PGRES_TUPLES_OK) {
			printf("# catalogue query %d: %s", i, PQerrorMessage(conn));
			err = ERR_UPSTREAM;
		}
		for (int row = 0; !err && row < PQntuples(r); row++) {
			const char *fields[64];
			for (int f = 0; f < PQnfields(r); f++)
				fields[f] = PQgetisnull(r, row, f) ? NULL : PQgetvalue(r, row, f);
			err = catalog_add_row(b, i, fields, PQnfields(r));
		}
		PQclear(r);
	}
	if (!err)
		err = catalog_build(b, &c);
	catalog_builder_free(b);
	PQfinish(conn);
	return err ? NULL : c;
}

/* ---- the relay ---- */

struct relay {
	struct rig rig; /* first: the sink */
	int fds[2];	/* by enum dir */
	uint32_t pid, key;
};

static int relay_socket(int port)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/.s.PGSQL.%d", real.dir, port);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (port == RELAY_PORT) {
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 16) ||
		    chmod(a.sun_path, 0777))
			abort();
	} else if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		abort();
	}
	return fd;
}

static bool relay_send(int fd, struct buf *b)
{
	while (buf_len(b)) {
		struct span s = buf_span(b);
		ssize_t n = send(fd, s.p, s.len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		buf_consume(b, (size_t)n);
	}
	return true;
}

static bool relay_read(int fd, struct buf *b)
{
	uint8_t *p = buf_reserve(b, 16384);
	ssize_t n = p ? read(fd, p, 16384) : -1;
	if (n > 0)
		buf_commit(b, (size_t)n);
	return n > 0;
}

/* The login: trust. Takes the server's greeting. */
static bool relay_login(struct relay *r, const char *const *params, struct buf *greeting)
{
	struct buf *in = &r->rig.in[FROM_SERVER], hello;
	bool is_ready = false;
	buf_init(&hello, 1 << 16);
	rig_startup(&hello, params);
	r->fds[FROM_SERVER] = relay_socket(REAL_PORT);
	bool is_ok = relay_send(r->fds[FROM_SERVER], &hello);
	while (is_ok && !is_ready) {
		struct cur c = cur_of(buf_span(in));
		uint8_t type = cur_u8(&c);
		uint32_t len = cur_u32(&c);
		struct cur key = cur_of(cur_bytes(&c, len - 4));
		if (cur_err(&c)) {
			is_ok = relay_read(r->fds[FROM_SERVER], in);
			continue;
		}
		if (type == 'S')
			buf_add(greeting, buf_span(in).p, len + 1);
		if (type == 'K')
			r->pid = cur_u32(&key), r->key = cur_u32(&key);
		is_ready = type == 'Z';
		is_ok = type != 'E';
		buf_consume(in, len + 1);
	}
	buf_done(&hello);
	return is_ok;
}

static int relay_dial(struct sink *s, const struct dial *d)
{
	struct relay *r = (struct relay *)s;
	const char *params[80] = {"user", "agent", "database", d->database};
	for (int i = 0; d->options[i] && i < 70; i++)
		params[4 + i] = d->options[i];
	struct buf greeting;
	buf_init(&greeting, 1 << 16);
	r->rig.n_dials++;
	/* Answered by the loop, once feed has returned. */
	r->rig.is_dialling = true;
	if (!relay_login(r, params, &greeting))
		abort();
	r->rig.in[FROM_CLIENT].err = 0;
	buf_add_span(&r->rig.log, buf_span(&greeting));
	buf_done(&greeting);
	return ERR_HELD;
}

static int relay_cancel(struct sink *s, uint32_t pid, uint32_t key)
{
	struct buf b;
	(void)s;
	buf_init(&b, 64);
	buf_add_u32(&b, 16);
	buf_add_u32(&b, 80877102);
	buf_add_u32(&b, pid);
	buf_add_u32(&b, key);
	int fd = relay_socket(REAL_PORT);
	relay_send(fd, &b);
	close(fd);
	buf_done(&b);
	return 0;
}

static int relay_op(struct sink *s, const struct op *op, struct decision *d)
{
	struct rig *r = (struct rig *)s;
	int err = rig_op(s, op, d);
	if (!err && d->effect == EFFECT_DENY)
		atomic_fetch_add(&real.n_denied, 1);
	buf_reset(&r->log);
	return err;
}

static void relay_result(struct sink *s, uint64_t op_id, const struct op_result *res)
{
	(void)s, (void)op_id, (void)res;
}

static int relay_facts(struct sink *s)
{
	struct rig *r = (struct rig *)s;
	struct catalog *c = real_catalog();
	if (!c)
		return ERR_UPSTREAM;
	catalog_unref(r->catalog);
	r->catalog = c;
	return 0;
}

static void relay_finish_dial(struct relay *r)
{
	/* Our keys are the server's, so that a cancel can come by any thread. */
	struct dialled d = {.greeting = buf_span(&r->rig.log),
			    .cancel_pid = r->pid,
			    .cancel_key = r->key,
			    .search_path = "\"$user\", public"};
	rig_dialled(&r->rig, &d);
	buf_reset(&r->rig.log);
}

static void *relay_main(void *arg)
{
	struct relay *r = arg;
	bool is_open = true;
	while (is_open && !r->rig.err) {
		struct pollfd p[2] = {{r->fds[0], POLLIN, 0}, {r->fds[1], POLLIN, 0}};
		if (poll(p, r->fds[1] < 0 ? 1 : 2, -1) < 0)
			break;
		for (int d = 0; d < 2 && is_open; d++)
			if (r->fds[d] >= 0 && p[d].revents)
				is_open = relay_read(r->fds[d], &r->rig.in[d]);
		rig_run(&r->rig);
		if (r->rig.is_dialling)
			relay_finish_dial(r);
		for (int e = 0; e < 2; e++) /* enum end: the client is 0 in both */
			is_open &= r->fds[e] < 0 || relay_send(r->fds[e], &r->rig.to[e]);
	}
	for (int d = 0; d < 2; d++)
		if (r->fds[d] >= 0)
			close(r->fds[d]);
	rig_done(&r->rig);
	free(r);
	return NULL;
}

static void *relay_accept(void *arg)
{
	static struct sink_ops ops;
	ops = rig_ops;
	ops.dial = relay_dial;
	ops.cancel = relay_cancel;
	ops.op = relay_op;
	ops.result = relay_result;
	ops.facts = relay_facts;
	(void)arg;
	for (int fd; (fd = accept(real.listener, NULL, NULL)) >= 0;) {
		struct relay *r = calloc(1, sizeof(*r));
		pthread_t t;
		rig_init(&r->rig, 0);
		r->rig.sink.ops = &ops;
		r->fds[FROM_CLIENT] = fd;
		r->fds[FROM_SERVER] = -1;
		rig_open(&r->rig);
		if (pthread_create(&t, NULL, relay_main, r) || pthread_detach(t))
			abort();
	}
	return NULL;
}

static void relay_up(void)
{
	real.listener = relay_socket(RELAY_PORT);
	if (pthread_create(&real.acceptor, NULL, relay_accept, NULL))
		abort();
}

static void relay_down(void)
{
	shutdown(real.listener, SHUT_RDWR);
	pthread_join(real.acceptor, NULL);
	close(real.listener);
}
