/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/missed.h"

#include "base/bpf.h"
#include "base/clock.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns how often the kernel skipped a program, as far as known. If programs count their runs, @skipped is complete. */
static uint64_t count_misses(const struct loaded *l, const uint64_t skipped[HOOK_EVENTS], enum hook_event event)
{
	char path[64], *text, *at;
	uint64_t n;

	if (l->program_fd[event] < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", l->program_fd[event]);
	text = file_read(path);
	at = text ? strstr(text, "recursion_misses:") : NULL;
	n = at ? strtoull(at + strlen("recursion_misses:"), NULL, 10) : 0;
	free(text);
	if (l->runs_fd < 0)
		return n + skipped[event];
	return n > skipped[event] ? n : skipped[event];
}

static uint64_t sub_clamped(uint64_t n, uint64_t by)
{
	return n > by ? n - by : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t missed_uncertain(struct missed *m, uint64_t uncertain, uint64_t settled, uint64_t now_ns, bool last)
{
	if (last) {
		m->confirmed = uncertain;
	} else if (now_ns - m->since_ns > CLOSED_NS) {
		m->confirmed = m->uncertain;
		m->uncertain = uncertain;
		m->since_ns = now_ns;
	}
	return sub_clamped(m->confirmed, settled);
}

/* A packet that was not seen is a missed row only if it changed the state: that shows as a gap. */
static uint64_t count_missed_forwarded(const struct loaded *l, const uint64_t misses[HOOK_EVENTS],
				       const uint64_t count[COUNT_SLOTS])
{
	uint64_t new = l->program_fd[HOOK_FORWARD] < 0 ? misses[HOOK_FORWARD_NEW] : 0;

	return count[COUNT_FORWARDED_GAPS] + new + misses[HOOK_FORWARD_REFUSED] + misses[HOOK_FORWARD_FREE];
}

/* If the kernel skips one of the two programs for a state change, the other one handles it. If the return of a connect was
 * missed, the socket's next event reports the connect. */
static uint64_t count_missed_rows(const struct loaded *l, const uint64_t misses[HOOK_EVENTS], uint64_t unseen,
				  const uint64_t count[COUNT_SLOTS])
{
	uint64_t states = sub_clamped(misses[HOOK_STATE], count[COUNT_NESTED]);

	return larger(states, count[COUNT_GAPS]) + larger(misses[HOOK_IPVS], unseen) + misses[HOOK_RETRANSMIT] +
	       misses[HOOK_CONNECT] + misses[HOOK_CLIENT_PORT] + misses[HOOK_NO_DESTINATION] +
	       count[COUNT_BUSY] + count_missed_forwarded(l, misses, count) + misses[HOOK_SYN_ACK] +
	       misses[HOOK_RESET] + misses[HOOK_RESET_V6] + misses[HOOK_ACCEPT_SYN] + misses[HOOK_ACCEPT_ACK] +
	       misses[HOOK_ACCEPT_ACK_V6];
}

static uint64_t count_missed_reasons(const uint64_t misses[HOOK_EVENTS])
{
	return misses[HOOK_ERROR] + misses[HOOK_EXPIRE] + misses[HOOK_EXPIRE_NOW] + misses[HOOK_FREE] +
	       misses[HOOK_FORWARD_EXPIRE] + misses[HOOK_FORWARD_EXPIRE_NOW];
}

int missed_losses(struct missed *m, const struct loaded *l, const uint64_t skipped[HOOK_EVENTS], uint64_t unseen, bool last,
		  struct losses *lost)
{
	uint64_t misses[HOOK_EVENTS], count[COUNT_SLOTS] = { 0 };

	/* Before the programs' counts: the second program for a state change counts it just after the first one was skipped. */
	for (int event = 0; event < HOOK_EVENTS; event++)
		misses[event] = count_misses(l, skipped, (enum hook_event)event);
	for (int slot = 0; slot < COUNT_SLOTS; slot++) {
		int err = loader_count(l, (enum count_slot)slot, &count[slot]);

		if (err)
			return err;
	}
	*lost = (struct losses){
		.n = {
			[LOSS_BUFFER_FULL] = count[COUNT_LOST],
			[LOSS_MISSED] = count_missed_rows(l, misses, unseen, count) +
					missed_uncertain(m, count[COUNT_UNCERTAIN], count[COUNT_SETTLED], clock_now_ns(), last),
			[LOSS_SOCKETS_FULL] = count[COUNT_SOCKETS_FULL],
			[LOSS_CONNECTS_FULL] = count[COUNT_CONNECTING_FULL],
			[LOSS_REASONS] = count_missed_reasons(misses),
			[LOSS_TALLIES_FULL] = count[COUNT_TALLIES_FULL],
			[LOSS_BUCKETS_FULL] = count[COUNT_BUCKETS_FULL],
		},
	};
	return 0;
}
