/* The filters that sessions, search and export share. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct filters {
	const char *session, *identity, *owner, *role, *resource, *verdict, *relation, *since,
	    *until;
	bool is_denied;
};

/* Whom, when. */
#define FILTER_WHO(f)                                                                              \
	{"identity", &(f).identity, NULL, NULL}, {"owner", &(f).owner, NULL, NULL},                \
	    {"role", &(f).role, NULL, NULL}, {"since", &(f).since, NULL, NULL},                    \
	    {"until", &(f).until, NULL, NULL}, {"denied", NULL, &(f).is_denied, NULL}
/* And what. */
#define FILTER_WHAT(f)                                                                             \
	FILTER_WHO(f), {"session", &(f).session, NULL, NULL},                                      \
	    {"resource", &(f).resource, NULL, NULL}, {"verdict", &(f).verdict, NULL, NULL},        \
	    {"relation", &(f).relation, NULL, NULL}

/* As a question's filters; the caller's. NULL after saying what is wrong. */
json_t *filters_json(const struct filters *f, const char *command);
