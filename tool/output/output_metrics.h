/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes counts to a file of metrics for the textfile collector of node_exporter, in Prometheus' text format 0.0.4. The
 * collector and "promtool check metrics" read it. (OpenMetrics itself wants a counter's TYPE line without "_total". Both
 * would take that for another metric.)
 */
#ifndef OUTPUT_METRICS_H
#define OUTPUT_METRICS_H

#include "output/output.h"
#include "counts/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Series of a set of labels, or a few less. */
#define METRICS_SERIES 45

/** What the metrics are like. */
struct metrics_settings {
	const char *path;		/* path of the file. Its folder must exist. If the file exists, it must be a regular file */
	const char *version;		/* version of the tool */
	bool without_vip, without_real;	/* sums over the virtual services, or over their real servers; not both */
	size_t limit;			/* most sets of labels: pairs of virtual service and real server, or one of them; not 0 */
	const struct names *names;	/* of addresses, as further labels; NULL: none */
};

/** Counts since the start. The first real servers that are seen have labels of their own until they are forgotten. What is
 * counted while a real server has none stays in "other", so no counter ever falls. Where a label is left out, "real server" is
 * what all with the same other labels are together: only that is kept. */
struct metrics {
	struct metrics_settings settings;	/* path NULL: not open */
	struct stats known;		/* "chosen": with labels; the others only have "open" */
	size_t n_chosen;
	struct stats_real other[STATS_SOURCES];	/* sum of what was counted without labels */
	size_t n_other;			/* real servers that the last metrics_write() summed under "other" */
};

/**
 * metrics_init - check that the file can be written; writes no metrics yet
 * @settings: copied; what it points to is kept
 * @errmsg:   one line, set on failure
 * Return: 0, or a negative errno if no file can be written to its path.
 */
int metrics_init(struct metrics *m, const struct metrics_settings *settings, char *errmsg, size_t len);

/**
 * metrics_add - add counts
 * @more:   what was counted since the last call
 * @now_ns: CLOCK_MONOTONIC
 * Return: 0 or -ENOMEM.
 */
int metrics_add(struct metrics *m, const struct stats *more, uint64_t now_ns);

/**
 * metrics_forget - remove the real servers that have no open connection, and of which nothing was added since @before_ns
 * Others get their labels.
 */
void metrics_forget(struct metrics *m, uint64_t before_ns);

/**
 * metrics_write - replace the file in one step, so that a reader finds the whole old file or the whole new one
 * @lost:   losses of the tool itself
 * @errmsg: one line, set on failure
 * Return: 0, or a negative errno: then the old file is still there, and no temporary file.
 */
int metrics_write(struct metrics *m, const struct losses *lost, char *errmsg, size_t len);

/** metrics_close - free everything */
void metrics_close(struct metrics *m);

#endif
