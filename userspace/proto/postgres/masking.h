/* What a decision says of the values of one operation, kept with the portal or the Query that it is about
 * for as long as rows may come; and rows rewritten by it. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "policy/mask.h"
#include "policy/op.h"
#include "proto/postgres/msg.h"
#include "sql/catalog.h"

/* Shared by reference count. */
struct masking {
	int refs;
	struct masks masks;
	bool *are_described; /* each result: RowDescription said that it is the one that was decided on */
	struct catalog *catalog; /* a reference, for the database's own types; NULL: they become NULL */
	struct arena arena;
};

/* Formats of a result's columns: NULL: all text; n 1: for all. */
struct formats {
	const uint16_t *at;
	int n;
};

static inline uint16_t formats_at(struct formats f, int i)
{
	return !f.n ? 0 : f.at[f.n == 1 ? 0 : i < f.n ? i : 0];
}

/* A column as RowDescription tells it. */
struct described_column {
	uint32_t relation; /* 0: of no relation, or computed */
	int number;
	uint32_t type;
};

/* What a row needs, worked out once for many of them. */
struct row_mask {
	const struct mask_result *r;
	size_t limit; /* bytes of a row up to the end of its last masked column */
	int n;	      /* of masked columns */
	struct masked_column {
		uint16_t column, format;
		uint32_t type;
		const struct mask_how *how;
	} at[MSG_COLUMNS];
};

/* NULL in *ret where there is nothing to do. -ENOMEM. */
must_check int masking_new(const struct masks *m, const struct catalog *c, struct masking **ret);
struct masking *masking_ref(struct masking *m);
void masking_unref(struct masking *m);

/* One result of it by itself. *ret NULL for NULL. -ENOMEM. */
must_check int masking_part(const struct masking *m, int index, struct masking **ret);
/* The part of a result; one that closes where m says nothing about it. NULL m: NULL. */
const struct mask_result *masking_result(const struct masking *m, int index);
/* Is some column of it masked for the client? */
bool mask_result_rewrites(const struct mask_result *r);

/* The server describes a result: the types are taken over. False: it is not the one that was decided on. */
bool masking_described(struct masking *m, int index, const struct described_column *at, int n);
/* May the rows of a result be shown as they are decided on? */
bool masking_is_described(const struct masking *m, int index);

void row_mask_init(struct row_mask *m, const struct mask_result *r, struct formats f, size_t limit);
/* Rewrites a DataRow's body, or what there is of it up to its last masked column, into out; with the
 * header of the message that has rest more bytes. Adds to *ret_masked how many values were changed.
 * ERR_MALFORMED: it is none. ERR_DENIED: it has another number of columns
 * than the decision. ERR_LIMIT. Then nothing is added. */
must_check int row_mask_apply(const struct row_mask *m, struct span body, size_t rest, struct buf *out,
			      uint64_t *ret_masked);
/* How many bytes of a body of which have is the beginning must be there for row_mask_apply, or to say how many. */
size_t row_mask_wants(const struct row_mask *m, struct span have);
/* One value of a type in a format (0 text, 1 binary), masked so that it is one of that type, is added to
 * out. False: it becomes NULL. */
bool mask_value(const struct mask_how *how, uint32_t type, uint16_t format, struct span value,
		struct buf *out);
/* The same; types of the database itself are taken apart as c has them (NULL: they become NULL): mask_row.c. */
bool mask_value_in(const struct catalog *c, const struct mask_how *how, uint32_t type, uint16_t format,
		   struct span value, struct buf *out);
/* Is it, or its elements, a type that mask_value knows? */
bool mask_is_built_in(uint32_t type);
/* mask_array.c: an array: each element by itself as mask says, dimensions and NULLs as they were. */
typedef bool mask_element_fn(const void *ctx, uint32_t type, uint16_t format, struct span value, struct buf *out);
bool mask_array(mask_element_fn *mask, const void *ctx, uint32_t element, uint16_t format, struct span value,
		struct buf *out);
/* mask_json.c: what detectors find in the strings and numbers of a document. False: it is none, or becomes NULL. */
bool mask_json(const struct mask_how *how, struct span value, struct buf *out);
/* mask_keyed.c: the same for what is hashed or given other digits under a key, of the types that have room for
 * that. False: nothing was added, a constant takes its place. */
bool mask_keyed(const struct mask_how *how, uint32_t type, uint16_t format, struct span value, struct buf *out);
