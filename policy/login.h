/* What a resource says about the login itself: under whose name, in which role, and with which settings pinned. What
 * is pinned holds for the whole session: an operation that would undo it is refused, whatever its rules say. */
#pragma once

#include "base/arena.h"
#include "policy/op.h"
#include "policy/pattern.h"

#define LOGIN_PINS_MAX 32

/* A setting. value may hold {identity}, {owner}, {role}, {session} and {application_name} (the client's own). */
struct pin {
	const char *name, *value;
};

/* Lives as long as its plan. */
struct login_terms {
	struct patterns users;	/* names that a client may log in by; n 0: the credential's alone */
	bool is_clients;	/* the client proves to the server itself who it is, as one of users */
	const char *role;	/* SET ROLE, or NULL */
	const struct pin *pins; /* of different names */
	int n_pins;
};

/* The places of a value that something is put into. */
struct pin_values {
	const struct who *who;
	const char *application; /* the client's application_name, or NULL */
};

/* May a client log in under this name of its own? t may be NULL: no. */
bool login_takes_user(const struct login_terms *t, const char *user);
/* Is the login the client's own affair? t may be NULL: no. */
bool login_is_clients(const struct login_terms *t);
/* Is this setting (in any case) held by the resource? t may be NULL: no. */
bool login_pins(const struct login_terms *t, const char *setting);
/* The value as it is to be set, control characters as '?'. NULL: the arena is full. */
const char *login_pin_value(struct arena *a, const struct pin *p, const struct pin_values *v);
/* A place in braces that is none, or NULL: for the loader. Points into value. */
const char *login_bad_place(const char *value);
/* The first need that would undo what is pinned, or NULL. t may be NULL. */
const struct need *login_undoes(const struct login_terms *t, const struct op *op);
/* Do both ask the same of a login? Either may be NULL. */
bool login_is_same(const struct login_terms *a, const struct login_terms *b);
