/* What the command line says on stderr, gathered. The commands are no library: a test includes the source
 * that it tries. */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static char said[8192];

__attribute__((format(printf, 2, 0))) static inline void said_add(const char *before, const char *fmt, va_list ap)
{
	size_t n = strlen(said);
	n += (size_t)snprintf(said + n, sizeof(said) - n, "%s", before);
	n += (size_t)vsnprintf(said + n, sizeof(said) - n, fmt, ap);
	snprintf(said + n, sizeof(said) - n, "\n");
}

void cli_error(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	said_add("", fmt, ap);
	va_end(ap);
}

void cli_remedy(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	said_add("-> ", fmt, ap);
	va_end(ap);
}

int cli_usage(const char *command, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	said_add(command, fmt, ap);
	va_end(ap);
	return CLI_USAGE;
}

/* What is printed to stderr between the two calls. */
static inline int said_begin(void)
{
	fflush(stderr);
	int kept = dup(2);
	FILE *f = tmpfile();
	dup2(fileno(f), 2);
	fclose(f);
	said[0] = 0;
	return kept;
}

static inline void said_end(int kept)
{
	fflush(stderr);
	lseek(2, 0, SEEK_SET);
	ssize_t n = read(2, said, sizeof(said) - 1);
	said[n < 0 ? 0 : n] = 0;
	dup2(kept, 2);
	close(kept);
}
