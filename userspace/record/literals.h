/* A statement's text without the values in it. */
#pragma once

#include "base/buf.h"

/* Adds SQL to out with every string, number and bit string as '?', and without comments. Names, operators and
 * $1 stay. PostgreSQL documentation, "Lexical Structure"; standard_conforming_strings is on. Text that ends
 * inside a literal ends there in a '?'. */
void literals_hide(struct span sql, struct buf *out);
