/* Where a value stands in JSON text that jansson has accepted: jansson tells places of syntax errors
 * only, and an error of meaning is as much in need of one. */
#pragma once

#include "base/span.h"

struct place {
	int line, column; /* 1-based; column in bytes */
};

/* path: names joined by dots, of a list's element its number ("webhooks.0.secret"); index: an element of the list
 * found there, or -1. What is not found is answered with the nearest enclosing value. */
struct place config_place(struct span text, const char *path, int index);
