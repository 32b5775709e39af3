/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hidden option --rehearse, for tests: compiles every text in every variant, and
 * loads every program to test it with the kernel's verifier, also programs that this
 * host would not choose. It attaches nothing, so it also runs on hosts that
 * cannot trace.
 */
#ifndef REHEARSE_H
#define REHEARSE_H

#include "output/output.h"
#include "trace/plan.h"

/**
 * rehearse - print a line for each step: "ok" or "failed", the step, its result
 * Return: true if every step was ok.
 */
bool rehearse(struct plan *p, struct output *o);

#endif
