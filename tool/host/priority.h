/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling priority. On a busy host the tool may wait for a CPU until a perf buffer is full, and then rows are lost. */
#ifndef PRIORITY_H
#define PRIORITY_H

#include <stdbool.h>
#include <stdint.h>

struct priority {
	bool realtime;
	uint64_t looked_ns;	/* CLOCK_MONOTONIC, ns, at the last sample */
	uint64_t used_ns;	/* CPU time of this process at the last sample, ns */
};

/**
 * priority_raise - give this process, but not its children, the highest priority that it may have
 * Without CAP_SYS_NICE the priority does not change; a debug message reports that.
 * @realtime: use the lowest realtime priority (SCHED_RR), which precedes all ordinary processes of every group; if false,
 *	or if the kernel refuses it, use nice -20
 * Source: user_check_sched_setscheduler(), kernel/sched/syscalls.c
 */
void priority_raise(struct priority *p, bool realtime);

/**
 * priority_check - give up the realtime priority for good if this process used more than half of a CPU since the last call:
 * it would slow down other processes. This needs no capability.
 */
void priority_check(struct priority *p);

#endif
