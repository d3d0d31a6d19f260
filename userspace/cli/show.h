/* One event of the record as lines for a person: what replay and an asciicast show. All of it is
 * inert: what was recorded is hostile. */
#pragma once

#include <jansson.h>

#include "base/buf.h"

#define SHOW_MAX    (4 * 1024 * 1024) /* of one event */
#define SHOW_INDENT "             "   /* of all lines but an event's first */

/* Appends the event's lines, each with its newline; the first begins with at_ms, the time since the
 * session began, in the indent's width. */
void show_event(struct buf *out, const json_t *event, uint64_t at_ms);
