/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/file.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
	char line[1024], *whole = line;
	va_list args, again;
	int len;

	if (level > state.level)
		return;
	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(line, sizeof(line), fmt, args);
	if (len >= (int)sizeof(line) && vasprintf(&whole, fmt, again) < 0)	/* libbcc's output may be long */
		whole = line;
	va_end(again);
	va_end(args);
	while (file_wait(STDERR_FILENO, POLLOUT) == -EINTR)	/* it may be a pipe that does not block */
		;
	fprintf(stderr, "%s: %s\n", state.name, whole);
	if (whole != line)
		free(whole);
}
