/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies lines from stdin to stdout, each preceded by the time at which its end arrived, in nanoseconds of
 * CLOCK_MONOTONIC.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000000 + (unsigned long long)t.tv_nsec;
}

int main(void)
{
	char bytes[65536], line[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = read(0, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR)) {
		unsigned long long ns = now_ns();

		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] == '\n') {
				printf("%llu %.*s\n", ns, (int)len, line);
				len = 0;
			} else if (len < sizeof(line)) {
				line[len++] = bytes[i];
			}
		}
		fflush(stdout);
	}
	return 0;
}
