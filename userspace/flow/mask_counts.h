/* What masks did in a flow, by the rule that asked for them: told once, by the mask.applied events before its
 * flow.close. */
#pragma once

#include <stdint.h>

struct flow;

#define MASK_COUNTS_MAX 32 /* rules; the last one stands for all others */

struct mask_counts {
	struct {
		char *rule; /* owned; NULL: of several others */
		uint64_t ops, values;
	} at[MASK_COUNTS_MAX];
	int n;
};

/* One operation more under a rule. *counts is made if need be. Where its values are counted, or -1: no memory. */
int mask_counts_op(struct mask_counts **counts, const char *rule);
/* So many of its values were masked. where: what mask_counts_op said. */
void mask_counts_values(struct mask_counts *counts, int where, uint64_t n);
/* Writes the events. */
void mask_counts_record(struct flow *f);
void mask_counts_free(struct mask_counts *counts);
