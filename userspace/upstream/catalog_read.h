/* Reads a database's catalogue over a login of the gateway's own. In a worker; blocks until the
 * deadline.
 *
 * The login is kept for a while: DDL comes in rows, and a login costs more than what has changed.
 * The objects that initdb made, some 5,000, are read once and shared by later catalogues, for as
 * long as the server's fingerprint of them stays (sql/catalog.h). */
#pragma once

#include "upstream/login.h"

struct catalog;
struct catalog_reader;

#define CATALOG_VIEWS_MAX 128

/* What later reads share; zero at first. One read at a time. */
struct catalog_base {
	struct catalog *built_in;
	char *fingerprint; /* of what built_in was made of */
	char views[CATALOG_VIEWS_MAX]; /* which views and partitions the last catalogue was made of; "": not told */
};
void catalog_base_done(struct catalog_base *b);

must_check int catalog_reader_open(struct msg_line *monitor, const struct target *t,
				   uint64_t deadline_ns, struct catalog_reader **ret_r,
				   char ret_why[WHY_MAX]);
/* base is replaced where it does not fit any more. An error leaves the reader of no use; -EAGAIN:
 * what a login begins with may have changed since this one, open another. */
must_check int catalog_reader_load(struct catalog_reader *r, struct catalog_base *base,
				   uint64_t deadline_ns, struct catalog **ret_c,
				   char ret_why[WHY_MAX]);
/* Are the views and partitions those that the last catalogue was made of? One round trip. 0 and *ret_same; an error
 * leaves the reader of no use. */
must_check int catalog_reader_check(struct catalog_reader *r, const struct catalog_base *base,
				    uint64_t deadline_ns, bool *ret_same, char ret_why[WHY_MAX]);
/* May it be kept for another read? */
bool catalog_reader_is_open(const struct catalog_reader *r);
void catalog_reader_close(struct catalog_reader *r);
