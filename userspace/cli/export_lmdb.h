/* The export that an auditor can check: a folder with data.mdb (an LMDB environment), MANIFEST.json,
 * KEY.pub and README.md, which explains every key. record/FORMAT.md describes it. */
#pragma once

#include <jansson.h>

#include "cli/record_source.h"

/* Makes the folder, which must not be there or be empty. Says on stderr what went wrong. 0 or
 * negative; then the folder is not left half-made. */
must_check int export_lmdb(const char *folder, const struct record_source *source,
			   const json_t *filters);
