/* SPDX-License-Identifier: Apache-2.0 */
/* Hands to the printers what they need of the command line. */
#ifndef PRINTING_H
#define PRINTING_H

#include "cli/options.h"
#include "output/output.h"
#include "rows/correlate.h"

/** printing_correlate - the settings for trouble that the options ask for; after correlate_init() */
static inline void printing_correlate(struct correlate *c, const struct options *o)
{
	c->failures = o->failures;
	c->slow_ns = o->slow * 1000000;
}

/** printing_settings - the settings of the printers that the options ask for; @names: kept; NULL: none */
static inline struct output_settings printing_settings(const struct options *o, const struct names *names)
{
	return (struct output_settings){
		.json = o->json, .csv = o->csv, .wide = o->wide, .extended = o->extended,
		.director = o->director || (o->server && options_counts(o)),
		.time = o->time, .timestamp = o->timestamp, .counts = options_counts(o),
		.histogram = o->histogram, .states = o->states, .milliseconds = o->milliseconds,
		.limit = o->count, .names = names,
	};
}

#endif
