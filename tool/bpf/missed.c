/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/missed.h"

#include "base/bpf.h"
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

/* A packet that was not seen is a missed row only if it changed the state: that shows as a gap. */
static uint64_t count_missed_forwarded(const struct loaded *l, const uint64_t skipped[HOOK_EVENTS],
				       const uint64_t count[COUNT_SLOTS])
{
	uint64_t new = l->program_fd[HOOK_FORWARD] < 0 ? count_misses(l, skipped, HOOK_FORWARD_NEW) : 0;

	return count[COUNT_FORWARDED_GAPS] + new + count_misses(l, skipped, HOOK_FORWARD_REFUSED) +
	       count_misses(l, skipped, HOOK_FORWARD_FREE);
}

/* If the kernel skips one of the two programs for a state change, the other one handles it. If the return of a connect was
 * missed, the socket's next event reports the connect. */
static uint64_t count_missed_rows(const struct loaded *l, const uint64_t skipped[HOOK_EVENTS], uint64_t unseen,
			    const uint64_t count[COUNT_SLOTS])
{
	uint64_t states = sub_clamped(count_misses(l, skipped, HOOK_STATE), count[COUNT_NESTED]);

	return larger(states, count[COUNT_GAPS]) + larger(count_misses(l, skipped, HOOK_IPVS), unseen) +
	       count_misses(l, skipped, HOOK_RETRANSMIT) + count_misses(l, skipped, HOOK_CONNECT) +
	       count_misses(l, skipped, HOOK_CLIENT_PORT) + count_misses(l, skipped, HOOK_NO_DESTINATION) +
	       count[COUNT_UNCERTAIN] + count_missed_forwarded(l, skipped, count);
}

static uint64_t count_missed_reasons(const struct loaded *l, const uint64_t skipped[HOOK_EVENTS])
{
	return count_misses(l, skipped, HOOK_ERROR) + count_misses(l, skipped, HOOK_EXPIRE) +
	       count_misses(l, skipped, HOOK_EXPIRE_NOW) + count_misses(l, skipped, HOOK_FREE) +
	       count_misses(l, skipped, HOOK_FORWARD_EXPIRE) + count_misses(l, skipped, HOOK_FORWARD_EXPIRE_NOW);
}

int missed_losses(const struct loaded *l, const uint64_t skipped[HOOK_EVENTS], uint64_t unseen, struct losses *lost)
{
	uint64_t count[COUNT_SLOTS] = { 0 };

	for (int slot = 0; slot < COUNT_SLOTS; slot++) {
		int err = loader_count(l, (enum count_slot)slot, &count[slot]);

		if (err)
			return err;
	}
	*lost = (struct losses){
		.n = {
			[LOSS_BUFFER_FULL] = count[COUNT_LOST],
			[LOSS_MISSED] = count_missed_rows(l, skipped, unseen, count),
			[LOSS_SOCKETS_FULL] = count[COUNT_SOCKETS_FULL],
			[LOSS_CONNECTS_FULL] = count[COUNT_CONNECTING_FULL],
			[LOSS_REASONS] = count_missed_reasons(l, skipped),
			[LOSS_TALLIES_FULL] = count[COUNT_TALLIES_FULL],
			[LOSS_BUCKETS_FULL] = count[COUNT_BUCKETS_FULL],
		},
	};
	return 0;
}
