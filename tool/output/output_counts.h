/* SPDX-License-Identifier: Apache-2.0 */
/* Prints counts: a table or histograms, as the options ask for, in text, CSV or JSON. */
#ifndef OUTPUT_COUNTS_H
#define OUTPUT_COUNTS_H

#include "output/output.h"
#include "counts/stats.h"

/** The counts of one interval. */
struct counts {
	const struct stats_ranking *ranking;
	uint64_t ts_ns;				/* time of printing, CLOCK_MONOTONIC */
	int lines;				/* height of the screen in lines; 0: no screen, print all */
};

/** counts_header - add the heading line of CSV, once, before all intervals */
void counts_header(struct output *o);

/** counts_print - add the counts of an interval; the caller calls output_flush() */
void counts_print(struct output *o, const struct counts *c);

/* Each kind of counts has its own file. */
void summary_header_csv(struct output *o);
void summary_text(struct output *o, const struct counts *c);
void summary_csv(struct output *o, const struct counts *c);
void summary_json(struct output *o, const struct counts *c);
void histogram_header_csv(struct output *o);
void histogram_text(struct output *o, const struct counts *c);
void histogram_csv(struct output *o, const struct counts *c);
void histogram_json(struct output *o, const struct counts *c);

/* For these files: the beginning of each line, with the time if the options ask for it; its end, with the source if there
 * may be two, and with names. */
void counts_head_csv(struct output *o);
void counts_head_end_csv(struct output *o);
void counts_place_csv(struct output *o, const struct counts *c, const struct stats_real *r, bool total);
void counts_place_json(struct output *o, const struct counts *c, const struct stats_real *r, const char *event);
void counts_end_csv(struct output *o, const struct stats_real *r);
void counts_end_json(struct output *o, const struct stats_real *r);

/** counts_source - name of the source of @r; static */
const char *counts_source(const struct stats_real *r);

#endif
