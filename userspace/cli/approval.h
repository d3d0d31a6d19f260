/* What the commands on approvals share. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* A request as the API gives it, whole. False: the reader turned away before its end. */
bool approval_show(const json_t *request, bool is_paged);
/* A line of text from outside, inert, with a newline. */
void approval_print(const char *text);
/* Lines that went, lines that came, and the lines around them; each inert. */
void approval_diff(const char *before, const char *now, const char *indent);
/* "90s", "15m", "8h", "7d": seconds; 0: not understood. */
long long cli_seconds(const char *text);
