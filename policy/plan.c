/* What a plan answers about itself. */
#include "policy/plan.h"

const char *plan_hash(const struct plan *p)
{
	return p->hash;
}

int plan_n_resources(const struct plan *p)
{
	return p->n_resources;
}

const struct resource *plan_resource(const struct plan *p, int i)
{
	return i >= 0 && i < p->n_resources ? &p->resources[i] : NULL;
}

int plan_resource_index(const struct plan *p, const char *name)
{
	for (int i = 0; i < p->n_resources; i++)
		if (p->resources[i].name && !strcmp(p->resources[i].name, name))
			return i;
	return -1;
}

const struct resource *plan_resource_by_name(const struct plan *p, const char *name)
{
	return plan_resource(p, plan_resource_index(p, name));
}

const char *resource_credential(const struct resource *r, const char *role)
{
	for (int i = 0; i < r->n_credentials; i++)
		if (!strcmp(r->credentials[i].role, role))
			return r->credentials[i].source;
	return NULL;
}

int plan_n_issuers(const struct plan *p)
{
	return p->n_issuers;
}

const struct issuer *plan_issuer(const struct plan *p, int i)
{
	return i >= 0 && i < p->n_issuers ? &p->issuers[i] : NULL;
}

int plan_role_index(const struct plan *p, const char *name)
{
	for (int i = 0; i < p->n_roles; i++)
		if (!strcmp(p->roles[i].name, name))
			return i;
	return -1;
}

bool plan_has_role(const struct plan *p, const char *role)
{
	return plan_role_index(p, role) >= 0;
}

static bool gives(const struct role *r, const char *const *groups, int n_groups)
{
	for (int i = 0; i < r->n_groups; i++)
		for (int k = 0; k < n_groups; k++)
			if (!strcmp(r->groups[i], groups[k]))
				return true;
	return false;
}

int plan_roles(const struct plan *p, const char *const *groups, int n_groups,
	       const char **ret_roles, int max)
{
	int n = 0;
	for (int i = 0; i < p->n_roles; i++) {
		if (!gives(&p->roles[i], groups, n_groups))
			continue;
		if (n < max)
			ret_roles[n] = p->roles[i].name;
		n++;
	}
	return n;
}

int plan_n_masks(const struct plan *p)
{
	return p->n_masks;
}

const char *plan_mask_key_source(const struct plan *p, int i)
{
	return i >= 0 && i < p->n_masks ? p->masks[i].key_source : NULL;
}

void plan_set_mask_key(struct plan *p, int i, struct span content)
{
	if (!plan_mask_key_source(p, i))
		return;
	mask_key_of_file(content, p->masks[i].how.key);
	p->masks[i].how.has_key = true;
}
