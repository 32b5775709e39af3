/* SPDX-License-Identifier: Apache-2.0 */
/* What can get lost: one table with each cause, its names in every output, and what to do about it. Pure. */
#ifndef LOSSES_H
#define LOSSES_H

#include <stdbool.h>
#include <stdint.h>

/** The first LOSSES_RECORDED are in recordings, in this order: to change it is a new format. */
enum loss {
	LOSS_BUFFER_FULL,	/* events: no room in the perf buffer */
	LOSS_MISSED,		/* events: not seen by any program */
	LOSS_SOCKETS_FULL,	/* sockets that are not tracked: map full */
	LOSS_CONNECTS_FULL,	/* connects that may lack their real server: map full */
	LOSS_REASONS,		/* not rows, but what would have given one its reason: not seen by any program */
	LOSS_TALLIES_FULL,	/* connections that are not counted: map full */
	LOSS_BUCKETS_FULL,	/* times that are in no percentile: map full */
	LOSS_DAMAGED,		/* samples that are no events of ours */
	LOSSES,
	LOSSES_RECORDED = LOSS_REASONS + 1
};

struct losses {
	uint64_t n[LOSSES];
};

struct loss_cause {
	const char *key;	/* in JSON */
	const char *metric;	/* in Prometheus' format; NULL: not there */
	const char *help;	/* of the metric */
	const char *at_once;	/* message as soon as it happens, with what to do; NULL: none */
	const char *at_end;	/* message at the end, behind the number */
	bool rows;		/* each is a row lost */
	bool of_counts;		/* only where counters are printed */
	bool at_end_only;	/* not in JSON's lines of the event "lost" */
};

extern const struct loss_cause loss_causes[LOSSES];

/**
 * losses_raise - take over newer numbers; one that is less stays as it was
 * @since: set to what has come since
 * Return: true if anything has.
 */
bool losses_raise(struct losses *so_far, const struct losses *now, struct losses *since);

/** losses_rows - rows that were lost, for every cause together */
uint64_t losses_rows(const struct losses *l);

#endif
