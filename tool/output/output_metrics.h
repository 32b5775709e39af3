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

/* Maximum of real servers of virtual services with labels of their own. Each has METRICS_SERIES series, or a few less. */
#define METRICS_REALS 512
#define METRICS_SERIES 45

/** The real servers with labels of their own: the first ones seen keep them, so a series never turns into another one. */
struct metrics {
	const char *path;		/* not owned */
	const char *version;		/* version of the tool; not owned */
	struct {
		struct endpoint vip, real;
	} shown[METRICS_REALS];		/* sorted */
	size_t n_shown;
	size_t n_other;			/* real servers that the last metrics_write() summed under "other" */
};

/**
 * metrics_init - check that the file can be written; writes no metrics yet
 * @path:    path of the file. Its folder must exist. If the file exists, it must be a regular file.
 * @version: version of the tool
 * @errmsg:   one line, set on failure
 * Return: 0, or a negative errno if no file can be written to @path.
 */
int metrics_init(struct metrics *m, const char *path, const char *version, char *errmsg, size_t len);

/**
 * metrics_write - replace the file in one step, so that a reader finds the whole old file or the whole new one
 * @s:     counts since the start of tracing, sorted; not changed
 * @lost:  losses of the tool itself
 * @errmsg: one line, set on failure
 * Return: 0, or a negative errno: then the old file is still there, and no temporary file.
 */
int metrics_write(struct metrics *m, const struct stats *s, const struct losses *lost, char *errmsg, size_t len);

#endif
