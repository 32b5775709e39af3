/* SPDX-License-Identifier: Apache-2.0 */
/* Time in nanoseconds, and the time of day of an event. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
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

/**
 * The wall clock: what to add to CLOCK_MONOTONIC to get the time of day. In the kernel the difference is constant until
 * somebody sets the clock, or a leap second comes. CLOCK_MONOTONIC stands still while the host sleeps, so that the
 * difference also changes then.
 * Source: tk_set_wall_to_mono(), __timekeeping_inject_sleeptime(), kernel/time/timekeeping.c
 */
struct wall_clock {
	int64_t realtime_ns;	/* time of day minus CLOCK_MONOTONIC */
	int64_t before_ns;	/* the same for events before changed_ns */
	uint64_t changed_ns;	/* CLOCK_MONOTONIC; 0: it has not changed */
	uint64_t looked_ns;	/* CLOCK_MONOTONIC at the last look; 0: none yet */
};

/**
 * wall_clock_look - read the wall clock, at least each time before events are printed
 * @w: all zero before the first look
 * Return: true if the wall clock was stepped since the last look. Events from before that look keep the time of day that
 *	the host had; later ones have the new one, as nobody knows when in between the step was.
 */
bool wall_clock_look(struct wall_clock *w);

/**
 * wall_clock_update - the same, with the clocks already read: the pure part
 * @mono_ns, @real_ns, @mono_after_ns: CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC, read in this order
 */
bool wall_clock_update(struct wall_clock *w, uint64_t mono_ns, uint64_t real_ns, uint64_t mono_after_ns);

/** wall_clock_change - from @changed_ns (CLOCK_MONOTONIC) on, the difference is @realtime_ns */
void wall_clock_change(struct wall_clock *w, uint64_t changed_ns, int64_t realtime_ns);

/** wall_clock_ns - the time of day at @ts_ns (CLOCK_MONOTONIC), in ns since 1970 */
static inline int64_t wall_clock_ns(const struct wall_clock *w, uint64_t ts_ns)
{
	return (int64_t)(ts_ns + (uint64_t)(ts_ns < w->changed_ns ? w->before_ns : w->realtime_ns));
}

#endif
