/* Texts that differ only in their numbers, for the cache: most of what drivers and ORMs of the
 * simple protocol send. What a statement needs does not depend on a number's value but in few
 * places, and the walk says where it looked at one (sql_stmt.reads_numbers). */
#pragma once

#include <stdbool.h>

#include "base/span.h"

#define NUMBERS_TEXT_MAX 2048

struct sql_result;

/* Copies text with the digits of its plain integers (of 1 to 9 digits: all int4) made 0; lengths
 * and positions stay. False: it has none, or it is a text in which this would need PostgreSQL's
 * lexer (quotes, comments, several statements, anything but SELECT, INSERT, UPDATE, DELETE). */
bool numbers_mask(struct span text, char out[NUMBERS_TEXT_MAX]);
/* May this result of one text serve all texts of the same mask? */
bool numbers_are_free(const struct sql_result *r);
