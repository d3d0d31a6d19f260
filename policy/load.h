/* From JSON to the plan's own structures, with every error in its place: between the files of
 * policy/ only. */
#pragma once

#include <jansson.h>

#include "policy/json_at.h"
#include "policy/plan.h"

#define LOAD_DEPTH 12

struct loader {
	struct span text;
	struct plan *plan;
	struct policy_errors *errors;
	int n_failed;  /* all errors, those too that found no room */
	int n_matches; /* of all resources */
};

enum shape { SHAPE_STRING, SHAPE_INTEGER, SHAPE_LIST, SHAPE_OBJECT, SHAPE_STRINGS, SHAPE_BOOLEAN };

/* One key of an object: the tables of these are the file's form. */
struct field {
	const char *name;
	enum shape shape; /* SHAPE_STRINGS: a string or a list of strings */
	bool is_required;
	const char *expected; /* in words, follows "expected " */
	void (*load)(struct loader *l, const struct json_at *at, json_t *value, void *into);
};

void load_fail(struct loader *l, const struct json_at *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void load_fail_place(struct loader *l, struct place where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* At a member of the object at. */
void load_fail_member(struct loader *l, const struct json_at *at, const char *key, const char *fmt,
		      ...) __attribute__((format(printf, 4, 5)));
void load_warn(struct loader *l, const struct json_at *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Unknown, missing and wrongly typed members are errors; the others are loaded in the table's
 * order. */
void load_object(struct loader *l, const struct json_at *at, json_t *v, const struct field *fields,
		 size_t n_fields, void *into);
/* Calls each with every string of a string or a list; anything else, an empty list, a repetition or
 * more than max are errors. */
void load_strings(struct loader *l, const struct json_at *at, json_t *v, int max,
		  void (*each)(struct loader *l, const struct json_at *at, const char *s,
			       void *into),
		  void *into);
/* A string without control characters, 1 to 400 bytes, copied into the plan; NULL after an error.
 */
const char *load_text(struct loader *l, const struct json_at *at, json_t *v);
/* A name of ours: letters, digits, '_', '-', '.', at most 63; NULL after an error. */
const char *load_name(struct loader *l, const struct json_at *at, const char *s);
/* An index into names, or -1 after the error "...; expected one of ...". */
int load_choice(struct loader *l, const struct json_at *at, const char *s, const char *const *names,
		size_t n);
/* Reads and drops: for "description" where nobody needs it. */
void load_ignored_text(struct loader *l, const struct json_at *at, json_t *v, void *into);
/* Is text "host:port", with a name, an address or an address in brackets? */
bool load_is_host_port(const char *s);

/* The top-level sections; into is the plan. */
void load_issuers(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_roles(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_detectors(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_masks(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_resources(struct loader *l, const struct json_at *at, json_t *v, void *into);
/* "login" of a resource; into is the resource: load_login.c. */
void load_login(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_bypass(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_require(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_rules(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_grants(struct loader *l, const struct json_at *at, json_t *v, void *into);

/* load_terms.c: the members of a rule that asks and of a grant; into begins with its struct terms. */
struct terms terms_default(unsigned choices);
void load_approvers(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_expires(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_login_within(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_escalate(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_choices(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_grant_for(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_estimate(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_break_glass(struct loader *l, const struct json_at *at, json_t *v, void *into);
void load_notify(struct loader *l, const struct json_at *at, json_t *v, void *into);
/* The id of a rule or grant; one that is sluice's own, or taken, is an error. NULL: none. */
const char *load_id(struct loader *l, const struct json_at *at, json_t *v);
/* The whole: text to plan, errors and warnings collected. */
void load_policy(struct loader *l);

/* "db.example:5432", "10.0.0.0/8", "[fd00::/8]:443", ... 0, or ERR_MALFORMED with the reason and
 * what was expected in ret_why (static). ERR_LIMIT: the arena is full. */
must_check int match_parse(struct arena *a, const char *s, struct match *ret, const char **ret_why);

/* Compiles what was loaded without an error: covers, rulings. ERR_LIMIT: it grew too big. */
must_check int plan_index(struct plan *p);
/* Warnings about what is legal but surely not meant. */
void plan_review(struct loader *l);
