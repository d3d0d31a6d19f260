/* The data.mdb of an export, as it grows: one writer, transactions of some megabytes, nothing synced
 * until the end. FORMAT.md has its databases. */
#pragma once

#include <lmdb.h>

#include "base/span.h"

enum export_db {
	EXPORT_META,
	EXPORT_EVENTS,
	EXPORT_OMITTED,
	EXPORT_CHECKPOINTS,
	EXPORT_SESSIONS,
	EXPORT_BY_SESSION,
	EXPORT_KEYS,
	EXPORT_DB_COUNT
};

struct export_env {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbs[EXPORT_DB_COUNT];
	size_t in_txn; /* bytes */
};

/* In an empty folder. Errors as of record/segment.h, segment_err. */
must_check int export_env_open(struct export_env *e, const char *folder);
must_check int export_env_put(struct export_env *e, enum export_db db, struct span key,
			      struct span value);
/* Under a number, which rises from one call to the next. */
must_check int export_env_append(struct export_env *e, enum export_db db, uint64_t number,
				 struct span value);
/* Is there a key that begins so? */
must_check int export_env_has(struct export_env *e, enum export_db db, struct span prefix,
			      bool *ret_has);
/* On disk when it returns 0. Afterwards only close. */
must_check int export_env_finish(struct export_env *e);
void export_env_close(struct export_env *e);
