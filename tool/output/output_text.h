/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of text rows, for the formats that use them. */
#ifndef OUTPUT_TEXT_H
#define OUTPUT_TEXT_H

#include "output/output.h"

extern const struct text_widths output_widths_narrow, output_widths_wide;

/** text_header - add the heading line */
void text_header(struct output *o, const struct text_widths *w);

/** text_columns - add a row up to its reason; the caller adds the reason */
void text_columns(struct output *o, const struct row *row, const struct text_widths *w);

/** text_end - add what follows the reason: with -x more columns, then the end of the line */
void text_end(struct output *o, const struct row *row);

#endif
