/* SPDX-License-Identifier: Apache-2.0 */
/* In place of rows: what the programs have counted, every INTERVAL or once at the end, in tables or a file of metrics. */
#ifndef COUNTING_H
#define COUNTING_H

#include "trace/trace.h"

/**
 * counting_run - print counts until @stop, the end the options give, or a reader that left
 * Between two tables it sleeps; with --record it takes in the events.
 * Return: 0, or a negative errno after it said why.
 */
int counting_run(struct trace *t, const volatile sig_atomic_t *stop);

#endif
