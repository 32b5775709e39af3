/* SPDX-License-Identifier: Apache-2.0 */
/* Loads compiled programs and their maps into the kernel. */
#ifndef LOADER_H
#define LOADER_H

#include "bpf/hooks.h"
#include "build/object.h"
#include "probes/event.h"

#include <stdbool.h>
#include <stdint.h>

struct loaded {
	int map_fd[OBJECT_MAPS_MAX];
	int program_fd[HOOK_EVENTS];	/* -1: not loaded */
	uint32_t kern_version;		/* of the kernel headers; kernels before 5.0 compare it */
	int settings_fd, ports_fd, addresses_fd, entries_fd, closed_fd, services_fd, ending_fd, open_before_fd,
	    tallies_fd, buckets_fd, counts_fd, runs_fd, events_fd, forwarded_fd, closing_fd, fresh_fd;	/* also in map_fd */
	uint32_t tallies, buckets;	/* sizes of these maps in elements */
	bool no_lru;		/* map "entries" does not drop its oldest elements: before 4.10 */
};

/** Sizes, in elements, of the maps that depend on the host or the options. */
struct map_sizes {
	uint32_t conns;			/* connections tracked at a time */
	uint32_t open_before;		/* pre-existing connections that may count as open; 1 if nothing is counted */
	uint32_t paths;			/* connections of which rows wait; 1 if none does */
	uint32_t tallies, buckets;	/* for counting; 1 if nothing is counted */
	uint32_t cpus;
};

/**
 * loader_open - create the maps and load the programs of the chosen hooks
 * @l:      filled, on failure too; the caller calls loader_close()
 * @o:      from the compiler or the cache; not kept
 * @chosen: by enum hook_event; NULL: nothing to load
 * @errmsg:  one line, set on failure
 * Return: 0 or a negative errno of bpf(2).
 */
int loader_open(struct loaded *l, const struct object *o, const struct hook *const chosen[HOOK_EVENTS],
		const struct map_sizes *sizes, char *errmsg, size_t len);

/** loader_count - read one of the programs' own counters, see probes/event.h; Return: 0 or a negative errno */
int loader_count(const struct loaded *l, enum count_slot slot, uint64_t *n);

/** loader_close - close all descriptors; the kernel frees what nothing else holds */
void loader_close(struct loaded *l);

#endif
