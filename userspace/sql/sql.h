/* SQL by effect: text in, what each statement needs out. PostgreSQL's own parser (libpg_query, raw
 * parse) and a bounded walk; names resolved through the catalogue. Pure: no I/O, no clock, no
 * rules. What cannot be read is never guessed: it yields NEED_OPAQUE with the reason. */
#pragma once

#include "base/arena.h"
#include "policy/lineage.h"
#include "policy/op.h"
#include "sql/catalog.h"

#define SQL_TEXT_MAX (256 * 1024) /* a longer text is ERR_LIMIT */
#define SQL_PATHS    4

/* The parse-relevant state of a session, kept by the wire module. A session whose search_path is
 * not known for sure has several candidates, and a statement must be in order under all of them. */
struct sql_session {
	const char *paths[SQL_PATHS]; /* search_path as text; n_paths >= 1 */
	int n_paths;
	bool has_temp; /* the session may own temporary tables: unqualified names may mean them */
	/* The types that a Parse message declares for $1 ... (0: left open): they decide which
	 * operator or function is meant, and reading a value of some types runs code. NULL where
	 * there are none. */
	const uint32_t *param_types;
	int n_param_types;
};

/* What a statement does to the session, beyond its needs. */
enum sql_kind {
	SQL_OTHER,
	SQL_BEGIN,
	SQL_COMMIT, /* also END, ROLLBACK's opposite; is_chain for AND CHAIN */
	SQL_ROLLBACK,
	SQL_SAVEPOINT,	  /* SAVEPOINT, RELEASE, ROLLBACK TO */
	SQL_PREPARE_XACT, /* PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED */
	SQL_SET,	  /* SET, RESET, set_config: name and value below */
	SQL_PREPARE,	  /* PREPARE name AS body */
	SQL_EXECUTE,	  /* EXECUTE name, also inside EXPLAIN (the tag tells) */
	SQL_DEALLOCATE,	  /* name, or NULL for ALL */
	SQL_DISCARD,
	SQL_DECLARE_CURSOR, /* name */
	SQL_FETCH,	    /* FETCH, MOVE, CLOSE: name, or NULL for CLOSE ALL */
	SQL_COPY_IN,	    /* COPY ... FROM STDIN */
	SQL_COPY_OUT,	    /* COPY ... TO STDOUT */
};

enum copy_format { COPY_TEXT, COPY_CSV, COPY_BINARY };

/* The form of what COPY ... TO writes: PostgreSQL documentation, "COPY", "File Formats". */
struct sql_copy {
	enum copy_format format;
	uint8_t delimiter, quote, escape;
	const char *null; /* what stands for NULL */
	bool has_header;
	bool forces_quotes; /* FORCE_QUOTE, of whichever columns */
	/* A SELECT whose result has the columns that are written; NULL: it is not known. */
	const char *shape;
	const char *why; /* not NULL: it is another one, or written in an encoding that cannot be followed */
};

struct sql_stmt {
	enum sql_kind kind;
	enum op_class class;
	const char *tag;   /* "SELECT", "CREATE TABLE", ... */
	int location, len; /* bytes in the text */
	const struct need *needs;
	int n_needs;
	const struct need *reached; /* what it reaches by way of its relations: sql/reach.h */
	int n_reached;
	const char
	    *name; /* of the prepared statement, cursor or setting; lower case for settings */
	const char
	    *value;    /* SQL_SET: the new value as text; NULL: RESET / DEFAULT / not a literal */
	bool is_local; /* SET LOCAL */
	bool is_chain;
	bool is_write; /* anything but a plain read, session or transaction statement */
	/* Its effect is permanent or visible outside even if the transaction rolls back: a function
	 * that is not a built-in read, CALL, DO, a command that cannot run in a transaction block.
	 */
	bool is_untransactional;
	/* Its rows come by way of a view, or of what has partitions or children: where its values come from hangs on
	 * definitions that others may replace without any sign of it in the result. */
	bool reads_views;
	bool reads_numbers; /* what it needs depends on the value of a number in its text */
	int n_params; /* SQL_PREPARE: highest $n of the body */
	/* A name that is no column of what stands in FROM, all of which is known; NULL: there is none. */
	const char *missing;
	const struct sql_copy *copy; /* COPY ... TO */
	/* Where its values come from; NULL where none pass. Of PREPARE and DECLARE: of the body; of
	 * EXECUTE and FETCH, which only name one, not known. */
	const struct result_lineage *lineage;
};

enum sql_status {
	SQL_OK,
	SQL_SYNTAX, /* our parser cannot parse it: message and position (characters from 1) */
	SQL_FACTS,  /* a name is not in the catalogue: reload it and try again, then take the result
		       as it is */
	SQL_TOO_BIG, /* text, node or depth limit */
};

struct sql_result {
	enum sql_status status;
	const struct sql_stmt *stmts;
	int n_stmts; /* 0: an empty query */
	const char *message;
	int position;
	const char *file, *routine; /* where PostgreSQL's parser says that it failed */
};

/* Analyses text (not NUL-terminated) under a catalogue and a session. The result lives in a.
 * With SQL_FACTS the statements are filled in as well, the unknown names as opaque needs.
 * Returns 0, -ENOMEM or ERR_LIMIT (arena). */
must_check int sql_analyze(struct span text, const struct catalog *c, const struct sql_session *s,
			   struct arena *a, struct sql_result *ret);

/* What all statements reach by way of their relations, as one list, which lives in a. -ENOMEM. */
must_check int sql_reached(const struct sql_result *r, struct arena *a, struct op *op);

/* A cache of results by text, catalogue generation and session; one per thread; least recently used
 * goes. Results are immutable and live until the cache drops them: hold a reference. */
struct sql_cache;
struct sql_entry; /* reference-counted (not atomically: one thread) */
must_check int sql_cache_new(size_t max_entries, size_t max_bytes, struct sql_cache **ret_c);
void sql_cache_free(struct sql_cache *c);
/* ret_e is a reference of the caller's. Errors as sql_analyze. */
must_check int sql_cache_get(struct sql_cache *c, struct span text, const struct catalog *cat,
			     const struct sql_session *s, struct sql_entry **ret_e);
const struct sql_result *sql_entry_result(const struct sql_entry *e);
struct sql_entry *sql_entry_ref(struct sql_entry *e);
void sql_entry_unref(struct sql_entry *e);
/* The calling thread's cache, made on first use and freed with the thread; for modules, which own
 * no thread. NULL: out of memory. */
struct sql_cache *sql_cache_here(void);
