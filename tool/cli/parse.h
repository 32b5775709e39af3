/* SPDX-License-Identifier: Apache-2.0 */
/* Options and their values: what a value may be, and what is said of a wrong one. Pure. */
#ifndef PARSE_H
#define PARSE_H

#include "cli/options.h"

#define PARSE_CONNS_DEFAULT 65536
#define PARSE_BUFFER_DEFAULT (1024 * 1024)
#define PARSE_LABELS_DEFAULT 512

enum value_kind {
	FLAG, PORTS, ENDS, NUMBER, CONNS, SIZE, FAILURES, STRING, HOOKS, DIRECTOR, FORM, FILES, LABELS, SETS, NETNS,
	CONTAINER
};

/* An option: the parser and --help both read it here, and only here. */
struct option_row {
	int letter;			/* below 256: short option */
	const char *name;
	enum value_kind kind;
	size_t offset;			/* of its member in struct options */
	const char *value;		/* name of its value in --help; [=N]: optional */
	const char *help;		/* NULL: not shown */
};

/** parse_error - set the message in @o; Return: -EINVAL */
__attribute__((format(printf, 2, 3)))
int parse_error(struct options *o, const char *fmt, ...);

/**
 * parse_value - set the member of @o that belongs to option @row
 * @text: the value; some members point to it; NULL: none given
 * Return: 0, or -EINVAL with a message in @o.
 */
int parse_value(struct options *o, const struct option_row *row, const char *text);

#endif
