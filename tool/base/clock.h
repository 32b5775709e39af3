/* SPDX-License-Identifier: Apache-2.0 */
/* Time in nanoseconds. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

/** clock_ns - read a clock of clock_gettime(2), in ns */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/** clock_now_ns - read CLOCK_MONOTONIC, the clock of events: bpf_ktime_get_ns(), kernel/bpf/helpers.c */
static inline uint64_t clock_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif
