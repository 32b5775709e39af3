/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hidden --rehearse, for tests: compiles every text in every variant and lets
 * the kernel's verifier judge every program, whatever this host would choose.
 * Nothing is attached, so that it runs where tracing does not.
 */
#ifndef REHEARSE_H
#define REHEARSE_H

#include "output/output.h"
#include "trace/plan.h"

/**
 * rehearse - a line for each step: "ok" or "failed", what, and how it went
 * Return: whether every step went well.
 */
bool rehearse(struct plan *p, struct output *o);

#endif
