#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jw.h"

static const char *log_proc = "-";
static enum log_level log_least = LOG_INFO;

void log_init(const char *proc, enum log_level least)
{
	log_proc = proc;
	log_least = least;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	char text[1024], when[40];
	struct buf line;
	struct jw w;

	if (level < log_least)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clock_rfc3339(clock_real_ns(), when, sizeof(when));

	buf_init(&line, 16384);
	jw_begin(&w, &line);
	jw_object(&w, NULL);
	jw_str(&w, "level", names[level]);
	jw_text(&w, "msg", "msg_b64", span_str(text));
	jw_str(&w, "proc", log_proc);
	jw_str(&w, "time", when);
	jw_object_end(&w);
	buf_add_u8(&line, '\n');
	if (!buf_err(&line) && write(STDERR_FILENO, line.mem + line.start, buf_len(&line)) < 0)
		(void)0; /* nowhere left to say it */
	buf_done(&line);
}
