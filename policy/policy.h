/* Policy: JSON text in, an immutable plan out; then (who, resource, op, now) -> decision.
 * Pure: no I/O, no clock, no logging. The plan is shared by reference count and never changes. */
#pragma once

#include "base/addr.h"
#include "policy/op.h"
#include "policy/terms.h"

struct plan;
struct login_terms;

/* One error of a policy, with its place in the text (1-based) and what was expected. */
struct policy_error {
	int line, column;
	char text[300];
};

#define POLICY_MAX    (1024 * 1024)
#define POLICY_ERRORS 20

struct policy_errors {
	struct policy_error at[POLICY_ERRORS]; /* in the text's order */
	int n;
	/* The same shape for what is legal but surely not meant: unreachable rules, roles that no
	 * rule uses, resources without rules. */
	struct policy_error warnings[POLICY_ERRORS];
	int n_warnings;
};

/* Returns 0 and a plan with one reference; ERR_CONFIG with errors filled in; -ENOMEM; ERR_LIMIT.
 * sha256 of the text is kept: plan_hash. */
must_check int plan_compile(struct span text, struct plan **ret_plan,
			    struct policy_errors *ret_errors);
struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p);
/* 64 hex digits, lives as long as the plan. */
const char *plan_hash(const struct plan *p);

/* What may be done with the recorded result rows of a resource. */
enum record_rows { RECORD_NONE, RECORD_HASH, RECORD_ROWS };

/* What a client that asks for TLS is told. */
enum client_tls { CLIENT_TLS_OFFER, CLIENT_TLS_REFUSE, CLIENT_TLS_REQUIRE };

/* One thing that a resource answers to: a name, an address or a network, with a port (0: any). */
struct match {
	const char *host; /* a DNS name in lower case, or NULL */
	uint8_t net[16];  /* else a network, v4-mapped */
	int prefix_len;	  /* 0..128 */
	uint16_t port;
};

struct role_credential {
	const char *role;
	const char *source; /* "file:/path", "fd:NAME" or "command:/path" */
};

/* A declared target. Lives as long as its plan. */
struct resource {
	const char *name;
	const char *protocol; /* "postgres" or "tcp" */
	const struct match *matches;
	int n_matches;
	const char
	    *upstream; /* "host:port" to dial instead of the address that was asked for, or NULL */
	const struct role_credential *credentials;
	int n_credentials;
	enum client_tls client_tls;
	const struct login_terms *login; /* policy/login.h; NULL: nothing is said of it */
	enum record_rows record;
	uint64_t record_limit; /* bytes of result rows kept per operation */
};

/* Keys that masks hash with, by the masks' numbers: where each is to be read from ("file:/path", "fd:NAME"; NULL:
 * it needs none), and its content, before anyone else has the plan. Without its key a mask shows NULL or zeros. */
int plan_n_masks(const struct plan *p);
const char *plan_mask_key_source(const struct plan *p, int i);
void plan_set_mask_key(struct plan *p, int i, struct span content);

int plan_n_resources(const struct plan *p);
const struct resource *plan_resource(const struct plan *p, int i);
const struct resource *plan_resource_by_name(const struct plan *p, const char *name);
/* The most specific resource for a destination: a name beats an address, a longer prefix a shorter,
 * a port no port. names: what the workload's DNS answers called this address (may be empty). */
const struct resource *plan_match(const struct plan *p, const struct addr *dst,
				  const char *const *names, int n_names);
/* Is this DNS name (lower case, no final dot) declared by some resource? */
bool plan_declares_name(const struct plan *p, const char *name);
/* The resource to decide a DNS question (VERB_RESOLVE) by: one that declares the name, one that the
 * role may use before others. NULL if there is none. role may be NULL. */
const struct resource *plan_resource_of_name(const struct plan *p, const char *name,
					     const char *role);
/* NULL if the role has none. */
const char *resource_credential(const struct resource *r, const char *role);

/* An issuer's settings. Lives as long as its plan. */
struct issuer {
	const char *issuer, *audience;
	const char *jwks; /* "file:/path" or "https://..." (http:// only to a loopback address);
			   * NULL: the local issuer */
	const char *groups_claim, *owner_claim; /* dotted paths; defaults "groups", "act.sub" */
	const char *const *algorithms;		/* NULL: every asymmetric one that we verify */
	int n_algorithms;
};
/* What is to be done to a workload that tried this way around the gateway ("trace", "socket-family", ...). */
enum bypass_action { BYPASS_RECORD, BYPASS_FREEZE, BYPASS_KILL };
enum bypass_action plan_on_bypass(const struct plan *p, const char *vector);
/* May no workload be enrolled without this part? "guard", or the name of a gap (sluice doctor). */
bool plan_requires(const struct plan *p, const char *part);

int plan_n_issuers(const struct plan *p);
const struct issuer *plan_issuer(const struct plan *p, int i);

/* The roles that the groups give. Writes at most max names (borrowed from the plan), returns how
 * many there are. */
int plan_roles(const struct plan *p, const char *const *groups, int n_groups,
	       const char **ret_roles, int max);
bool plan_has_role(const struct plan *p, const char *role);

/* Decides. Never fails: whatever is not understood is denied with its reason. now: Unix seconds.
 *
 * Each need is met by the first rule (in the file's order) of this role on this resource that
 * covers it; no such rule denies ("default"); the heaviest effect of all needs wins, of equals the
 * first. covers   A rule that names relations, functions or settings speaks about those kinds alone
 * (and about plain verbs that it lists); one that names none speaks about all that its verbs and
 *            class fit. A function passes only by a rule whose "functions" names it; an unread text
 *            only by a rule with "opaque": "allow", which passes functions as well (a DO block
 *            also by a rule that lists the verb); a deny rule
 *            without names refuses functions that its verbs and class fit, and unread texts if it lists
 *            no verbs.
 *   implied  Implied needs pass with any rule that lets the role use the resource, unless a refusing
 *            rule that comes before means them by name.
 *   columns  An allowing rule wants every written column to match, a deny rule any.
 *   ask      holds: the operation may pass once people have approved it by the rule's terms. Needs of two
 *            different asking rules refuse: neither rule's people would be asked about all of it.
 *   mask     lets through. What is hidden follows from op->results by column: a copy as its mask says, what
 *            is computed from masked columns whole; refused is what cannot be traced or read, a masked
 *            column in a condition (unless the mask allows it), COPY of one, and a statement that writes
 *            while it reads a relation with some. ret->masks says how, for the client and for the record:
 *            the record's do not depend on the role.
 *   observe  A rule in this mode that would refuse lets pass (masks: unmasked); is_observed is set, the
 *            reason says what would have been refused. A need that another rule refuses stays refused.
 *   expiry   who->expires <= now denies, rule "identity".
 *
 * ret->effect is EFFECT_ALLOW, EFFECT_ASK or EFFECT_DENY. ret->rule: of a refusal, the rule that refused (or
 * "default", "identity"); of an observed pass, the observing rule; else the rule that met the first
 * need that is not implied. r may belong to an older plan: then its name counts. NULL r:
 * undeclared. */
void plan_decide(const struct plan *p, const struct resource *r, const struct who *who,
		 const struct op *op, int64_t now, struct decision *ret);
/* Does a rule of this resource mask, for whatever role? Then what is not understood is recorded without literals. */
bool plan_hides(const struct plan *p, const struct resource *r);
/* May this role use this resource at all (some rule of it allows, masks or asks)? */
bool plan_role_uses(const struct plan *p, const struct resource *r, const char *role);

/* The terms of a rule that asks, or of an entry of "grants", by its id. False: there is none. They live as long
 * as the plan. */
bool plan_terms(const struct plan *p, const char *id, struct terms *ret);
/* Those by which `from` may ask for `role`. False: it may not. */
bool plan_grant_terms(const struct plan *p, const char *from, const char *role, struct terms *ret);
/* The i-th name in "notify" of all rules that ask and of all "grants", and whose it is. False: there are no more. */
bool plan_notify(const struct plan *p, int i, const char **ret_rule, const char **ret_name);
