/* SPDX-License-Identifier: Apache-2.0 */
/* Copies IPVS's pre-existing connections into map "entries". The programs add those that IPVS creates later. */
#ifndef MIRROR_H
#define MIRROR_H

#include "bpf/loader.h"
#include "counts/summary.h"

#include <stdint.h>

/**
 * mirror_read - add the connections that the map lacks; warns if it cannot read them or there is no room for all
 * @o: has the path of procfs, the maximum number of connections, and the filters for counting
 * @summary: counts those as open whose socket is established on this host; NULL: nothing is counted
 * @adopt: bits are added for the programs, see settings_set()
 * @set: called with @cookie when @adopt is complete, to give it to the programs before anything is counted as open
 * Return: the time it took, in ns.
 */
uint64_t mirror_read(const struct loaded *l, const struct options *o, struct summary *summary, uint64_t *adopt,
		     void (*set)(void *cookie), void *cookie);

#endif
