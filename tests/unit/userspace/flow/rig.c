/* A whole proxy without the kernel's part: real loops, real rings, a real PostgreSQL of its own, a
 * listener on loopback whose connections are admitted as a workload's. The other ends (recorder,
 * monitor) are small threads here, so that a test can stop them. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "flow/admit.h"
#include "flow/proxy.h"
#include "flow/registry.h"
#include "flow/names.h"
#include "policy/policy.h"
#include "record/ring_consumer.h"
#include "tests/unit/tap.h"

/* A test uses what it needs of this. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define PG_BIN "/usr/lib/postgresql/15/bin/"

struct rig {
	struct config cfg;
	struct child_env env;
	struct health health;
	struct proxy proxy;
	/* the recorder */
	struct ring_consumer *consumer;
	pthread_t recorder, monitor, gate;
	_Atomic bool is_ending, keeps_back, is_deaf; /* not durable; does not even read */
	_Atomic int health_said;
	pthread_mutex_t mutex;
	struct buf events; /* each on a line */
	/* the monitor */
	int call_fd;
	char credential[256];
	/* the workload's way in */
	int gate_fd, gate_port;
	pthread_mutex_t info_mutex;
	struct flow_info info;
	/* PostgreSQL */
	char dir[64];
	int pg_port;
	pid_t pg_pid;
};

static struct rig rig = {.info_mutex = PTHREAD_MUTEX_INITIALIZER};

static void *recorder_main_thread(void *arg)
{
	static uint8_t event[RING_EVENT_MAX];
	(void)arg;
	while (!rig.is_ending) {
		size_t len = 0;
		int said = rig.health_said;
		ring_consumer_say(rig.consumer, (enum ring_health)said);
		ring_consumer_beat(rig.consumer, clock_mono_ns());
		while (!rig.is_deaf && ring_consumer_next(rig.consumer, event, &len) == 1) {
			pthread_mutex_lock(&rig.mutex);
			buf_add(&rig.events, event, len);
			buf_add_u8(&rig.events, '\n');
			pthread_mutex_unlock(&rig.mutex);
		}
		if (!rig.keeps_back && !rig.is_deaf)
			ring_consumer_commit(rig.consumer, ring_consumer_pos(rig.consumer));
		usleep(500);
	}
	return NULL;
}

static void *monitor_main_thread(void *arg)
{
	(void)arg;
	for (;;) {
		struct msg m;
		int fd = -1;
		if (msg_recv(rig.call_fd, &m) < 0)
			return NULL;
		const char *source = json_string_value(json_object_get(m.json, "source"));
		bool is_known = source && !strcmp(source, "file:/rig");
		if (memfd_of(rig.credential, strlen(rig.credential), &fd) < 0)
			abort();
		json_t *yes = json_pack("{s:b}", "ok", 1),
		       *no = json_pack("{s:b, s:s}", "ok", 0, "why", "no such file");
		if (msg_send(rig.call_fd, is_known ? yes : no, &fd, is_known) < 0)
			return NULL;
		json_decref(yes);
		json_decref(no);
		close(fd);
		msg_done(&m);
	}
}

struct injection {
	struct mail mail;
	int fd;
	struct flow_info info;
};

static void on_injection(struct mail *m, struct lane *l)
{
	struct injection *i = container_of(m, struct injection, mail);
	admit_known(l, i->fd, &i->info);
	free(i);
}

static void inject(int fd, const struct flow_info *info)
{
	struct injection *i = calloc(1, sizeof(*i));
	struct lane *l = proxy_idlest(&rig.proxy);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	*i = (struct injection){.mail.run = on_injection, .fd = fd, .info = *info};
	atomic_fetch_add(&l->n_flows, 1);
	lane_post(l, &i->mail);
}

static int listen_on(int *ret_port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 512) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		abort();
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

/* What connects to the rig's gate is a flow to rig.info.dst. */
static void *gate_main_thread(void *arg)
{
	(void)arg;
	for (int fd; (fd = accept4(rig.gate_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
		pthread_mutex_lock(&rig.info_mutex);
		struct flow_info info = rig.info;
		pthread_mutex_unlock(&rig.info_mutex);
		inject(fd, &info);
	}
	return NULL;
}

/* --- PostgreSQL --- */

static void become_postgres(void)
{
	struct passwd *pw = getpwnam("postgres");
	pw = pw ? pw : getpwnam("nobody");
	if (getuid() == 0 && (setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0))
		_exit(1);
}

static pid_t spawn(const char *const argv[])
{
	pid_t pid = fork();
	if (pid)
		return pid;
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	char log[128];
	snprintf(log, sizeof(log), "%s/log", rig.dir);
	become_postgres();
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 2);
	if (chdir(rig.dir) < 0)
		_exit(1);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static void query_direct(const char *sql)
{
	char conninfo[256];
	snprintf(conninfo, sizeof(conninfo),
		 "host=127.0.0.1 port=%d user=app password=secret dbname=postgres", rig.pg_port);
	PGconn *c = PQconnectdb(conninfo);
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		printf("direct: %s: %s", sql, PQerrorMessage(c));
	PQclear(r);
	PQfinish(c);
}

static char *value_direct(const char *sql)
{
	char conninfo[256];
	snprintf(conninfo, sizeof(conninfo),
		 "host=127.0.0.1 port=%d user=app password=secret dbname=postgres", rig.pg_port);
	PGconn *c = PQconnectdb(conninfo);
	PGresult *r = PQexec(c, sql);
	char *v = PQntuples(r) ? strdup(PQgetvalue(r, 0, 0)) : strdup("");
	PQclear(r);
	PQfinish(c);
	return v;
}

static bool pg_start(void)
{
	char pwfile[96], data[96], port[16], conninfo[256];
	if (access(PG_BIN "postgres", X_OK) < 0)
		return false;
	strcpy(rig.dir, "/tmp/sluice-flow-XXXXXX");
	if (!mkdtemp(rig.dir) || chmod(rig.dir, 0777) < 0)
		abort();
	snprintf(pwfile, sizeof(pwfile), "%s/pw", rig.dir);
	snprintf(data, sizeof(data), "%s/data", rig.dir);
	FILE *f = fopen(pwfile, "w");
	fputs("secret\n", f);
	fclose(f);
	chmod(pwfile, 0644);
	const char *initdb[] = {PG_BIN "initdb", "-D",	     data,   "-U", "app",	 "-A",
				"scram-sha-256", "--pwfile", pwfile, "-N", "--locale=C", "-E",
				"UTF8",		 NULL};
	int status = 1;
	waitpid(spawn(initdb), &status, 0);
	if (status)
		abort();
	close(listen_on(&rig.pg_port));
	snprintf(port, sizeof(port), "%d", rig.pg_port);
	const char *postgres[] = {
	    PG_BIN "postgres",	   "-D", data, "-p", port, "-h", "127.0.0.1", "-k", "", "-F", "-c",
	    "max_connections=150", NULL};
	rig.pg_pid = spawn(postgres);
	snprintf(conninfo, sizeof(conninfo),
		 "host=127.0.0.1 port=%d user=app password=secret dbname=postgres", rig.pg_port);
	for (int i = 0; i < 200; i++) {
		PGconn *c = PQconnectdb(conninfo);
		bool is_up = PQstatus(c) == CONNECTION_OK;
		PQfinish(c);
		if (is_up)
			return true;
		usleep(50000);
	}
	abort();
}

static void pg_stop(void)
{
	char command[128];
	if (rig.pg_pid <= 0)
		return;
	kill(rig.pg_pid, SIGQUIT);
	waitpid(rig.pg_pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", rig.dir);
	if (system(command))
		printf("left behind: %s\n", rig.dir);
}

/* --- the rig --- */

static int64_t now_s(void)
{
	return (int64_t)(clock_real_ns() / NS_PER_SEC);
}

static void put_session(const char *id, uint64_t cgroup, const char *role, int64_t expires)
{
	struct session s = {.who = {.session = id,
				    .issuer = "rig",
				    .subject = "agent",
				    .owner = "ada",
				    .role = role,
				    .expires = expires},
			    .cgroup_id = cgroup,
			    .generation = 1};
	CHECK_INT(proxy_session_put(&rig.proxy, &s), 0);
}

static void set_policy(const char *text)
{
	struct plan *plan = NULL;
	struct policy_errors *e = calloc(1, sizeof(*e));
	int err = plan_compile(span_str(text), &plan, e);
	for (int i = 0; i < e->n; i++)
		printf("policy:%d:%d: %s\n", e->at[i].line, e->at[i].column, e->at[i].text);
	CHECK_INT(err, 0);
	if (err)
		exit(1);
	proxy_set_plan(&rig.proxy, plan);
	plan_unref(plan);
	free(e);
}

static bool has_event(const char *a, const char *b, const char *c)
{
	bool found = false;
	pthread_mutex_lock(&rig.mutex);
	struct span all = buf_span(&rig.events);
	for (size_t at = 0; at < all.len && !found;) {
		const uint8_t *end = memchr(all.p + at, '\n', all.len - at);
		size_t len = (size_t)(end - (all.p + at));
		char *line = strndup((const char *)all.p + at, len);
		found = strstr(line, a) && (!b || strstr(line, b)) && (!c || strstr(line, c));
		free(line);
		at += len + 1;
	}
	pthread_mutex_unlock(&rig.mutex);
	return found;
}

/* One event that holds all of these texts, within two seconds. */
static bool wait_event(const char *a, const char *b, const char *c)
{
	for (int i = 0; i < 200; i++) {
		if (has_event(a, b, c))
			return true;
		usleep(10000);
	}
	pthread_mutex_lock(&rig.mutex);
	size_t n = buf_len(&rig.events), from = n > 3000 ? n - 3000 : 0;
	printf("no event with %s %s %s in\n%.*s\n", a, b ? b : "", c ? c : "", (int)(n - from),
	       rig.events.mem + rig.events.start + from);
	pthread_mutex_unlock(&rig.mutex);
	return false;
}

static void rig_start(void)
{
	int pair[2];
	log_init("rig", LOG_ERROR);
	rig.cfg = (struct config){.node = "rig",
				  .loops = 2,
				  .login_timeout_ms = 3000,
				  .idle_timeout_ms = 60000,
				  .startup_timeout_ms = 1000,
				  .max_flows = 1000,
				  .text_limit = 65536};
	pthread_mutex_init(&rig.mutex, NULL);
	buf_init(&rig.events, 512u << 20);
	CHECK_INT(ring_create(1 << 20, &rig.env.rings[0]), 0);
	rig.env.n_rings = 1;
	rig.env.health = &rig.health;
	rig.env.flow_map_fd = rig.env.dest_map_fd = -1;
	CHECK_INT(ring_consumer_open(&rig.env.rings[0], &rig.consumer), 0);
	CHECK_INT(msg_pair(pair), 0);
	rig.env.call_fd = pair[0];
	rig.call_fd = pair[1];
	pthread_create(&rig.recorder, NULL, recorder_main_thread, NULL);
	pthread_create(&rig.monitor, NULL, monitor_main_thread, NULL);
	CHECK_INT(proxy_init(&rig.proxy, &rig.cfg, &rig.env), 0);
	rig.gate_fd = listen_on(&rig.gate_port);
	pthread_create(&rig.gate, NULL, gate_main_thread, NULL);
	rig.info = (struct flow_info){
	    .cgroup_id = 7, .generation = 1, .pid = 42, .comm = "agent", .exe = "/usr/bin/agent"};
}

static void rig_stop(void)
{
	shutdown(rig.gate_fd, SHUT_RDWR);
	pthread_join(rig.gate, NULL);
	close(rig.gate_fd);
	proxy_done(&rig.proxy);
	rig.is_ending = true;
	pthread_join(rig.recorder, NULL);
	close(rig.env.call_fd);
	pthread_join(rig.monitor, NULL);
	close(rig.call_fd);
	ring_consumer_free(rig.consumer);
	ring_desc_done(&rig.env.rings[0]);
	buf_done(&rig.events);
}

static void to_dst(const char *ip, int port)
{
	pthread_mutex_lock(&rig.info_mutex);
	CHECK_INT(addr_parse_ip(ip, &rig.info.dst), 0);
	rig.info.dst.port = (uint16_t)port;
	pthread_mutex_unlock(&rig.info_mutex);
}

static void from_cgroup(uint64_t cgroup)
{
	pthread_mutex_lock(&rig.info_mutex);
	rig.info.cgroup_id = cgroup;
	pthread_mutex_unlock(&rig.info_mutex);
}

static PGconn *connect_pg(void)
{
	char conninfo[256];
	snprintf(conninfo, sizeof(conninfo),
		 "host=127.0.0.1 port=%d user=agent password=anything dbname=postgres "
		 "connect_timeout=10 sslmode=disable",
		 rig.gate_port);
	return PQconnectdb(conninfo);
}

static int connect_raw(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)rig.gate_port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		abort();
	return fd;
}

/* What a read brings within ms: bytes, 0 at the end, -errno; -ETIMEDOUT. */
static ssize_t read_within(int fd, void *p, size_t n, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	if (poll(&pfd, 1, ms) == 0)
		return -ETIMEDOUT;
	ssize_t got = read(fd, p, n);
	return got < 0 ? -errno : got;
}
