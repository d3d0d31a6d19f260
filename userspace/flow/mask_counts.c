#include "flow/mask_counts.h"

#include <stdlib.h>
#include <string.h>

#include "flow/flow.h"
#include "flow/lane.h"
#include "flow/pipeline.h"
#include "record/event.h"

static int place_of(struct mask_counts *c, const char *rule)
{
	for (int i = 0; i < c->n; i++)
		if (c->at[i].rule && !strcmp(c->at[i].rule, rule))
			return i;
	if (c->n == MASK_COUNTS_MAX)
		return MASK_COUNTS_MAX - 1;
	bool is_last = c->n == MASK_COUNTS_MAX - 1;
	c->at[c->n].rule = is_last ? NULL : strdup(rule);
	return is_last || c->at[c->n].rule ? c->n++ : -1;
}

int mask_counts_op(struct mask_counts **counts, const char *rule)
{
	if (!*counts)
		*counts = calloc(1, sizeof(**counts));
	int i = *counts ? place_of(*counts, rule) : -1;
	if (i >= 0)
		(*counts)->at[i].ops++;
	return i;
}

void mask_counts_values(struct mask_counts *counts, int where, uint64_t n)
{
	if (where >= 0)
		counts->at[where].values += n;
}

void mask_counts_record(struct flow *f)
{
	const struct mask_counts *m = f->pipe.masks;
	struct event_ctx c;
	pipeline_ctx(f, &c);
	for (int i = 0; m && i < m->n; i++) {
		event_masked(&f->lane->journal.event, &c, m->at[i].rule, m->at[i].ops,
			     m->at[i].values);
		journal_note(&f->lane->journal);
	}
}

void mask_counts_free(struct mask_counts *counts)
{
	for (int i = 0; counts && i < counts->n; i++)
		free(counts->at[i].rule);
	free(counts);
}
