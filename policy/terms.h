/* What a policy demands before something that it asks about may happen: who approves, by when, what an
 * approval may stand for. Pure data: it lives as long as the plan that it comes from, or as its copy. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TERMS_GROUPS_MAX 16 /* groups of one stage */
#define TERMS_NEED_MAX	 16 /* people of one group */
#define TERMS_STAGES_MAX 4  /* the first and its escalations */
#define TERMS_NOTIFY_MAX 16

/* need distinct people of a group. */
struct approver {
	const char *group;
	int need;
};

/* From after_s on (seconds since the request) this quorum is enough. The first stage has 0. All groups
 * of a stage are required, and nobody counts for two of them. */
struct stage {
	int64_t after_s;
	const struct approver *groups;
	int n_groups;
};

/* What an approver may grant. Bits, the narrowest first. */
enum choice {
	CHOICE_ONCE = 1 << 0,	 /* this operation, once */
	CHOICE_TEXT = 1 << 1,	 /* this text, whatever its parameters, for a time */
	CHOICE_PATTERN = 1 << 2, /* this text with other constants, for a time */
	CHOICE_ROLE = 1 << 3,	 /* a role, for a time: of "grants" alone */
};
/* "once", "text", "pattern", "role"; NULL: no such choice. */
const char *choice_name(enum choice c);
/* 0 if there is none. */
enum choice choice_by_name(const char *name);

struct terms {
	const char *rule;	 /* its id */
	const char *description; /* or NULL */
	const char *role;	 /* of "grants": the role that is given; NULL: a rule that asks */
	struct stage stages[TERMS_STAGES_MAX];
	int n_stages;
	int64_t expires_s;   /* how long a request waits for its answers */
	int64_t fresh_s;     /* an approver's login is at most this old */
	int64_t grant_max_s; /* the longest that CHOICE_TEXT, CHOICE_PATTERN and CHOICE_ROLE may last */
	unsigned choices;    /* enum choice */
	bool is_break_glass; /* loud: on record, in the log, in every notice */
	bool has_estimate;   /* EXPLAIN may be run for the approvers */
	const char *const *notify;
	int n_notify;
};
