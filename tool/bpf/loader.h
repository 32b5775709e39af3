/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs and their maps into the kernel. */
#ifndef LOADER_H
#define LOADER_H

#include "bpf/hooks.h"
#include "build/object.h"
#include "probes/event.h"

#include <stdbool.h>
#include <stdint.h>

struct loaded {
	int map_fd[OBJECT_MAPS_MAX];
	int program_fd[HOOK_FACTS];	/* -1: not loaded */
	bool counts_runs[HOOK_FACTS];	/* the program does; see missed_runs() */
	uint32_t kern_version;		/* of the headers; the kernel compares it before 5.0 */
	int settings_fd, ports_fd, addresses_fd, entries_fd, closed_fd, services_fd, ending_fd, open_before_fd,
	    tallies_fd, buckets_fd, counts_fd, runs_fd, events_fd;	/* also in map_fd */
	bool keeps_oldest;		/* "entries" does not drop its oldest elements: before 4.10 */
};

/** Entries of maps that depend on the host. */
struct map_sizes {
	uint32_t conns;			/* connections that are tracked at a time */
	uint32_t open_before;		/* those from before the start that may be counted as open; 1 where nothing is counted */
	uint32_t tallies, buckets;	/* of counting; 1 where nothing is counted */
	uint32_t cpus;
};

/**
 * loader_open - make the maps and load the programs of the chosen hooks
 * @l:      filled; on failure too: loader_close() it
 * @o:      from compiler or cache; not kept
 * @chosen: by fact; NULL: nothing to load
 * @cause:  one line, set on failure
 * Return: 0 or a negative errno of bpf(2).
 */
int loader_open(struct loaded *l, const struct object *o, const struct hook *const chosen[HOOK_FACTS],
		const struct map_sizes *sizes, char *cause, size_t len);

/** loader_count - one of the programs' own counts, see probes/event.h; Return: 0 or a negative errno */
int loader_count(const struct loaded *l, enum count_slot slot, uint64_t *n);

/** loader_close - close all; the kernel frees what nothing else holds */
void loader_close(struct loaded *l);

#endif
