/* What lies behind the relations that a statement names: what views read, what rules, triggers, foreign keys and
 * inheritance reach, on and on. By the catalogue's dependencies, not by their texts: of a rule for writing each verb
 * on each relation that it names. Not what functions do inside, nor built-in relations behind views. */
#pragma once

#include "sql/catalog_read.h"
#include "sql/needs.h"

/* Adds to l->reached; each need's why names the relation by way of which it is reached. */
void reach_add(struct needs *l, const struct cat_relation *r, enum verb v);
