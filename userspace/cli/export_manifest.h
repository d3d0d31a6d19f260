/* What stands beside an export's data.mdb: MANIFEST.json, KEY.pub, README.md. */
#pragma once

#include <jansson.h>

#include "record/checkpoint.h"

/* What the export turned out to be. */
struct export_facts {
	char node[NODE_MAX];
	uint64_t first, last;	    /* events that it covers */
	uint64_t events, left_out;  /* how many of them are in it, and how many as hashes only */
	uint64_t first_ns, last_ns; /* times of the first and the last that are */
	uint64_t checkpoints;
	struct checkpoint last_checkpoint; /* seq 0: there is none */
	uint8_t root[HASH_LEN];		   /* of the tree of all events up to last */
	uint8_t key[KEY_LEN];
	bool has_key;
};

/* Writes the three; data.mdb becomes read-only. */
must_check int export_manifest(const char *folder, const struct export_facts *f,
			       const json_t *filters);
/* The manifest against the verdict over the data (record/verify/verify.h): 0 where they agree, or the folder is no
 * export; 1, 2 as exit codes, and the line that says why, the caller's. export_check.c */
must_check int export_check(const char *folder, const json_t *verdict, char **ret_line);
/* Takes a half-made export away. */
void export_unmake(const char *folder);
/* README.md: explains every database, key and field. */
extern const char export_readme[];
