/* SPDX-License-Identifier: Apache-2.0 */
/* What every printed line must be, whatever is in it. */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>

/**
 * lines_are_text - whether @text is @n lines of whole UTF-8 characters without controls
 * @colours: whether there may be escape sequences of colours
 */
bool lines_are_text(const char *text, unsigned n, bool colours);

/** lines_fields - the number of fields of a line as RFC 4180 has them; 0: a quote has no end */
unsigned lines_fields(const char *line);

/** lines_is_json - whether the line is one JSON object, RFC 8259 */
bool lines_is_json(const char *line);

#endif
