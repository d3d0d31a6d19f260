/* The other side of sealer.h, for who has an auditor's private key: opens what is sealed. Keys come
 * as the lines that an answer holds for it ({"_key":[...],"type":"key"}, record/query/query.h). */
#pragma once

#include "record/sealer.h"

struct opener;

/* file: the private key (PEM, RSA). A passphrase is asked for on the terminal. ERR_MALFORMED: it is
 * none. */
must_check int opener_new(const char *file, struct opener **ret_o);
void opener_free(struct opener *o);
/* Takes a key's line. 0 also where it is wrapped for others only. ERR_MALFORMED. */
must_check int opener_take(struct opener *o, const struct scan *line);
/* Appends the event with its sealed payload opened. 1: it is; 0: it has none (nothing is appended).
 * ERR_NOT_FOUND: its key is not there or was not wrapped for this auditor; ERR_VERIFY: it was not
 * sealed with it, or was changed. */
must_check int opener_open(struct opener *o, struct span stored, struct buf *out);

/* What a sealed event says of its key, SEAL_ID_TEXT characters; empty where nothing is sealed. */
struct span sealed_with(struct span stored);
/* Is to (a JSON array, as it stands) what this key's name was made of? */
bool sealed_to(struct span id, struct span to);
