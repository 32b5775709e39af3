/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs did not see, or had no room for. */
#ifndef MISSED_H
#define MISSED_H

#include "base/losses.h"
#include "bpf/loader.h"

#include <stdint.h>

/**
 * missed_runs - how often the program of @fact has run, on all CPUs; 0 where it does not count that (see NAMED_KPROBES
 * in probes/common.bpf.h)
 */
uint64_t missed_runs(const struct loaded *l, enum hook_fact fact);

/**
 * missed_losses - what has been lost so far
 * @skipped: by fact, how often its program was skipped as far as attach_skipped() knows
 * @unseen: connections that IPVS has taken and its program has not seen, for whatever reason
 * The kernel runs no program of a kind inside another on the same CPU, so that an interrupt may bring an event that none
 * sees. From 6.7 on it counts them (on raw tracepoints from 6.2 on, before that it skips none there), for all sockets, also
 * those that are filtered out; the programs count the sockets whose state is not the one that was seen last. Of two counts
 * of the same events the larger is taken, and what different hooks have missed is added up.
 * Return: 0 or a negative errno
 * Source: trace_call_bpf(), kernel/trace/bpf_trace.c; bpf_prog_show_fdinfo(), kernel/bpf/syscall.c
 */
int missed_losses(const struct loaded *l, const uint64_t skipped[HOOK_FACTS], uint64_t unseen,
		  struct losses *lost);

#endif
