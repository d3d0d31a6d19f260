/* What a decision says of the values of one operation, kept with the portal or the Query that it is about
 * for as long as rows may come; and rows rewritten by it. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "policy/mask.h"
#include "policy/op.h"

/* A row that has masked columns is gathered whole, up to this; a longer one ends the flow. */
#define MASK_ROW_MAX (16 * 1024 * 1024)

/* Shared by reference count. */
struct masking {
	int refs;
	struct masks masks;
	struct arena arena;
};

/* Types (object identifiers) and formats of a result's columns, from RowDescription. */
struct columns {
	int n;
	const uint32_t *types;	 /* NULL: never described */
	const uint16_t *formats; /* NULL: all text; n_formats 1: for all */
	int n_formats;
};

/* NULL in *ret where there is nothing to do. -ENOMEM. */
must_check int masking_new(const struct masks *m, struct masking **ret);
struct masking *masking_ref(struct masking *m);
void masking_unref(struct masking *m);

/* One result of it by itself. *ret NULL for NULL. -ENOMEM. */
must_check int masking_part(const struct masking *m, int index, struct masking **ret);
/* The part of a result; one that closes where m says nothing about it. NULL m: NULL. */
const struct mask_result *masking_result(const struct masking *m, int index);
/* Is some column of it masked for the client? */
bool mask_result_rewrites(const struct mask_result *r);

/* Rewrites a DataRow's body into out, header included; adds to *ret_masked how many values were changed.
 * ERR_MALFORMED: it is none, or has another number of columns than the decision. */
must_check int mask_row(const struct mask_result *r, const struct columns *c, struct span body,
			struct buf *out, uint64_t *ret_masked);
/* One value of a type in a format (0 text, 1 binary), masked so that it is one of that type, is added to
 * out. False: it becomes NULL. */
bool mask_value(const struct mask_how *how, uint32_t type, uint16_t format, struct span value,
		struct buf *out);
uint16_t columns_format(const struct columns *c, int i);
