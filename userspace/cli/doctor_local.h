/* What "sluice doctor" finds out for itself, as the daemon's processes may not ask or would have to
 * wait: the clock, and whether this node's resolver knows the names that the policy declares. */
#pragma once

#include <jansson.h>

/* Adds rows in the form of kernel_probe. names: a list of strings, or NULL: nobody said. Takes
 * seconds at most. */
void doctor_look(json_t *rows, const json_t *names);
