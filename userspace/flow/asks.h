/* Operations that wait for people: held in their flows, asked of control. A held operation costs its memory; its
 * lane goes on. Control's answers come through the main thread into the lane. */
#pragma once

#include <jansson.h>

#include "flow/list.h"
#include "policy/op.h"

struct flow;
struct lane;
struct op;
struct proxy;
struct resume;

/* Asks about an operation that its rule wants approved, or lets it pass by a grant: then ret is changed to
 * EFFECT_ALLOW and 0 returned; 0 with EFFECT_DENY: it cannot be asked about, and ret says why. ERR_HELD: it
 * waits, and flow_resume brings the decision. op must stay valid until then. */
must_check int ask_about(struct flow *f, const struct op *op, struct decision *ret);
/* Does a role that was granted for a time let this pass, which the own role does not? Changes ret if so. */
void ask_granted(struct flow *f, const struct op *op, struct decision *ret);
/* Does what people have let pass before (op->prior) let this pass, which goes on with it? Changes ret if so. */
bool ask_goes_on(struct flow *f, const struct op *op, struct decision *ret);
/* Is it still in force? What was approved once is; a grant until its time is over or it is revoked. */
bool ask_stands(struct flow *f, const struct mandate *m);
/* Which role a flow to its resource logs in as: the one that was granted, or the own. */
const char *ask_login_role(struct flow *f, const char *own, char out[64]);

/* Several times a second for each flow that holds one: keeps the client's patience. */
void asks_check(struct flow *f, uint64_t now_ns);
/* The client has cancelled, or its flow ends, or the rules have changed: the hold is over. */
void asks_cancel_all(struct proxy *p, uint32_t cancel_pid); /* any thread */
void asks_drop_flow(struct flow *f);
void asks_replan(struct flow *f);

/* Main thread. */
void asks_on_control(struct proxy *p, json_t *j); /* "asked", "answer": steals j */
void asks_flush(struct proxy *p);		  /* sends what waits to be sent */
void asks_control_gone(struct proxy *p);
/* Any thread: a message for control. Steals j; fd is owned, -1: none. */
void asks_send(struct proxy *p, json_t *j, int fd);
