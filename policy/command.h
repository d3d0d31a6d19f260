/* The words of a workload's command line, as they may be kept and shown. */
#pragma once

#include "base/buf.h"

/* Adds the word without its secrets: the password of a URL, what follows "password=" and the like,
 * keys, tokens, and whatever else detectors find but hosts' addresses and telephones. before: the
 * word in front ("--password"), or NULL. */
void command_hide(const char *before, const char *word, struct buf *out);
