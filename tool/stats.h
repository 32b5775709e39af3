/* SPDX-License-Identifier: Apache-2.0 */
/* What was counted for each virtual service and real server: all that the printers of counts see. */
#ifndef STATS_H
#define STATS_H

#include "row.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Log-linear buckets of microseconds: values below 8 have one each, then 8 equal ones to each power of two. The
 * middle of a bucket, 2ab / (a + b) of its ends, is at most 5.9 % away from any value in it.
 */
#define STATS_BUCKETS 320	/* the last one begins at 15 * 2^39 us */

struct stats_histogram {
	uint64_t bucket[STATS_BUCKETS];
	uint64_t count, sum_us, max_us;
};

enum stats_counter {
	STATS_CONNECTS,			/* begun */
	STATS_ESTABLISHED,
	STATS_REFUSED,
	STATS_TIMED_OUT,
	STATS_UNREACHABLE,
	STATS_ABORTED,			/* given up by the program before the handshake was over */
	STATS_NO_DESTINATION,
	STATS_FAILED,			/* by another error */
	STATS_SYN_RETRANSMITS,
	STATS_RESETS,			/* after the handshake */
	STATS_COUNTERS
};

/** One real server of one virtual service; counts are since the start of tracing. */
struct stats_real {
	struct endpoint vip;
	struct endpoint real;		/* family 0: IPVS had no real server, or it is not known */
	uint64_t counter[STATS_COUNTERS];
	uint64_t open;			/* established now, those from before the start too */
	struct stats_histogram connect;	/* SYN_SENT to ESTABLISHED */
	struct stats_histogram life;	/* ESTABLISHED to CLOSE */
};

struct stats {
	struct stats_real *real;	/* sorted by virtual service, then real server */
	size_t n;
};

#endif
