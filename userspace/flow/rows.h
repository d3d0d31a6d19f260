/* The result rows of one operation, as canonical JSON up to a limit, or as a hash over all of them.
 */
#pragma once

#include "base/buf.h"
#include "policy/policy.h"

struct rows {
	uint64_t op_id;
	uint16_t formats[256];
	int n_formats;
	struct buf columns; /* array of strings, closed */
	struct buf json;    /* array of arrays, not closed */
	void *hash;	    /* over all rows, where the resource keeps hashes */
	void *rest;	    /* over the JSON of all rows, where not all are kept; NULL: they are */
	size_t limit;
	uint64_t n; /* rows */
	bool is_cut, has_columns;
	uint64_t conceals; /* kinds of detectors: record/conceal.h */
};

/* is_masked: some rule of the resource masks. */
struct rows *rows_new(uint64_t op_id, const struct resource *r, bool is_masked);
void rows_free(struct rows *r);
void rows_columns(struct rows *r, const struct span *names, const uint16_t *formats, int n);
/* is_whole: else only its beginning is here. It is the last one that is kept, and there is no hash: nobody has seen
 * all. */
void rows_add(struct rows *r, const struct span *fields, int n, bool is_whole);
/* Closes the array; true: sha256 was filled in: of all rows where the resource keeps hashes, else, where rows were
 * cut, of the JSON array that all of them would have made. */
bool rows_end(struct rows *r, uint8_t sha256[32]);
