/* SPDX-License-Identifier: Apache-2.0 */
/* The names of --names while the tool runs: reads the files, and reads them again after SIGHUP. */
#ifndef NAMING_H
#define NAMING_H

#include "cli/options.h"
#include "rows/names.h"

#include <signal.h>

/** All zero: no names. */
struct naming {
	struct names names;
	const struct file_list *files;		/* of the options; NULL: none */
	const volatile sig_atomic_t *hangups;	/* signals that ask to read again */
	sig_atomic_t followed;			/* those after which the files were read */
};

/**
 * naming_begin - read the files of the options; SIGHUP then asks to read them again
 * @n:      all zero; the caller calls naming_end() in either case
 * @errmsg: one line, set on failure
 * Return: 0, also if the options name no files, or a negative errno.
 */
int naming_begin(struct naming *n, const struct options *options, char *errmsg, size_t len);

/** naming_names - the names for printers; NULL: the options name no files */
static inline const struct names *naming_names(const struct naming *n)
{
	return n->files ? &n->names : NULL;
}

/** naming_follow - read the files again if a signal has asked for it; reports it, or in one line why the old names stay */
void naming_follow(struct naming *n);

/** naming_can_read - true if the files can be read with the capabilities that the process has now */
bool naming_can_read(const struct naming *n);

void naming_end(struct naming *n);

#endif
