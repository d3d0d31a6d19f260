/* What the database expects of a statement, for the people who are asked about it: plain EXPLAIN,
 * which plans and runs nothing, over a login of the gateway's own, in a transaction that is READ
 * ONLY, under limits of time. In a worker; blocks until the deadline.
 *
 * Planning itself may run code: functions that say they are IMMUTABLE (or STABLE) over constants,
 * those behind an index, a row's policy, a default, a domain's CHECK or an operator's statistics;
 * and a foreign table is asked at its server. So the database is asked first whether anything that
 * the relations are made of, views and children included, is not PostgreSQL's own; where it is,
 * there is no estimate. What the statement calls itself is the caller's to look at. */
#pragma once

#include "upstream/plan_rows.h"
#include "upstream/query.h"

struct estimate_ask {
	const struct target *target;
	const char *text; /* one statement that can be planned */
	struct query_params params;
	const char *const *settings; /* that the session has changed: name, value, ... */
	int n_settings;
	const char *const *relations; /* that it names: schema, name, ... */
	int n_relations;
};

/* 0; else ret_why says what there is to say to people: a sentence without a name of the database's,
 * or a secret. */
must_check int estimate_read(struct msg_line *monitor, const struct estimate_ask *ask,
			     uint64_t deadline_ns, struct plan_rows *ret, char ret_why[WHY_MAX]);
