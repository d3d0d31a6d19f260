/* Text from outside on a terminal: no byte of it may act. */
#pragma once

#include "base/buf.h"

/* Appends UTF-8 text. Control characters (C0, C1, DEL), bidirectional marks and other invisible
 * formatting characters, and bytes that are not UTF-8 become visible escapes; a tab becomes a
 * space. A newline is followed by indent; indent NULL: shown as an escape too. A carriage return, which ends a line for
 * the server, too, is an escape and a new line. */
void inert_add(struct buf *out, struct span text, const char *indent);
/* Canonical JSON stays the same JSON, with those characters as \u escapes. */
void inert_add_json(struct buf *out, struct span json);
/* How many columns of a terminal the text takes. */
int inert_width(struct span text);
