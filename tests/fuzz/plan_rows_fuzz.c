/* Plans as a database says them: counts stay in their range, texts end. */
#include "upstream/plan_rows.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_count(int64_t n)
{
	return n >= 0 && n <= PLAN_ROWS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan_rows p;
	if (plan_rows_read(span_of(data, size), &p))
		return 0;
	if (!is_count(p.rows) || !is_count(p.cost) || p.n_parts > PLAN_PARTS_MAX)
		abort();
	for (int i = 0; i < p.n_parts; i++)
		if (!is_count(p.parts[i].rows) || strlen(p.parts[i].relation) >= PLAN_NAME_MAX)
			abort();
	return 0;
}
