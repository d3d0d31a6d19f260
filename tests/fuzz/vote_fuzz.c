/* Votes as they are sent, over the API or by a signed callback: whatever stands there, what is
 * taken is within its limits. */
#include <stdlib.h>
#include <string.h>

#include "control/vote_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const json_t *body, const struct vote *v)
{
	const struct narrow *n = &v->narrow;
	if (!v->words || strlen(v->words) >= BOOK_TEXT_MAX || (!v->is_approval && !*v->words))
		abort();
	if (n->for_s < 0 || n->for_s > VOTE_FOR_MAX_S || n->uses > VOTE_USES_MAX)
		abort();
	/* What narrows is there whole, or the vote is not taken. */
	if ((size_t)n->n_relations != json_array_size(json_object_get(body, "relations")) ||
	    (size_t)n->n_classes != json_array_size(json_object_get(body, "classes")))
		abort();
	for (int i = 0; i < n->n_relations; i++)
		if (!*n->relations[i])
			abort();
	for (int i = 0; i < n->n_classes; i++)
		if (class_by_name(n->classes[i]) < 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *body = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	struct vote_lists lists;
	struct vote v = {.is_approval = false};
	if (body && !vote_read(body, &lists, &v))
		look(body, &v);
	json_decref(body);
	return 0;
}
