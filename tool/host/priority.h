/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduling priority. On a busy host the tool may wait for a CPU until a perf buffer is full, and then rows are lost.
 *
 * The kernel throttles all realtime processes of a CPU if together they use more than 95 % of a second. This process must
 * not cause that: it gives up its realtime priority once it has used half a second of CPU time in about a second, which
 * priority_check() finds, or 0.4 seconds without a pause, which the kernel finds (RLIMIT_RTTIME). So it never uses more
 * than 90 % of a second.
 */
#ifndef PRIORITY_H
#define PRIORITY_H

#include <stdbool.h>
#include <stdint.h>

struct priority {
	bool realtime;
	uint64_t since_ns;	/* CLOCK_MONOTONIC, ns, when the current window began */
	uint64_t used_ns;	/* CPU time of this process then, ns */
	uint64_t before_ns;	/* CPU time that it used in the window before, ns */
};

/**
 * priority_raise - give this process, but not its children, the highest priority that it may have
 * Without CAP_SYS_NICE the priority does not change; one debug message reports that.
 * @realtime: use the lowest realtime priority (SCHED_RR), which precedes all ordinary processes of every group; if false,
 *	or if the kernel refuses it, use nice -20
 * Source: user_check_sched_setscheduler(), kernel/sched/syscalls.c; watchdog(), kernel/sched/rt.c
 */
void priority_raise(struct priority *p, bool realtime);

/** priority_check - give up the realtime priority for good if this process has used too much; needs no capability */
void priority_check(struct priority *p);

/**
 * priority_is_exceeded - true if the process has used more than half a second in this window and the one before; the pure part
 * @now_ns:  CLOCK_MONOTONIC
 * @used_ns: CPU time of this process
 */
bool priority_is_exceeded(struct priority *p, uint64_t now_ns, uint64_t used_ns);

#endif
