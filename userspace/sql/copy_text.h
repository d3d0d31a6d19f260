/* The query in the text of COPY (query) TO ...: for the server to describe. */
#pragma once

#include "base/span.h"

/* What stands between the parentheses; p NULL: that is not its form. */
struct span copy_text_query(struct span text);
