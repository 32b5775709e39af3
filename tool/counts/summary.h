/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs have counted, out of their maps. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "ipvs/ipvs.h"
#include "bpf/loader.h"
#include "counts/stats.h"

#include <stdbool.h>

/** A virtual service with a real server, and its connections that were open before the start. */
struct summary_pair {
	struct endpoint vip, real;
	uint64_t open;
};

struct summary {
	struct summary_pair *pair;	/* sorted */
	size_t n, size;
	bool states;			/* the times in each state too */
};

/**
 * summary_expect - IPVS has a connection from before the start: make room for its counts, which the programs do
 * for those that they see begin
 * Return: 0 or a negative errno.
 */
int summary_expect(struct summary *s, const struct loaded *l, const struct ipvs_entry *e);

/** summary_open - such a connection is open, and the programs will see its end; after summary_expect() */
void summary_open(struct summary *s, const struct ipvs_entry *e);

/**
 * summary_read - all that was counted since the start
 * @out: filled on 0; stats_free() it
 * Counting goes on meanwhile: what is read first is older than what is read last.
 * Return: 0 or a negative errno.
 */
int summary_read(const struct summary *s, const struct loaded *l, struct stats *out);

void summary_close(struct summary *s);

#endif
