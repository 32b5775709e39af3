/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs and their maps into the kernel. */
#ifndef LOADER_H
#define LOADER_H

#include "hooks.h"
#include "ipvs.h"
#include "layout.h"
#include "losses.h"
#include "object.h"
#include "options.h"

#include <stdbool.h>
#include <stdint.h>

struct loaded {
	int map_fd[OBJECT_MAPS_MAX];
	int program_fd[HOOK_FACTS];	/* -1: not loaded */
	bool counts_runs[HOOK_FACTS];	/* the program does; see loader_runs() */
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

/**
 * loader_set - give the programs what the options ask for, and what is known of the kernel's layout
 * @connects: tcp_connect() is probed
 * @ipvs:     so is ip_vs_conn_new(), or was
 * @adopt:    as loader_add_entry() has made it; 0: no socket from before the start is IPVS's
 * Return: 0 or a negative errno.
 */
int loader_set(const struct loaded *l, const struct options *o, const struct layout *layout,
	       bool connects, bool ipvs, uint64_t adopt);

/** loader_counts_taken - whether loader_set() with this @layout lets the programs count what IPVS takes */
bool loader_counts_taken(const struct layout *layout);

/** loader_taken - how many connections the programs saw IPVS take in this process's network namespace */
uint64_t loader_taken(const struct loaded *l);

/**
 * loader_add_entry - mirror a connection that IPVS had already; one that is there stays as it is
 * @adopt: a bit for the port of its service is added; loader_set() is to come
 * Return: 0; -EEXIST: it is there; -E2BIG: there is no more room; or another negative errno.
 */
int loader_add_entry(const struct loaded *l, const struct ipvs_entry *e, uint64_t *adopt);

/** loader_count_entries - @more were added by loader_add_entry(), for loader_entries() */
void loader_count_entries(const struct loaded *l, uint64_t more);

/** loader_add_service - IPVS serves the virtual service of this connection */
void loader_add_service(const struct loaded *l, const struct ipvs_entry *e);

/** loader_entries - how many connections of IPVS there are, as far as the programs and loader_add_entry() know */
uint64_t loader_entries(const struct loaded *l);

/** loader_forget_entries - ip_vs has gone, with all its connections */
void loader_forget_entries(const struct loaded *l);

/** loader_sweep - make room in maps that keep their oldest elements, by removing those that have ended */
void loader_sweep(const struct loaded *l);

/**
 * loader_mark_open, loader_unmark_open - a connection from before the start is counted as open, until its socket ends
 * Return: 0 or a negative errno; loader_unmark_open(): -ENOENT where the programs have seen its end.
 */
int loader_mark_open(const struct loaded *l, const struct ipvs_entry *e);
int loader_unmark_open(const struct loaded *l, const struct ipvs_entry *e);

/** loader_set_filters - fill the filters by port and by address, once; Return: 0 or a negative errno */
int loader_set_filters(const struct loaded *l, const struct options *o);

/**
 * loader_runs - how often the program of @fact has run, on all CPUs; 0 where it does not count that (see NAMED_KPROBES
 * in probes/common.bpf.h)
 */
uint64_t loader_runs(const struct loaded *l, enum hook_fact fact);

/**
 * loader_losses - what has been lost so far
 * @skipped: by fact, how often its program was skipped as far as attach_skipped() knows
 * @unseen: connections that IPVS has taken and its program has not seen, for whatever reason
 * The kernel runs no program of a kind inside another on the same CPU, so that an interrupt may bring an event that none
 * sees. From 6.7 on it counts them (on raw tracepoints from 6.2 on, before that it skips none there), for all sockets, also
 * those that are filtered out; the programs count the sockets whose state is not the one that was seen last. Of two counts
 * of the same events the larger is taken, and what different hooks have missed is added up.
 * Return: 0 or a negative errno
 * Source: trace_call_bpf(), kernel/trace/bpf_trace.c; bpf_prog_show_fdinfo(), kernel/bpf/syscall.c
 */
int loader_losses(const struct loaded *l, const uint64_t skipped[HOOK_FACTS], uint64_t unseen,
		  struct losses *lost);

/** loader_close - close all; the kernel frees what nothing else holds */
void loader_close(struct loaded *l);

#endif
