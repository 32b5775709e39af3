/* SPDX-License-Identifier: Apache-2.0 */
/* Watches what may change on the host: module ip_vs, its connections, kprobes. Called about once a second. */
#ifndef WATCH_H
#define WATCH_H

#include "counts/summary.h"
#include "ipvs/unseen.h"
#include "trace/kernel.h"

struct watch {
	struct kernel *kernel;
	struct summary *summary;	/* counts pre-existing connections; NULL: nothing is counted */
	void (*meanwhile)(void *cookie); /* called every few ms while IPVS's table is read */
	void *cookie;
	struct unseen unseen;		/* connections that IPVS counted and our probe missed */
	uint64_t ipvs;			/* the ip_vs that is probed: a number from host_ipvs() */
	bool mirror_stale;		/* a connection was missed: IPVS's table must be read again */
	uint64_t unread;		/* connections that could not be read from IPVS's table: the most at a time */
	uint64_t mirror_after_ns;	/* earliest time to read it again, CLOCK_MONOTONIC */
	bool warned_entries;		/* warned that IPVS has more connections than the map has room for */
	bool warned_rate;		/* warned that packets come fast for a program that runs for each */
	bool kprobes_off;		/* at the last check; see host_kprobes_off() */
};

/** watch_begin - read IPVS's pre-existing connections; called after all is attached, so that none is missed */
void watch_begin(struct watch *w);

/**
 * watch_ipvs - attach to ip_vs if it was loaded, detach if it was unloaded
 * The module may be loaded later, unloaded and loaded again. Its functions can be probed only while it is loaded.
 * @running: tracing has begun, so a change is reported
 */
void watch_ipvs(struct watch *w, bool running);

/**
 * watch_unseen - count IPVS's connections that our probe missed, if that can be known; called once more before detaching
 * Reads IPVS's table again if there were any, so that their later rows are right.
 */
void watch_unseen(struct watch *w);

/** watch_entries - warn once if IPVS has more connections than there is room for; make room if the kernel does not */
void watch_entries(struct watch *w);

/** watch_rate - offer --director=ends once if packets come fast; reads nothing without --director */
void watch_rate(struct watch *w);

/** watch_kprobes - report if all kprobes, ours too, were switched off or on again */
void watch_kprobes(struct watch *w);

#endif
