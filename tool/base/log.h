/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOG_H
#define LOG_H

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/**
 * log_init - set the name that starts each message and the most detailed level shown
 * @name:  kept, not copied; usually the last part of argv[0]
 * @level: messages above it are dropped
 */
void log_init(const char *name, enum log_level level);

const char *log_name(void);

/**
 * log_write - write one line "name: text" to stderr
 * @level: the line is dropped if this is above the level of log_init()
 * @fmt:   without the final newline
 */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
