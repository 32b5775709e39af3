/* SPDX-License-Identifier: Apache-2.0 */
/* This process before others: rows are lost where a busy host lets the reader wait until a buffer is full. */
#ifndef PRIORITY_H
#define PRIORITY_H

#include <stdbool.h>
#include <stdint.h>

struct priority {
	bool realtime;
	uint64_t looked_ns;	/* CLOCK_MONOTONIC */
	uint64_t used_ns;	/* CPU time of this process, at that time */
};

/**
 * priority_raise - the best that this process may have, and not its children
 * Without CAP_SYS_NICE it stays what it was; that is told as a debug message.
 * @realtime: at the lowest realtime priority (SCHED_RR), which goes before all ordinary processes, of whatever group; else,
 *	or where that is refused, at nice -20
 * Source: user_check_sched_setscheduler(), kernel/sched/syscalls.c
 */
void priority_raise(struct priority *p, bool realtime);

/**
 * priority_follow - gives realtime up, for good, where this process took more than half of a CPU since the last look:
 * then others would feel it. No capability is needed.
 */
void priority_follow(struct priority *p);

#endif
