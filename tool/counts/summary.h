/* SPDX-License-Identifier: Apache-2.0 */
/* Takes from the maps what the programs have counted. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "ipvs/ipvs.h"
#include "bpf/loader.h"
#include "counts/stats.h"

#include <stdbool.h>

struct summary {
	struct stats next;	/* open connections from before the start, for the next summary_read() */
	uint64_t made[2];	/* tallies and buckets that the programs had made at the last one */
};

/**
 * summary_open - count a pre-existing connection of IPVS as open: the programs will see its end
 * Return: 0 or -ENOMEM.
 */
int summary_open(struct summary *s, const struct ipvs_entry *e);

/** summary_is_full - true if the programs need room in their maps: it is time for summary_read() */
bool summary_is_full(const struct summary *s, const struct loaded *l);

/**
 * summary_read - take what was counted since the last call, so that the maps have room again
 * @out: filled on 0; the caller calls stats_free(). It has only what has changed; "open" is the change too.
 * Everything is taken exactly once: what the programs count meanwhile is in the next call's. It waits, see bpf_wait().
 * Return: 0 or a negative errno; then counts may be lost.
 */
int summary_read(struct summary *s, const struct loaded *l, struct stats *out);

void summary_close(struct summary *s);

#endif
