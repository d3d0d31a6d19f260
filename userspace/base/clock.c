#include "base/clock.h"

#include <stdio.h>

char *clock_rfc3339(uint64_t real_ns, char *out, size_t size)
{
	time_t sec = (time_t)(real_ns / NS_PER_SEC);
	struct tm tm;
	gmtime_r(&sec, &tm);
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned)(real_ns % NS_PER_SEC / 1000));
	return out;
}
