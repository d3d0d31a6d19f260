/* The catalogues in use: one for each resource, upstream, database, credential, user and role,
 * shared by all flows, loaded by workers. Any thread. */
#pragma once

#include "upstream/login.h"

struct catalog;
struct catalogs;
struct catalog_slot;
struct msg_line;

#define CATALOG_AGE_NS (30 * 1000000000ull) /* older: loaded again when it is used */

must_check int catalogs_new(struct msg_line *monitor, struct catalogs **ret_c);
void catalogs_free(struct catalogs *c);

/* The slot of a target, made if need be; a reference. -ENOMEM, ERR_LIMIT. */
must_check int catalogs_slot(struct catalogs *c, const struct target *t,
			     struct catalog_slot **ret_s);
void catalog_slot_ref(struct catalogs *c, struct catalog_slot *s);
void catalog_slot_unref(struct catalogs *c, struct catalog_slot *s);

/* For workers: blocks until a load that began at or after since_ns is done; loads if nobody does.
 * 0; else ret_why says what went wrong. */
must_check int catalogs_load(struct catalogs *c, struct catalog_slot *s, uint64_t since_ns,
			     char ret_why[WHY_MAX]);

/* For workers: the same, but a load is not needed where a look at or after since_ns says that the
 * views and partitions are those of the one in force. */
must_check int catalogs_check(struct catalogs *c, struct catalog_slot *s, uint64_t since_ns,
			      char ret_why[WHY_MAX]);

/* The newest that is loaded of a resource, and of this database (NULL: any); referenced. ret_database:
 * which that is, "" for the credential's own. NULL: none is loaded. */
struct catalog *catalogs_newest(struct catalogs *c, const char *resource, const char *database, char ret_database[64]);

/* With what it is loaded: where to and as whom. Lives as long as the slot. */
const struct target *catalog_slot_target(const struct catalog_slot *s);

/* Rises with each load; 0: none yet. Cheap. */
uint64_t catalog_slot_generation(const struct catalog_slot *s);
/* The one in force, referenced; NULL if there is none. */
struct catalog *catalog_slot_get(struct catalogs *c, struct catalog_slot *s);
/* What is loaded from before at_ns is not to be used any more. */
void catalog_slot_spoil(struct catalog_slot *s, uint64_t at_ns);
bool catalog_slot_is_spoilt(const struct catalog_slot *s);
/* When the load of the one in force began. */
uint64_t catalog_slot_began(const struct catalog_slot *s);
/* True for one caller, once it is old: who gets it, loads it. */
bool catalog_slot_claim_refresh(struct catalog_slot *s, uint64_t now_ns);
/* Names that nobody knows ask for a load each: up to EARLY_MAX a second even of a catalogue that is
 * new, since what they name may be newer. */
#define EARLY_MAX 10
bool catalog_slot_claim_early(struct catalog_slot *s, uint64_t now_ns);
