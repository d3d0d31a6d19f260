/* Prepared statements and portals of a session, by name, with versions: a message names the newest
 * one that it can see, and what an unanswered message does to a name shows only once it is
 * answered. SQL's PREPARE and DECLARE and the protocol's Parse and Bind share the tables, as in the
 * server. */
#pragma once

#include "base/span.h"
#include "proto/postgres/masking.h"
#include "sql/sql.h"

#define NAME_KEY    64 /* NAMEDATALEN: the server tells names apart by 63 bytes, so do we */
#define NAMES_MAX   4096
#define NAMES_BYTES (16 * 1024 * 1024) /* of statement text, all names of one table */

/* A statement as it was sent, with its analysis; shared by reference count. */
struct prepared {
	int refs;
	struct sql_entry *entry; /* NULL: unclassified */
	const char *why;	 /* then: why */
	int index;		 /* which statement of the entry; -1: an empty query */
	uint64_t generation;	 /* catalogue and session that it was analysed under */
	uint32_t session_version;
	uint32_t *types; /* that a Parse declared for its parameters, or NULL */
	int n_types;
	uint32_t *told_types; /* of its parameters, as a ParameterDescription told them, or NULL */
	int n_told_types;
	char *columns; /* names of the result, each with its NUL, or NULL */
	int n_columns;
	uint64_t looked; /* op.looked of its text */
	size_t len;
	uint8_t text[];
};

/* The analysis that a portal was opened under: what its names mean to the server, whatever they mean by now. */
struct opened {
	struct sql_entry *entry; /* with a reference; NULL: unclassified */
	const char *why;	 /* then: why; a static string, or one that the session keeps */
	int index;
	uint64_t plan;		 /* of the decision, as it numbers policies */
	struct mandate *mandate; /* what people let it pass by, owned; NULL: they were not asked */
};

/* One version of a name. */
struct name {
	struct name *next; /* in its bucket, newest first */
	int refs;	   /* the table's own, and one a message that waits for its answer */
	bool is_listed;
	bool is_live;	  /* the server has said so */
	bool is_cursor;	  /* DECLAREd: outlives what ends a portal, until it is closed */
	bool was_run;	  /* portals: an Execute was sent */
	bool is_ended;	  /* portals: the result of op_id was reported */
	bool has_columns; /* portals: columns of op_id were reported */
	uint32_t segment; /* of the message that makes it: the stretch between two Syncs */
	/* portals: a Describe was sent, in asked_in: it is answered, or what follows it in there fails */
	bool is_asked;
	uint32_t asked_in;
	uint64_t seq;	  /* number of that message */
	uint64_t closing; /* number of an unanswered message that ends it, or 0 */
	uint64_t op_id;	  /* portals: the Bind's operation */
	uint64_t rows;
	uint32_t names_version; /* portals: of the tables when it was bound */
	struct masking *masking; /* portals: by the decision on their Bind; NULL: nothing is masked */
	struct opened opened;	/* portals */
	uint64_t masked;	/* portals: values that were masked so far */
	uint16_t *formats;	/* portals: result formats, kept only where rows are looked into */
	int n_formats;
	bool lacks_formats; /* portals: there are some, but they were not kept: rows were not looked into */
	struct prepared *stmt;
	size_t key_len;
	uint8_t key[NAME_KEY];
};

struct names {
	struct name **buckets;			 /* NULL until first used */
	void (*gone)(void *ctx, struct name *n); /* one leaves the table; may be NULL */
	void *ctx;
	int n;
	size_t bytes;
};

/* Copies text. NULL: out of memory. */
struct prepared *prepared_new(struct span text, struct sql_entry *entry, int index);
must_check int prepared_set_types(struct prepared *p, const uint32_t *types, int n);
struct prepared *prepared_ref(struct prepared *p);
void prepared_unref(struct prepared *p);
/* Notes under which analysis it is opened; why: static, or as long as the session. Then by which decision. -ENOMEM. */
void name_opened(struct name *portal, struct sql_entry *entry, int index, const char *why);
must_check int name_passed(struct name *portal, const struct decision *d);
/* A copy of what d passed by; *ret NULL where nobody was asked. -ENOMEM. */
must_check int mandate_of(const struct decision *d, struct mandate **ret);
/* The statement, or NULL: empty or unclassified. */
const struct sql_stmt *prepared_stmt(const struct prepared *p);

void names_done(struct names *t);
/* Adds a version, in front of older ones of that name. Takes a reference to stmt. On success the
 * caller borrows it. ERR_LIMIT, -ENOMEM. */
must_check int names_add(struct names *t, struct span name, struct prepared *stmt, uint64_t seq,
			 struct name **ret_n);
/* The newest version, or NULL. */
struct name *names_find(const struct names *t, struct span name);
/* Removes one version, or all versions of its name that are older than seq. */
void names_remove(struct names *t, struct name *n);
void names_remove_older(struct names *t, struct span name, uint64_t seq);
/* The server has made this version: removes all older ones of its name. */
void names_supersede(struct names *t, struct name *n);
/* Removes all live ones that are older than seq; cursors too, if asked. */
void names_clear(struct names *t, uint64_t seq, bool with_cursors);
/* Marks the newest version as ended by message seq, once that is answered; and takes the mark back.
 */
void names_mark(struct names *t, struct span name, uint64_t seq);
void names_unmark(struct names *t, struct span name, uint64_t seq);
struct name *name_ref(struct name *n);
void name_unref(struct name *n);
static inline struct span name_key(const struct name *n)
{
	return span_of(n->key, n->key_len);
}
