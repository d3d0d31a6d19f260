#pragma once

#include <jansson.h>

#define EXIT_ASKS 3 /* of explain: people would be asked */

/* Prints what explain/explain.h made; the exit code: 0 it passes, 1 it is refused, EXIT_ASKS. */
int policy_explain_print(const json_t *explained);
