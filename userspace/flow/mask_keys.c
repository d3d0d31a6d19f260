#include "flow/mask_keys.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "flow/proxy.h"
#include "upstream/credential.h"
#include "policy/policy.h"

static void one_key(struct proxy *p, struct plan *plan, int i)
{
	const char *source = plan_mask_key_source(plan, i);
	char why[WHY_MAX] = "out of memory";
	size_t n = 0;
	char *page = source ? secret_page() : NULL;
	if (!source)
		return;
	int err = page ? secret_key_fetch(&p->monitor, source, page, &n, why) : -ENOMEM;
	if (!err)
		plan_set_mask_key(plan, i, span_of(page, n));
	else
		log_error("the key of a mask, %s: %s; what it masks is shown as NULL until the "
			  "policy is loaded again",
			  source, why);
	if (page)
		secret_page_free(page);
}

void mask_keys_load(struct proxy *p, struct plan *plan)
{
	for (int i = 0; i < plan_n_masks(plan); i++)
		one_key(p, plan, i);
}
