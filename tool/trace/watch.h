/* SPDX-License-Identifier: Apache-2.0 */
/* What comes and goes on the host: module ip_vs, its connections, kprobes. Looked at about once a second. */
#ifndef WATCH_H
#define WATCH_H

#include "counts/summary.h"
#include "ipvs/unseen.h"
#include "trace/kernel.h"

struct watch {
	struct kernel *kernel;
	struct summary *summary;	/* counts connections from before the start; NULL: nothing is counted */
	struct unseen unseen;		/* connections that IPVS took and no program saw */
	uint64_t ipvs;			/* the ip_vs that is probed, as host_ipvs() tells */
	bool mirror_stale;		/* something was not seen, so IPVS's table is to be read again */
	uint64_t mirror_after_ns;	/* the table may be read again from then on */
	bool told_entries;		/* that IPVS has more connections than find room */
	bool kprobes_off;		/* at the last look; see host_kprobes_off() */
};

/** watch_begin - read the connections that IPVS has already; once all is attached, so that none is missed between */
void watch_begin(struct watch *w);

/**
 * watch_ipvs - attach to ip_vs if it has come, detach if it has gone
 * It may come later, go and come again: its functions are there to be probed only while it is.
 * @running: tracing has begun, so that it is news
 */
void watch_ipvs(struct watch *w, bool running);

/**
 * watch_unseen - count the connections of IPVS that no program saw, where it can be known; last before detaching
 * Reads IPVS's table again where there were some, so that their later rows are right.
 */
void watch_unseen(struct watch *w);

/** watch_entries - say so, once, where IPVS has more connections than find room; make room where the kernel does not */
void watch_entries(struct watch *w);

/** watch_kprobes - say so where somebody has switched all kprobes off, ours too, or on again */
void watch_kprobes(struct watch *w);

#endif
