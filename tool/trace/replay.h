/* SPDX-License-Identifier: Apache-2.0 */
/* From a recording to written rows: what trace.c does, without a kernel. */
#ifndef REPLAY_H
#define REPLAY_H

#include "cli/options.h"

#include <signal.h>

/**
 * replay_run - print the rows of the recording that @options name
 * @fd:   where rows go to
 * @stop: ends it where set, as in trace_run()
 * Return: 0, or a negative errno after it said why.
 */
int replay_run(const struct options *options, int fd, const volatile sig_atomic_t *stop);

#endif
