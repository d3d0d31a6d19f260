/* What a plan is made of: between the files of policy/ only. Everything lives in the plan's arena
 * and never changes once plan_compile has returned. */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "policy/mask.h"
#include "policy/pattern.h"
#include "policy/policy.h"
#include "policy/terms.h"

#define MAX_ROLES     128
#define MAX_RESOURCES 512
#define MAX_RULES     2000
#define MAX_MASKS     256
#define MAX_GRANTS    128
#define MAX_ISSUERS   32
#define MAX_MATCHES   4096 /* of all resources together */
#define MAX_LIST      512  /* elements of one list */
#define NEED_KINDS    (NEED_OPAQUE + 1)

struct bits {
	uint64_t w[MAX_RESOURCES / 64];
};

static inline void bits_set(struct bits *b, int i)
{
	b->w[i / 64] |= 1ull << (i % 64);
}

static inline bool bits_has(const struct bits *b, int i)
{
	return b->w[i / 64] >> (i % 64) & 1;
}

static inline bool bits_cover(const struct bits *a, const struct bits *b)
{
	for (size_t i = 0; i < sizeof(a->w) / sizeof(a->w[0]); i++)
		if (b->w[i] & ~a->w[i])
			return false;
	return true;
}

struct role {
	const char *name;
	const char **groups;
	int n_groups;
};

struct mask {
	const char *name;
	struct patterns columns; /* schema.table.column */
	struct mask_how how;	/* key: of the file, once it is set */
	const char *key_source; /* "file:/path" or "fd:NAME", or NULL */
	bool are_predicates_denied;
};

/* Which needs of one kind a rule speaks about. */
struct cover {
	bool is_on;
	uint32_t verbs;		      /* 1 << enum verb */
	uint16_t classes;	      /* 1 << enum op_class */
	const struct patterns *names; /* NULL: whatever the name */
};

struct rule {
	struct terms terms; /* of effect ask; first: what loads terms takes rules and grants alike */
	const char *id, *description;
	enum effect effect;
	bool is_observing;
	bool is_opaque; /* opaque: allow */
	bool looks_through; /* at what is reached by way of other names, too */
	struct bits resources, roles;
	uint32_t verbs; /* all where the key is absent */
	bool has_verbs;
	uint16_t classes;
	bool has_classes;
	struct patterns relations, functions, settings, columns; /* n 0: absent */
	const struct mask **masks;
	int n_masks;
	struct cover covers[NEED_KINDS];
};

/* One entry of "grants": who may ask for a role, for how long, and who approves that. */
struct grant_rule {
	struct terms terms; /* first */
	const char *id;
	struct bits from; /* roles that may ask */
	int role;	  /* that is given */
};

/* The rules of one role on one resource, in the file's order. */
struct ruling {
	const uint16_t *rules;
	int n;
	bool looks_through;	      /* some rule does */
	const struct rule *first_use; /* the first that lets anything through, NULL: none */
	const char *may;              /* for people: what the role may do here */
	/* Every mask that some rule of this role here asks for, and that some rule of any role here does: the
	 * first hide values from the role, the second from the record. */
	const struct mask *const *masks, *const *record_masks;
	int n_masks, n_record_masks;
};

/* decide_mask.c: an operation that passes, and what of it must be masked. False: it is refused after
 * all, rule and reason in ret. */
bool mask_decide(const struct plan *p, const struct ruling *g, const struct op *op, struct decision *ret);
/* May its text or parameters hold values that masks keep out of the record? */
bool mask_hides_text(const struct ruling *g, const struct op *op);
/* A decision's masks are told the scope of their keys, and what the names of their columns say. */
void mask_bind(const struct plan *p, const struct op *op, const char *resource, const char *session,
	       struct decision *ret);
/* decide.c: the first rule that covers a plain read of this relation; NULL: none. */
const struct rule *plan_rule_for_read(const struct plan *p, const struct ruling *g, const char *schema,
				      const char *name);

/* In the order of the names in load_bypass.c. */
#define BYPASS_VECTORS 13
/* And in load_require.c. */
#define REQUIRE_PARTS 9

struct plan {
	_Atomic int refs;
	enum bypass_action on_bypass[BYPASS_VECTORS];
	unsigned requires; /* a bit for each part */
	struct arena arena;
	char hash[65];
	struct issuer *issuers;
	struct role *roles;
	struct resource *resources;
	struct mask *masks;
	struct rule *rules;
	struct grant_rule *grants;
	const char **detectors; /* the operator's, by the number of their pattern */
	int n_detectors;
	struct detect_patterns *patterns; /* NULL if there are none */
	int n_issuers, n_roles, n_resources, n_masks, n_rules, n_grants;
	struct ruling *rulings; /* [resource * n_roles + role] */
};

static inline bool rule_has_targets(const struct rule *r)
{
	return r->relations.n || r->functions.n || r->settings.n;
}

/* -1 if there is none. */
int plan_role_index(const struct plan *p, const char *name);
int plan_resource_index(const struct plan *p, const char *name);
