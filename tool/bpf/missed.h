/* SPDX-License-Identifier: Apache-2.0 */
/* Counts events that the programs did not see, or had no room for. */
#ifndef MISSED_H
#define MISSED_H

#include "base/losses.h"
#include "bpf/loader.h"

#include <stdint.h>

/**
 * missed_losses - count what has been lost so far
 * @skipped: by enum hook_event, how often the kernel skipped the program, as far as attach_skipped() knows
 * @unseen: connections that IPVS took and our program did not see, for whatever reason
 * The kernel runs no program inside another one of its kind on the same CPU. So an interrupt may bring an event that no
 * program sees. The kernel counts such events from 6.7 on (on raw tracepoints from 6.2 on; before that it skips none
 * there). It counts them for all sockets, filtered ones too. The programs count the sockets whose state is not the last
 * one that they saw. If both count the same events, the larger count is used. The counts of different hooks are added up.
 * Return: 0 or a negative errno
 * Source: trace_call_bpf(), kernel/trace/bpf_trace.c; bpf_prog_show_fdinfo(), kernel/bpf/syscall.c
 */
int missed_losses(const struct loaded *l, const uint64_t skipped[HOOK_EVENTS], uint64_t unseen,
		  struct losses *lost);

#endif
