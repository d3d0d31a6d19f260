/* JSON lines on standard error: {"level":..,"msg":..,"proc":..,"time":..}. Never a payload, never a
 * secret. base/, policy/, proto/ and sql/ never log: they return. */
#pragma once

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Once per process, before threads: its name ("monitor", "proxy", ...) and the least level shown. */
void log_init(const char *proc, enum log_level least);
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
