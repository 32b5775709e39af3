/* SPDX-License-Identifier: Apache-2.0 */
/* What comes and goes on the host, and what the programs are told of it. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "trace.h"

/** follow_settings - hand what is known by now to the programs; Return: 0 or a negative errno */
int follow_settings(struct trace *t);

/** follow_earlier - read the connections that IPVS has already; after attaching, so that none is missed between */
void follow_earlier(struct trace *t);

/**
 * follow_ipvs - attach to ip_vs where it is there and was not, detach where it has gone
 * It may come later, go and come again: its functions are there to be probed only while it is.
 */
void follow_ipvs(struct trace *t);

/** follow_unseen - count the connections of IPVS that no program saw, where it can be known; last before detaching */
void follow_unseen(struct trace *t);

/** follow_kprobes - say so where somebody has switched all kprobes off, ours too, or on again */
void follow_kprobes(struct trace *t);

#endif
