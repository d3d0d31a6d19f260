/* What `sluice init` found out about a database, and the files that it writes of it. */
#pragma once

#include "base/buf.h"
#include "cli/options.h"

#define INIT_SCHEMAS_MAX 200

struct init_facts {
	char *host, *port, *database, *user;
	char *schemas[INIT_SCHEMAS_MAX];
	int n_schemas;
	bool is_superuser;
	bool is_tls; /* the connection was */
	struct buf credential; /* "user=... password=...": wipe */
};

void init_facts_done(struct init_facts *f);
/* Connects and asks. 0, or negative after saying on stderr what is wrong; never the password. */
must_check int init_ask(const char *dsn, struct init_facts *ret);

struct init_place {
	const char *dir;
	const char *issuer, *audience; /* of the local issuer */
	const char *credential;        /* path of the credential's file */
	const char *resource;          /* its name */
	const struct cli_list *allow;  /* further destinations */
};

/* The policy's text, with a NUL. */
void init_policy(const struct init_facts *f, const struct init_place *p, struct buf *out);
/* The daemon's configuration, with a NUL. enrol_user: who may run workloads besides root, or NULL. */
void init_config(const struct init_place *p, const char *enrol_user, struct buf *out);
/* One quoted JSON string. */
void init_quote(struct buf *out, const char *s);
/* schema.* as a pattern of the policy: quoted where PostgreSQL would have to quote it. */
void init_pattern(struct buf *out, const char *schema);
