/* Shared between the files of the monitor only. */
#pragma once

#include <jansson.h>
#include <signal.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/msg.h"
#include "config.h"
#include "kernel/kernel.h"
#include "priv/kept.h"
#include "priv/ca.h"
#include "priv/child.h"
#include "priv/monitor.h"
#include "priv/signer.h"
#include "priv/spawn.h"
#include "priv/workloads.h"

struct monitor;

/* A command that yields a credential, while it runs. The proxy waits for its answer. */
struct command_run {
	pid_t pid;
	int out_fd;	      /* read end of its output */
	struct source exited; /* its pidfd */
	struct timer deadline;
	bool is_active;
	char path[KEPT_PATH]; /* of the command */
};

struct child {
	struct monitor *m;
	enum child_kind kind;
	pid_t pid; /* 0: not running */
	uint64_t started_ns;
	int call_fd, notify_fd; /* our ends, non-blocking; -1 */
	struct source call;
	struct command_run command; /* proxy */
};

#define DEATHS_MAX	 5
#define DEATHS_WINDOW_NS (30 * NS_PER_SEC)
#define CONSOLE_PAUSE_NS (2 * NS_PER_SEC)

struct tally_due;

struct monitor {
	const struct config *cfg;
	const struct monitor_options *options;
	struct loop *loop;
	struct kernel *kernel;
	struct kept kept; /* credentials of commands */
	struct workloads workloads;
	struct tally_due *tallies; /* of workloads that ended; tallies.c */
	struct signer signer;
	struct ca ca;
	struct child children[CHILD_KINDS];

	int health_fd;
	struct health *health;
	struct ring_desc rings[MAX_LOOPS + 2]; /* control, the proxy's loops, the monitor */
	int n_loops;
	struct ring *ring; /* the monitor's own */
	int control_fd, metrics_fd, console_fd, keys_dir_fd;
	char *gaps_json, *probe_json;

	struct source signals, kernel_events;
	struct timer beat, stop_deadline;
	uint64_t looked_ns, awake_ns; /* when the children were last looked at; since when without a gap */
	uint64_t deaths_ns[DEATHS_MAX]; /* the last ones, a ring */
	int n_deaths;
	uint64_t console_after_ns; /* it is not started again before */
	bool is_stopping, is_ready, is_start_recorded;
	int exit_code;
};

/* What a request is answered with. */
struct answer {
	json_t *body;	 /* owned; NULL: {} */
	int fd;		 /* owned; -1: none */
	const char *why; /* for people, on an error; static */
	bool is_later; /* the answer comes when it is there; nothing else is read from the peer until then */
};

/* children.c */
void children_init(struct monitor *m);
must_check int child_start(struct monitor *m, enum child_kind kind);
/* Starts those that do not run, in their order. */
void children_start(struct monitor *m);
/* After SIGCHLD. */
void children_reap(struct monitor *m);
/* Ends one that broke the rules; it is started anew like any that died. */
void child_end(struct child *c, const char *why);
void child_notify(struct child *c, json_t *msg, const int *fds, int n_fds); /* steals msg */
void children_reload(struct monitor *m);
void children_stop(struct monitor *m);
bool children_gone(const struct monitor *m);
void child_answer(struct child *c, int err, struct answer *a);

/* requests.c */
/* Answers one request. ERR_MALFORMED: the peer has to be ended. */
must_check int request_answer(struct child *c, struct msg *in);

/* credentials.c */
/* "file:/path", "command:/path" or "fd:NAME". */
must_check int credential_open(struct child *c, const char *source, struct answer *a);
void command_done(struct command_run *r, struct child *c);

/* places.c: directories, sockets, the state file. */
must_check int places_prepare(struct monitor *m);
must_check int places_listen(struct monitor *m);

/* records.c: the events that the monitor writes itself. */
int record_node(struct monitor *m, const char *type);
void record_refusal(struct monitor *m, const struct refusal *r);

/* session.kernel */
void record_tally(struct monitor *m, const char *session, const json_t *state, const struct kernel_tally *t);
/* node.fault: a child ended by itself. */
void record_fault(struct monitor *m, const char *process, const char *reason);

/* tallies.c */
/* A workload has ended: to be called as struct workloads.on_ended. */
void tallies_ended(void *ctx, const struct workload *l);
/* Records those whose connections are over; is_last: all. */
void tallies_write(struct monitor *m, bool is_last);

/* monitor.c */
void monitor_stop(struct monitor *m, int exit_code);
/* Beats the kernel's heart if all parts are alive; false: they are not, connects are refused soon. */
bool monitor_beat(struct monitor *m);
/* Records what the kernel refused up to now. */
void read_refusals(struct monitor *m);
/* The same, and what was held back of one workload, which is about to be forgotten. */
void read_last_refusals(struct monitor *m, uint64_t cgroup_id);

/* notify.c: the service manager. */
void service_notify(const char *text);
