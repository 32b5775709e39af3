/* SPDX-License-Identifier: Apache-2.0 */
/* --check: what this host has and lacks, with the command that mends it. */
#ifndef CHECK_H
#define CHECK_H

#include "output/output.h"
#include "trace/plan.h"

/**
 * check_print - a line for each requirement; JSON objects where the options ask for JSON
 * @p: with its hooks chosen; nothing is compiled, loaded or attached for good
 * Return: whether tracing as the options ask for would work.
 */
bool check_print(const struct plan *p, struct output *o);

#endif
