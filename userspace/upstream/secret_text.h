/* Takes a secret out of a connection string before libpq reads it: libpq copies what it is given,
 * and frees the copies as they are. PostgreSQL documentation, "Connection Strings" (34.1.1), as
 * conninfo_parse() and conninfo_uri_parse() read them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define SECRET_BLANK 'x'

/* Every value of key in text (key=value pairs or a postgres:// URL) is overwritten with
 * SECRET_BLANK where it stands; the last one, as it is meant, is in out, "" if there is none. 0;
 * ERR_LIMIT: it is too long for out. What does not read as a connection string is left for libpq to
 * refuse. */
must_check int secret_text_cut(char *text, const char *key, char *out, size_t size);
/* Is a value, as libpq read it from such a text, blank? If it is not, libpq has read the text in
 * another way. */
bool secret_text_is_blank(const char *value);
