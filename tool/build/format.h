/* SPDX-License-Identifier: Apache-2.0 */
/* A tracepoint's "format" file: where its fields are on this kernel. Pure. */
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
 * @name:  of the field, without array brackets
 * @field: filled on 0
 * Return: 0, -ENOENT where there is no such field, -EINVAL where its line is not understood.
 * Source: f_show(), kernel/trace/trace_events.c
 */
int format_find(const char *text, const char *name, struct format_field *field);

#endif
