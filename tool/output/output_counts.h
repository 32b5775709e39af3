/* SPDX-License-Identifier: Apache-2.0 */
/* Counts for people and scripts: a table or histograms, as the options ask for, in text, CSV or JSON. */
#ifndef OUTPUT_COUNTS_H
#define OUTPUT_COUNTS_H

#include "output/output.h"
#include "counts/stats.h"

/** A round of counts. */
struct counts {
	const struct stats *stats;
	const struct stats_ranking *ranking;	/* of @stats */
	uint64_t ts_ns;				/* CLOCK_MONOTONIC */
	int lines;				/* of the screen that is printed on; 0: no end */
};

/** counts_header - what is printed once, before all rounds */
void counts_header(struct output *o);

/** counts_print - print a round; output_flush() is still to come */
void counts_print(struct output *o, const struct counts *c);

/* The kinds of counts; one file each. */
void summary_header_csv(struct output *o);
void summary_text(struct output *o, const struct counts *c);
void summary_csv(struct output *o, const struct counts *c);
void summary_json(struct output *o, const struct counts *c);
void histogram_header_csv(struct output *o);
void histogram_text(struct output *o, const struct counts *c);
void histogram_csv(struct output *o, const struct counts *c);
void histogram_json(struct output *o, const struct counts *c);

/* For them: the beginning of each line, with the time where it is asked for. */
void counts_head_csv(struct output *o);
void counts_place_csv(struct output *o, const struct counts *c, const struct stats_real *r, bool total);
void counts_place_json(struct output *o, const struct counts *c, const struct stats_real *r, const char *event);

#endif
