/* SPDX-License-Identifier: Apache-2.0 */
/* What was counted for each virtual service and real server: all that the printers of counts see. */
#ifndef STATS_H
#define STATS_H

#include "rows/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Log-linear buckets of microseconds: values below 8 have one each, then 8 equal ones to each power of two. The
 * middle of a bucket, 2ab / (a + b) of its ends, is at most 5.9 % away from any value in it.
 */
#define STATS_BUCKETS 320	/* the last one begins at 15 * 2^38 us */

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

#define STATS_STATES 16		/* numbers of TCP states, include/net/tcp_states.h, are below */

/** One real server of one virtual service; counts are since the start of tracing. */
struct stats_real {
	struct endpoint vip;
	struct endpoint real;		/* family 0: IPVS had no real server, or it is not known */
	uint64_t counter[STATS_COUNTERS];
	uint64_t open;			/* established now, those from before the start too */
	struct stats_histogram connect;	/* SYN_SENT to ESTABLISHED */
	struct stats_histogram life;	/* ESTABLISHED to CLOSE */
	uint64_t changes;		/* of state, that are in stats.state */
};

struct stats {
	struct stats_real *real;	/* sorted by stats_order() */
	size_t n;
	struct stats_histogram *state;	/* STATS_STATES for each real server in their order: of the times in that
					   state, of sockets that have left it; NULL: not asked for */
};

/** stats_state - the times of a real server of @s in a state, below STATS_STATES; only where they were asked for */
static inline struct stats_histogram *stats_state(const struct stats *s, const struct stats_real *r, unsigned state)
{
	return &s->state[(size_t)(r - s->real) * STATS_STATES + state];
}

void stats_free(struct stats *s);

/** stats_bucket_low, stats_bucket_high - the least and the greatest microseconds of a bucket */
uint64_t stats_bucket_low(unsigned bucket);
uint64_t stats_bucket_high(unsigned bucket);

/**
 * stats_percentile - the microseconds that so many of a hundred values do not exceed
 * Return: at most 5.9 % away from the value itself; 0 where there are no values.
 */
uint64_t stats_percentile(const struct stats_histogram *h, unsigned percent);

/** stats_order_endpoints - by address, then port; none is first */
int stats_order_endpoints(const struct endpoint *a, const struct endpoint *b);

/** stats_order - by virtual service, then real server; negative, 0 or positive as for qsort() */
int stats_order(const struct stats_real *a, const struct stats_real *b);

/** stats_add - sums of counters and times; @to keeps its ends */
void stats_add(struct stats_real *to, const struct stats_real *from);

/**
 * stats_since - what was counted after @before; what is open is as in @now
 * @diff: filled; stats_free() it. The greatest time is exact where it is the greatest of all, else its bucket's
 *        greatest.
 * Return: 0 or -ENOMEM
 */
int stats_since(struct stats *diff, const struct stats *now, const struct stats *before);

/** stats_failed - connects that came to nothing */
uint64_t stats_failed(const struct stats_real *r);

/** stats_idle - whether there is nothing to be said */
bool stats_idle(const struct stats_real *r);

/** A virtual service, those of its real servers that are not idle being order[first] and the @n - 1 after it. */
struct stats_service {
	struct stats_real total;	/* family 0 as real server */
	size_t first, n;
};

struct stats_ranking {
	struct stats_service *service;	/* worst first */
	size_t n;
	size_t *order;			/* indexes of stats.real, worst first within a service */
};

/**
 * stats_rank - services and real servers, worst first: most failed connects, SYN retransmits and resets together;
 * then the longest connect time, of 99 in a hundred; then stats_order()
 * @r: filled; stats_ranking_free() it
 * Return: 0 or -ENOMEM
 */
int stats_rank(struct stats_ranking *r, const struct stats *s);
void stats_ranking_free(struct stats_ranking *r);

#endif
