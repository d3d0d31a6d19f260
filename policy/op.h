/* The vocabulary that everything shares: who acts, what an operation needs, what was decided.
 * Protocol-neutral and pure. A wire module describes an operation as a list of needs; policy
 * answers for each need; the operation passes only if every need is met. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Who acts: from a verified token, bound to the workload. All strings borrowed, NUL-terminated. */
struct who {
	const char *session; /* "s-..." */
	const char *issuer, *subject;
	const char *owner; /* the person behind the agent; "" if the token names none */
	const char *role;  /* the one active role */
	int64_t expires;   /* Unix seconds */
};

/* Verbs of all protocols: name in policies and records. */
#define VERB_LIST(X)                                                                               \
	X(SELECT, "select")                                                                        \
	X(INSERT, "insert")                                                                        \
	X(UPDATE, "update")                                                                        \
	X(DELETE, "delete")                                                                        \
	X(TRUNCATE, "truncate")                                                                    \
	X(LOCK, "lock")	      /* LOCK TABLE, SELECT ... FOR UPDATE|SHARE */                        \
	X(EXECUTE, "execute") /* a function, procedure or operator that is not a built-in read */  \
	X(CREATE, "create")                                                                        \
	X(ALTER, "alter")                                                                          \
	X(DROP, "drop")                                                                            \
	X(COMMENT, "comment")                                                                      \
	X(REINDEX, "reindex")                                                                      \
	X(REFRESH, "refresh")                                                                      \
	X(GRANT, "grant") /* GRANT, REVOKE, role membership */                                     \
	X(SET, "set")	  /* SET, RESET, set_config */                                             \
	X(SHOW, "show")                                                                            \
	X(TRANSACTION, "transaction")                                                              \
	X(PREPARE, "prepare") /* PREPARE, DEALLOCATE, DISCARD, cursors' own commands */            \
	X(LISTEN, "listen")                                                                        \
	X(NOTIFY, "notify")                                                                        \
	X(COPY_FILE, "copy_file") /* COPY from or to a server file or program */                   \
	X(CALL, "call")                                                                            \
	X(DO, "do")                                                                                \
	X(MAINTAIN, "maintain") /* VACUUM, ANALYZE, CLUSTER, CHECKPOINT, ... */                    \
	X(ADMIN, "admin")	/* ALTER SYSTEM, LOAD, databases, tablespaces, replication */      \
	X(CONNECT, "connect")	/* an opaque flow (protocol tcp) */                                \
	X(RESOLVE, "resolve")	/* a DNS question */                                               \
	X(REPLICATE, "replicate") /* commands of a replication connection */

enum verb {
#define X(name, text) VERB_##name,
	VERB_LIST(X)
#undef X
	    VERB_COUNT
};

#define CLASS_LIST(X)                                                                              \
	X(READ, "read")                                                                            \
	X(WRITE, "write")                                                                          \
	X(DDL, "ddl")                                                                              \
	X(DCL, "dcl")                                                                              \
	X(SESSION, "session")                                                                      \
	X(TRANSACTION, "transaction")                                                              \
	X(COPY, "copy")                                                                            \
	X(PROCEDURAL, "procedural")                                                                \
	X(ADMIN, "admin")                                                                          \
	X(OPAQUE, "opaque") /* could not be classified */

enum op_class {
#define X(name, text) CLASS_##name,
	CLASS_LIST(X)
#undef X
	    CLASS_COUNT
};

const char *verb_name(enum verb v);
const char *class_name(enum op_class c);
/* -1 if there is no such name. */
int verb_by_name(const char *name);
int class_by_name(const char *name);

enum need_kind {
	NEED_RELATION, /* verb on schema.name */
	NEED_FUNCTION, /* VERB_EXECUTE (or VERB_CALL) of schema.name */
	NEED_OBJECT,   /* ddl, dcl, admin on an object that is no relation; name may be NULL */
	NEED_SETTING,  /* VERB_SET of the parameter name */
	NEED_PLAIN,    /* the verb alone: transaction, show, listen, a SELECT without relations */
	NEED_OPAQUE, /* only a rule with opaque: allow meets it; why says what could not be read */
};

/* One thing that an operation wants. Strings borrowed from the operation's arena. */
struct need {
	enum need_kind kind;
	enum verb verb;
	enum op_class class;
	const char *schema;	    /* resolved; NULL where there is none */
	const char *name;	    /* resolved; NULL where there is none */
	const char *const *columns; /* written columns (INSERT, UPDATE), or NULL */
	int n_columns;
	/* Any allowed verb implies it: transaction control, SHOW, harmless settings, what drivers read. */
	bool is_implied;
	const char *why; /* for people, e.g. "declared IMMUTABLE in SQL, outside pg_catalog"; may be NULL */
};

struct arena;
struct masks;
struct result_lineage;

/* By what people let an operation pass: of which rule, request or grant, and release. */
struct mandate {
	char rule[64], request[24], grant[24]; /* grant "": approved once */
	uint64_t release;
};

/* One operation. For PostgreSQL: one Query message (all its statements), or one Bind. */
struct op {
	uint64_t id;		   /* unique in its flow, rising from 1 */
	const char *protocol;	   /* "postgres", "tcp", "dns" */
	enum op_class class;	   /* the heaviest of its statements */
	const char *tag;	   /* for people: "SELECT", "DELETE", "BEGIN; SELECT", "connect" */
	struct span text;	   /* statement text, destination, question */
	uint64_t *looked; /* kinds that the record conceals and that are not in it: kept with it; NULL: it comes once */
	const struct span *params; /* bound parameter values as on the wire; p NULL is SQL NULL */
	const uint16_t *param_formats; /* 0 text, 1 binary; n_params of them */
	int n_params;
	/* Their types' OIDs, as the client declared or the server told them; 0: neither. n_params of them, or NULL. */
	const uint32_t *param_types;
	const struct need *needs;
	const struct need *reached; /* by way of views, rules, triggers, ...: for rules with "through" alone */
	int n_needs, n_reached;
	const char *database;  /* where, or NULL */
	const char *user;      /* as whom the client says that it logs in, or NULL */
	/* Settings that say what its literals mean (DateStyle and the like), as the server told them (NULL: not);
	 * what the session has set that its login had not: name, value, ...; is_unsure: not all of it is known. */
	const char *const *settings, *const *changed;
	int n_settings, n_changed;
	bool is_unsure;
	const uint32_t *declared; /* types that the client declared for parameters; 0: left open */
	int n_declared;
	struct span behind; /* the prepared statement that the text runs by its name; empty: none */
	bool reads_data;       /* COPY FROM STDIN: the client's data is not in the text */
	bool is_prepare_only;  /* nothing runs yet: what runs is decided for itself */
	bool is_plannable; /* one SELECT, INSERT, UPDATE, DELETE, MERGE that means the same in another session */
	bool is_by_name;       /* what runs stands behind a name: the text does not show it */
	const struct mandate *prior; /* it reads on from what passed by this, as long as that stands; NULL: it is new */
	bool is_in_transaction; /* one is open: what it holds is held while this waits */
	bool is_write;     /* has or may have an effect: whatever is not a plain read */
	bool is_permanent; /* may make effects permanent or visible outside at once: waits for the disk */
	const char *broken; /* why it cannot run, whoever asks: it is put on record and refused; NULL: it can */
	/* Where the rows of each statement come from, in order; NULL: not traced, or it returns none. */
	const struct result_lineage *const *results;
	int n_results;
	/* What lives as long as the operation: a decision's masks are put there. NULL: it cannot be masked. */
	struct arena *arena;
};

enum effect { EFFECT_ALLOW, EFFECT_MASK, EFFECT_ASK, EFFECT_DENY };
const char *effect_name(enum effect e);

#define DECISION_TEXT 400

struct decision {
	enum effect effect;
	char rule[64];		    /* id of the rule that made it; "default" where none matched */
	char reason[DECISION_TEXT]; /* what was refused and why; for people and models; UTF-8 */
	char hint[DECISION_TEXT];   /* what would be allowed, and how to ask */
	bool is_observed;          /* a rule in observe mode let pass what it would have refused */
	bool has_masks;            /* the role has masks on this resource, whether they matter here or not */
	bool is_masked;            /* it passes, and some column of it is masked for the client */
	bool is_unread; /* refused because the text, or where its values come from, cannot be read */
	bool hides_text;           /* literals and parameters are not recorded, nor what quotes them */
	bool detects_text;	   /* what is recorded of them is searched for values, not for secrets alone */
	char sqlstate[6];	   /* of a refusal that is no 42501; "" else */
	/* What let it pass, where people had to: a request that was approved, or a grant; and the number of the
	 * release in the record. "" and 0 where nobody was asked. */
	char request[24], grant[24];
	uint64_t release;
	char made_grant[24]; /* by the same approval: what began by it goes on as long as that is in force */
	uint64_t plan;	     /* number of the policy that it was made under; the flow's */
	const struct masks *masks; /* policy/mask.h, in the operation's arena; NULL: nothing is masked */
};

/* Were people asked about this very operation? Not where a grant, or what was approved before, let it pass. */
static inline bool decision_was_asked(const struct op *op, const struct decision *d)
{
	return d->request[0] && !d->grant[0] && !op->prior;
}

/* How an operation ended. */
struct op_result {
	uint64_t rows;
	uint64_t masked; /* values that were masked for the client */
	uint64_t duration_ns;
	const char *tag;      /* CommandComplete's, or NULL */
	const char *sqlstate; /* of the error that ended it, or NULL */
	const char *error;    /* its message, or NULL */
};
