/* The keys that masks hash with: fetched from the monitor when a policy arrives, as credentials
 * are. */
#pragma once

struct plan;
struct proxy;

/* Before anyone else has the plan. A key that cannot be read is said in the log; its masks show
 * NULL then. Blocks for one answer of the monitor a key. */
void mask_keys_load(struct proxy *p, struct plan *plan);
