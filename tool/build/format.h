/* SPDX-License-Identifier: Apache-2.0 */
/* Parses a tracepoint's "format" file: the offsets of its fields on this kernel. Pure. */
#ifndef FORMAT_H
#define FORMAT_H

#include <stddef.h>

struct format_field {
	unsigned offset;	/* bytes from the start of the tracepoint's record */
	unsigned size;		/* bytes */
};

/**
 * format_find - find a field
 * @text:  the file, NUL-terminated
 * @name:  name of the field, without array brackets
 * @field: filled on 0
 * Return: 0, -ENOENT if there is no such field, -EINVAL if its line has another form.
 * Source: f_show(), kernel/trace/trace_events.c
 */
int format_find(const char *text, const char *name, struct format_field *field);

#endif
