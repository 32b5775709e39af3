/* SPDX-License-Identifier: Apache-2.0 */
/* Causes of losses: one table with the names of each cause in every output, and the remedy. Pure. */
#ifndef LOSSES_H
#define LOSSES_H

#include <stdbool.h>
#include <stdint.h>

/** Recordings hold the first LOSSES_RECORDED, in this order: changing it makes a new format. */
enum loss {
	LOSS_BUFFER_FULL,	/* events: perf buffer full */
	LOSS_MISSED,		/* events that no BPF program saw */
	LOSS_SOCKETS_FULL,	/* sockets that are not tracked: map full */
	LOSS_CONNECTS_FULL,	/* connects that may lack their real server: map full */
	LOSS_REASONS,		/* events that no BPF program saw; they give a row its reason, and are no rows */
	LOSS_TALLIES_FULL,	/* connections that are not counted: map full */
	LOSS_BUCKETS_FULL,	/* times that are in no percentile: map full */
	LOSS_UNREAD,		/* connections from before the start that were not read from IPVS's table */
	LOSS_DAMAGED,		/* samples in the perf buffer that are not events of this tool */
	LOSSES,
	LOSSES_RECORDED = LOSS_REASONS + 1
};

struct losses {
	uint64_t n[LOSSES];
};

struct loss_cause {
	const char *key;	/* name in JSON */
	const char *metric;	/* name for Prometheus; NULL: none */
	const char *help;	/* the metric's help text */
	const char *at_once;	/* message at the first loss, with the remedy; NULL: none */
	const char *at_end;	/* message at the end, after the number */
	bool rows;		/* true if each loss is a lost row */
	bool of_counts;		/* printed only if the tool counts */
	bool at_end_only;	/* not in the JSON lines with the event "lost" */
};

extern const struct loss_cause loss_causes[LOSSES];

/**
 * losses_update - raise @so_far to the numbers in @now; a number that is lower there stays
 * @since: set to the increases
 * Return: true if any number has increased.
 */
bool losses_update(struct losses *so_far, const struct losses *now, struct losses *since);

/** losses_rows - the number of lost rows, all causes together */
uint64_t losses_rows(const struct losses *l);

#endif
