/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
	const char *name;
	enum log_level level;
} state = { "ipvs-tcpstate", LOG_INFO };

void log_init(const char *name, enum log_level level)
{
	state.name = name;
	state.level = level;
}

const char *log_name(void)
{
	return state.name;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	if (level > state.level)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", state.name, line);
}
