/* SPDX-License-Identifier: Apache-2.0 */
/* Copies IPVS's pre-existing connections into map "entries". The programs add those that IPVS creates later. */
#ifndef MIRROR_H
#define MIRROR_H

#include "bpf/loader.h"
#include "counts/summary.h"

#include <stdint.h>

/* What mirror_read() needs. */
struct mirror {
	const struct loaded *loaded;
	const struct options *options;	/* the path of procfs, the maximum number of connections, the filters for counting */
	struct summary *summary;	/* counts those as open whose socket is established here; NULL: nothing is counted */
	void (*set_adopt)(void *cookie, uint64_t adopt); /* called before anything is counted as open; see settings_set() */
	void (*meanwhile)(void *cookie); /* called every few ms */
	void *cookie;
};

#define MIRROR_MS 1000	/* a start takes less than two seconds, whatever IPVS has */
#define MIRROR_TIME "1 s"

/**
 * mirror_read - add the connections that the map lacks, as many as can be read in MIRROR_MS; warns if it cannot read them
 * @unread: the number that could not be read, for lack of time or room; it is raised, with a warning, but not lowered
 * Return: the time it took, in ns.
 */
uint64_t mirror_read(const struct mirror *m, uint64_t *unread);

#endif
