/* A value in its type's binary form, for people to read: as PostgreSQL itself would write it with
 * DateStyle ISO and TimeZone UTC. The binary forms are those of each type's send function. */
#pragma once

#include "base/buf.h"

/* "uuid", "int4[]"; NULL: a type that is not built in, or none that is known here. */
const char *value_type_name(uint32_t oid);
/* The longest text of so many bytes: what would be longer is not written. */
#define VALUE_TEXT_MAX(len) ((len)*8 + 2048)
/* Appends the text. False, and nothing is appended: the type is not known here, or these bytes are
 * no value of it. */
bool value_text(uint32_t oid, struct span v, struct buf *out);
