/* The proxy process: what its threads share. Everything here is safe to use from any of them. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/loop.h"
#include "base/msg.h"
#include "config.h"
#include "flow/lane.h"
#include "priv/child.h"

struct cancels;
struct leaves;
struct catalogs;
struct listener;
struct names;
struct pool;
struct registry;

/* Counters by resource name. Never freed: as many as policies ever named. */
struct resource_counts {
	struct resource_counts *next;
	_Atomic uint64_t flows, ops, denied;
	_Atomic uint64_t masked,
	    masked_values; /* operations with masked columns; what the client was not shown */
	_Atomic int open_flows;
	char name[];
};

struct proxy {
	const struct config *cfg;
	const struct child_env *env;
	struct loop *loop; /* the main thread's */
	struct source notify, control;
	int spare_fd; /* given up for a moment when descriptors run out */
	struct lane *lanes;
	int n_lanes;
	struct pool *pool, *estimates; /* who asks for plans: one, so that logins never wait for it */
	struct registry *registry;
	struct names *names;
	struct catalogs *catalogs;
	struct cancels *cancels;
	struct leaves *leaves;
	struct msg_line monitor;
	pthread_mutex_t counts_mutex;
	struct resource_counts *counts;
	struct listener *listeners;   /* main thread */
	struct plan *plan;	      /* main thread's own reference */
	struct timer refresh;	      /* names are resolved again */
	pthread_mutex_t grants_mutex; /* over the next three */
	struct grant_list *grants;    /* or NULL */
	struct outgoing *outbox, **outbox_tail;
	_Atomic bool is_control_there;
	struct timer outbox_retry;
	_Atomic bool is_stopping; /* plans that are still to be asked for are not */
	_Atomic int n_flows;
	_Atomic uint64_t total_flows;
	_Atomic uint64_t other_ops; /* of no resource: names that were asked for */
};

/* All but the channels: what an integration test drives as the process would. lanes are started. */
must_check int proxy_init(struct proxy *p, const struct config *cfg, const struct child_env *env);
void proxy_done(struct proxy *p);
/* A new plan for all lanes, names and destinations. A reference is taken. */
void proxy_set_plan(struct proxy *p, struct plan *plan);
/* A session begins or is renewed; ends. */
struct session;
must_check int proxy_session_put(struct proxy *p, const struct session *like);
must_check int proxy_session_end(struct proxy *p, const char *id, const char *sqlstate,
				 const char *reason);
struct resource_counts *proxy_counts(struct proxy *p, const char *resource);
/* The lane with the fewest flows. */
struct lane *proxy_idlest(struct proxy *p);
