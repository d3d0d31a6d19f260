/* One line about events that are told by their fields alone. */
#pragma once

#include <jansson.h>

#include "base/buf.h"

/* False: there is no form for its type, and nothing is appended. Text is inert; lines of it stand
 * behind indent. */
bool show_form(struct buf *out, const json_t *event, const char *indent);
