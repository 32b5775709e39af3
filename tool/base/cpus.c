/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpus.h"

#include "base/file.h"

#include <stdlib.h>
#include <unistd.h>

#define CPUS "/sys/devices/system/cpu/"

/* Parses a list like "0-3,5\n" and calls @seen for each CPU. Returns the highest number, or -1 if there is none. */
static long read_list(const char *path, void (*seen)(void *cookie, size_t cpu), void *cookie)
{
	char *text = file_read(path), *at = text;
	long last = -1;

	while (at && *at >= '0' && *at <= '9') {
		long first = strtol(at, &at, 10);

		last = *at == '-' ? strtol(at + 1, &at, 10) : first;
		for (long cpu = first; seen && cpu <= last; cpu++)
			seen(cookie, (size_t)cpu);
		at += *at == ',';
	}
	free(text);
	return last;
}

size_t cpus_possible(void)
{
	long cpus = read_list(CPUS "possible", NULL, NULL) + 1;

	if (cpus <= 0)
		cpus = sysconf(_SC_NPROCESSORS_CONF);
	return cpus > 0 ? (size_t)cpus : 1;
}

bool cpus_online(void (*online)(void *cookie, size_t cpu), void *cookie)
{
	return read_list(CPUS "online", online, cookie) >= 0;
}
