/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of text rows, for the formats that have them. */
#ifndef OUTPUT_TEXT_H
#define OUTPUT_TEXT_H

#include "output/output.h"

extern const struct text_widths output_widths_narrow, output_widths_wide;

/** text_header - the heading line */
void text_header(struct output *o, const struct text_widths *w);

/** text_columns - a row up to its reason, which is still to come */
void text_columns(struct output *o, const struct row *row, const struct text_widths *w);

/** text_end - what follows the reason: the end of the line, with -x more columns before */
void text_end(struct output *o, const struct row *row);

#endif
