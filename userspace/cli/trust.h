/* What makes a command trust the gateway's certificates as it trusts the target's: its environment here, and the
 * system's own bundle by the guard's view (guard.h). */
#pragma once

#define TRUST_PATH 300

/* dir: where the daemon keeps ca.pem and trust.pem, as its answer says; NULL: there is no certificate, and
 * nothing is done. Sets the variables that are not set, for the process that is about to become the command;
 * ret_bundle: the bundle for its view, "" if there is none. */
void trust_give(const char *dir, char ret_bundle[TRUST_PATH]);
