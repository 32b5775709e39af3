/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the rows of a recording, as trace.c does, but without a kernel. */
#ifndef REPLAY_H
#define REPLAY_H

#include "cli/options.h"

#include <signal.h>

/**
 * replay_run - print the rows of the recording that @options name
 * @fd:   output for the rows
 * @stop: ends the replay when set, as in trace_run()
 * Return: 0, or a negative errno after logging the cause.
 */
int replay_run(const struct options *options, int fd, const volatile sig_atomic_t *stop);

#endif
