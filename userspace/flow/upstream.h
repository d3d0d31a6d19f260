/* The far side of a flow: who dials it, its catalogue, how to cancel what runs there. */
#pragma once

#include "proto/proto.h"

struct flow;
struct lane;
struct dial_job;
struct wait_job;
struct catalog_slot;
struct cancel_entry;
struct cancel_job;

struct upstream {
	struct dial_job *dialling; /* on its way, or NULL: dial.c */
	struct dial_job *entering; /* connected, and the client logs in itself; NULL */
	struct wait_job *waiting;  /* for a fresh catalogue or an address, or NULL */
	bool is_replication;	   /* no statements: a stream */
	bool waiting_is_silent;	   /* the flow waits, the module does not know */
	struct catalog_slot *slot; /* NULL before the dial, and for opaque flows */
	struct catalog *catalog;   /* the one in force; a reference */
	uint64_t generation;	   /* of it */
	struct cancel_entry *cancel;
	int n_cancels; /* on their way to the server: nothing new is sent to it meanwhile */
	struct cancel_job *cancels; /* what this flow itself has asked for, or NULL */
};

/* sink_ops of pipeline.c */
must_check int upstream_facts(struct flow *f);
must_check int upstream_views(struct flow *f);
must_check int upstream_resolve(struct flow *f, const char *name, struct resolved *ret);
const struct catalog *upstream_catalog(void *flow);
/* The session is there: its names are read by this catalogue, which is owned from now on. */
void upstream_read_by(struct flow *f, struct catalog_slot *slot);
/* Was the catalogue read at since_ns (CLOCK_MONOTONIC) or later? 0: it was, or none is used;
 * ERR_HELD: it is being read, and then is called; -EAGAIN: something else is awaited, ask again
 * later; -ENOMEM, ERR_LIMIT. */
must_check int upstream_reread(struct flow *f, uint64_t since_ns, void (*then)(struct flow *f));

/* Must the client's side wait, because what it did has changed the catalogue? Then it is being
 * reloaded. */
bool upstream_is_stale(struct flow *f);
/* An idle flow keeps no catalogue alive that was read again since. Called several times a second. */
void upstream_keep_up(struct flow *f);
/* The catalogue has changed by what this flow did. */
void upstream_changed(struct flow *f);
void upstream_done(struct flow *f);
