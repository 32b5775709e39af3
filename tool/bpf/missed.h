/* SPDX-License-Identifier: Apache-2.0 */
/* Counts events that the programs did not see, or had no room for. */
#ifndef MISSED_H
#define MISSED_H

#include "base/losses.h"
#include "bpf/loader.h"

#include <stdbool.h>
#include <stdint.h>

/* What is kept from one call of missed_losses() to the next; all zero before the first. */
struct missed {
	uint64_t uncertain;	/* the programs' COUNT_UNCERTAIN at since_ns */
	uint64_t since_ns;	/* CLOCK_MONOTONIC */
	uint64_t confirmed;	/* so many of these connects could have become certain, and had the time for it */
};

/**
 * missed_losses - count what has been lost so far
 * @skipped: by enum hook_event, how often the kernel skipped the program, as far as attach_skipped() knows; read before this
 *	call
 * @unseen: connections that IPVS took and our program did not see, for whatever reason
 * @last: the programs are detached, so nothing becomes certain any more
 * A result never includes what turns out later not to be lost, as the caller keeps the largest result.
 * The kernel runs no program inside another one of its kind on the same CPU. So an interrupt may bring an event that no
 * program sees. The kernel counts such events from 6.7 on (on raw tracepoints from 6.2 on; before that it skips none
 * there). It counts them for all sockets, filtered ones too. The programs count the sockets whose state is not the last
 * one that they saw. If both count the same events, the larger count is used. The counts of different hooks are added up.
 * Return: 0 or a negative errno
 * Source: trace_call_bpf(), kernel/trace/bpf_trace.c; bpf_prog_show_fdinfo(), kernel/bpf/syscall.c
 */
int missed_losses(struct missed *m, const struct loaded *l, const uint64_t skipped[HOOK_EVENTS], uint64_t unseen, bool last,
		  struct losses *lost);

/**
 * missed_uncertain - how many connects stayed uncertain: they closed before it was known whether IPVS used an existing entry
 * @uncertain, @settled: the programs' counts COUNT_UNCERTAIN and COUNT_SETTLED
 * @now_ns: CLOCK_MONOTONIC
 */
uint64_t missed_uncertain(struct missed *m, uint64_t uncertain, uint64_t settled, uint64_t now_ns, bool last);

#endif
