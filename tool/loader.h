/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs and their maps into the kernel. */
#ifndef LOADER_H
#define LOADER_H

#include "hooks.h"
#include "ipvs.h"
#include "layout.h"
#include "object.h"
#include "options.h"

#include <stdbool.h>
#include <stdint.h>

struct loaded {
	int map_fd[OBJECT_MAPS_MAX];
	int program_fd[HOOK_FACTS];	/* -1: not loaded */
	bool counts_runs[HOOK_FACTS];	/* the program does; see loader_runs() */
	uint32_t kern_version;		/* of the headers; the kernel compares it before 5.0 */
	int settings_fd, ports_fd, ends_fd, earlier_fd, tuples_fd, tallies_fd, buckets_fd, counts_fd,
	    runs_fd, events_fd;		/* also in map_fd */
};

/** Entries of maps that depend on the host. */
struct map_sizes {
	uint32_t conns;			/* sockets that are followed at a time */
	uint32_t earlier;		/* connections that IPVS had before the start */
	uint32_t tallies, buckets;	/* of counting; 1 where nothing is counted */
	uint32_t cpus;
};

/**
 * loader_choose - fit compiled programs, which are for every run, to this one
 * @rows:   they are to send events
 * @counts: they are to count
 * Return: 0 or -ENOMEM.
 */
int loader_choose(struct object *o, bool rows, bool counts);

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

/**
 * loader_set - give the programs their filters and what is known of the kernel's layout
 * @connects: tcp_connect() is probed
 * @services: as loader_add_earlier() has made it; 0: no connections from before the start
 * Return: 0 or a negative errno.
 */
int loader_set(const struct loaded *l, const struct options *o, const struct layout *layout,
	       bool connects, uint64_t services);

/** loader_counts_taken - whether loader_set() with this @layout lets the programs count what IPVS takes */
bool loader_counts_taken(const struct layout *layout);

/** loader_taken - how many connections the programs saw IPVS take in this process's network namespace */
uint64_t loader_taken(const struct loaded *l);

/**
 * loader_add_earlier - a connection that IPVS had already; one that is there stays as it is
 * @services: a bit for the port of its service is added; loader_set() is to come
 * Return: 0 or a negative errno, -E2BIG where there is no more room.
 */
int loader_add_earlier(const struct loaded *l, const struct ipvs_entry *e, uint64_t *services);

/**
 * loader_open_earlier - note that such a connection is counted as open, so that its end will be counted too
 * Return: 0; -EEXIST: its socket was seen by the programs, which count it; -ENOENT: it is not there any more; or
 * another negative errno.
 */
int loader_open_earlier(const struct loaded *l, const struct ipvs_entry *e);

/** loader_set_filters - fill the filters by port and by address, once; Return: 0 or a negative errno */
int loader_set_filters(const struct loaded *l, const struct options *o);

struct losses {
	uint64_t buffer_full;		/* events that found no room in the perf buffer */
	uint64_t missed;		/* events that no program saw, one already running there */
	uint64_t reasons;		/* the same of what only gives a row its reason */
	uint64_t socks_full;		/* sockets not followed: map full */
	uint64_t tuples_full;		/* connects whose real server may be missing: map full */
	uint64_t tallies_full;		/* connections not counted: map full */
	uint64_t buckets_full;		/* times not counted: map full */
};

/**
 * loader_runs - how often the program of @fact has run, on all CPUs; 0 where it does not count that (see NAMED_KPROBES
 * and HIDDEN_SKIPS in probes/common.bpf.h)
 */
uint64_t loader_runs(const struct loaded *l, enum hook_fact fact);

/**
 * loader_losses - what has been lost so far
 * @skipped: by fact, how often its program was skipped as far as attach_skipped() knows
 * @unseen: connections that IPVS has taken and its program has not seen, for whatever reason
 * The kernel runs no program of a kind inside another on the same CPU, so that an interrupt may
 * bring an event that none sees. From 6.7 on it counts them (on raw tracepoints from 6.2 on, before that it skips none
 * there), for all sockets, also those that are filtered out; we count the sockets whose state is not the one we saw
 * last. The largest is taken. A kprobe that is hit in the course of another one runs no program, which is counted by the
 * kprobe.
 * Return: 0 or a negative errno
 * Source: trace_call_bpf(), kernel/trace/bpf_trace.c; bpf_prog_show_fdinfo(), kernel/bpf/syscall.c
 */
int loader_losses(const struct loaded *l, const uint64_t skipped[HOOK_FACTS], uint64_t unseen,
		  struct losses *lost);

/** loader_close - close all; the kernel frees what nothing else holds */
void loader_close(struct loaded *l);

#endif
