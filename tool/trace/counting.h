/* SPDX-License-Identifier: Apache-2.0 */
/* Instead of rows: writes what the programs counted to tables or a metrics file, every INTERVAL or once at the end. */
#ifndef COUNTING_H
#define COUNTING_H

#include "trace/trace.h"

/**
 * counting_run - print counts until @stop is set, the options end it, or the reader closes the pipe
 * Between two tables it sleeps; with --record it reads the events.
 * Return: 0, or a negative errno after logging the cause.
 */
int counting_run(struct trace *t, const volatile sig_atomic_t *stop);

#endif
