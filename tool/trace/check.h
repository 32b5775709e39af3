/* SPDX-License-Identifier: Apache-2.0 */
/* --check: prints what this host has and lacks, with the command that repairs it. */
#ifndef CHECK_H
#define CHECK_H

#include "output/output.h"
#include "trace/plan.h"

/**
 * check_print - print a line for each requirement; a JSON object if the options ask for JSON
 * @p: nothing of it is compiled, and nothing stays loaded or attached
 * Return: true if tracing would work as the options ask for.
 */
bool check_print(const struct plan *p, struct output *o);

#endif
