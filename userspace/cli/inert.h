/* Text from outside on a terminal: no byte of it may act. */
#pragma once

/* Prints UTF-8 text to stdout. Control characters (C0, C1, DEL), bidirectional marks and other
 * invisible formatting characters, and bytes that are not UTF-8 become visible escapes. A newline
 * is followed by indent; indent NULL: shown as an escape too. */
void inert_print(const char *text, const char *indent);
