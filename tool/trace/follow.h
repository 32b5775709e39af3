/* SPDX-License-Identifier: Apache-2.0 */
/* What comes and goes on the host, and what the programs are told of it. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "trace/trace.h"

/** follow_settings - hand what is known by now to the programs; Return: 0 or a negative errno */
int follow_settings(struct trace *t);

/** follow_mirror - read the connections that IPVS has already; after attaching, so that none is missed between */
void follow_mirror(struct trace *t);

/**
 * follow_ipvs - attach to ip_vs where it is there and was not, detach where it has gone
 * It may come later, go and come again: its functions are there to be probed only while it is.
 */
void follow_ipvs(struct trace *t);

/**
 * follow_unseen - count the connections of IPVS that no program saw, where it can be known; last before detaching
 * Reads IPVS's table again where there were some, so that their later rows are right.
 */
void follow_unseen(struct trace *t);

/** follow_entries - say so, once, where IPVS has more connections than find room; make room where the kernel does not */
void follow_entries(struct trace *t);

/** follow_kprobes - say so where somebody has switched all kprobes off, ours too, or on again */
void follow_kprobes(struct trace *t);

#endif
