/* SPDX-License-Identifier: Apache-2.0 */
/* Hands to the printers what they need of the command line. */
#ifndef PRINTING_H
#define PRINTING_H

#include "cli/options.h"
#include "output/output.h"

/** printing_settings - the settings of the printers that the options ask for; @names: kept; NULL: none */
static inline struct output_settings printing_settings(const struct options *o, const struct names *names)
{
	return (struct output_settings){
		.json = o->json, .csv = o->csv, .wide = o->wide, .extended = o->extended,
		.director = o->director,
		.time = o->time, .timestamp = o->timestamp, .counts = options_counts(o),
		.histogram = o->histogram, .states = o->states, .milliseconds = o->milliseconds,
		.limit = o->count, .names = names,
	};
}

#endif
