/* SPDX-License-Identifier: Apache-2.0 */
/* What IPVS has already, into map "entries", where the programs keep what IPVS makes from then on. */
#ifndef MIRROR_H
#define MIRROR_H

#include "bpf/loader.h"
#include "counts/summary.h"

#include <stdint.h>

/**
 * mirror_read - add the connections that the map lacks; says so where it cannot read them, or not all find room
 * @o: where procfs is, how many find room, and which are counted
 * @summary: counts them as open where their socket is established on this host; NULL: nothing is counted
 * @adopt: bits are added for the programs, see settings_set()
 * @set: called with @cookie once @adopt is complete, to give it to the programs: before anything is counted as open
 * Return: how long it took, in ns.
 */
uint64_t mirror_read(const struct loaded *l, const struct options *o, struct summary *summary, uint64_t *adopt,
		     void (*set)(void *cookie), void *cookie);

#endif
