/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles what --save-programs saves. */
#ifndef SAVE_H
#define SAVE_H

#include "build/saved.h"
#include "cli/options.h"
#include "host/host.h"

#include <signal.h>

/**
 * save_programs - compile the programs for all options, and the layout
 * @s: filled, on failure too; the caller calls saved_close()
 * @given: its --hooks and its cache are used
 * @stop: see stop_catch_signals()
 * Reports programs that do not compile, and goes on without them.
 * Return: 0; or a negative errno with @errmsg, one line: the programs for rows do not compile, or -EINTR.
 */
int save_programs(struct saved *s, const struct options *given, const struct host *h, const volatile sig_atomic_t *stop,
		  char *errmsg, size_t len);

#endif
