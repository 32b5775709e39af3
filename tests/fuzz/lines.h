/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of every printed line, whatever its content. */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>

/**
 * lines_are_text - true if @text is @n lines of whole UTF-8 characters without control characters
 * @colours: escape sequences for colours are allowed
 */
bool lines_are_text(const char *text, unsigned n, bool colours);

/** lines_fields - counts the fields of a line by RFC 4180; returns 0 if a quote is not closed */
unsigned lines_fields(const char *line);

/** lines_is_json - true if the line is one JSON object, RFC 8259 */
bool lines_is_json(const char *line);

#endif
