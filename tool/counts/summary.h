/* SPDX-License-Identifier: Apache-2.0 */
/* Reads from the maps what the programs have counted. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "ipvs/ipvs.h"
#include "bpf/loader.h"
#include "counts/stats.h"

#include <stdbool.h>

/** A virtual service with a real server, and their pre-existing open connections. */
struct summary_pair {
	struct endpoint vip, real;
	uint64_t open;
};

struct summary {
	struct summary_pair *pair;	/* sorted */
	size_t n, size;
	bool states;			/* read the times in each state too */
};

/**
 * summary_expect - make room for the counts of a pre-existing connection of IPVS
 * For connections that the programs see begin, the programs do this.
 * Return: 0 or a negative errno.
 */
int summary_expect(struct summary *s, const struct loaded *l, const struct ipvs_entry *e);

/** summary_open - count such a connection as open: the programs will see its end; called after summary_expect() */
void summary_open(struct summary *s, const struct ipvs_entry *e);

/**
 * summary_read - read everything that was counted since the start
 * @out: filled on 0; the caller calls stats_free()
 * The programs count meanwhile: what is read first is older than what is read last.
 * Return: 0 or a negative errno.
 */
int summary_read(const struct summary *s, const struct loaded *l, struct stats *out);

void summary_close(struct summary *s);

#endif
