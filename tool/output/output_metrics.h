/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts as a file of metrics for the textfile collector of node_exporter: Prometheus' text format 0.0.4, which that and
 * "promtool check metrics" read. (OpenMetrics proper wants a counter's TYPE line without "_total", which they would take
 * for another metric.)
 */
#ifndef OUTPUT_METRICS_H
#define OUTPUT_METRICS_H

#include "output/output.h"
#include "counts/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Real servers of virtual services with labels of their own; each is METRICS_SERIES series, or a few less. */
#define METRICS_REALS 512
#define METRICS_SERIES 45

/** Who has labels of its own: who was there first, so that a series never goes over into another one. */
struct metrics {
	const char *path;		/* not owned */
	const char *version;		/* of the tool; not owned */
	struct {
		struct endpoint vip, real;
	} shown[METRICS_REALS];		/* sorted */
	size_t n_shown;
	size_t n_other;			/* those of the last metrics_write() that are summed under "other" */
};

/**
 * metrics_init - write nothing yet
 * @path:    of the file; the folder must be there. What is there must be a regular file, or nothing.
 * @version: of the tool
 * @cause:   one line, set on failure
 * Return: 0, or a negative errno where no file could be written to @path.
 */
int metrics_init(struct metrics *m, const char *path, const char *version, char *cause, size_t len);

/** metrics_folder_is_ours - whether this user owns the folder of the file; false too where that cannot be known */
bool metrics_folder_is_ours(const struct metrics *m);

/**
 * metrics_write - replace the file at once, so that a reader finds the old one or the new one, whole
 * @s:     counts since the start of tracing, sorted; not changed
 * @lost:  of the tool itself
 * @cause: one line, set on failure
 * Return: 0 or a negative errno; then the old file is still there, and no other one is.
 */
int metrics_write(struct metrics *m, const struct stats *s, const struct losses *lost, char *cause, size_t len);

#endif
