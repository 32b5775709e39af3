/* SPDX-License-Identifier: Apache-2.0 */
/* Counts for each virtual service and real server: everything that the printers of counts use. */
#ifndef STATS_H
#define STATS_H

#include "rows/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Log-linear buckets of microseconds: values below 8 have one each, then each power of two has 8 equal ones. The
 * middle of a bucket from a to b is 2ab / (a + b). It is at most 5.9 % away from any value in the bucket.
 */
#define STATS_BUCKETS 320	/* the last one begins at 15 * 2^38 us */

struct stats_histogram {
	uint64_t bucket[STATS_BUCKETS];
	uint64_t count, sum_us, max_us;
};

enum stats_counter {
	STATS_CONNECTS,			/* connects that began */
	STATS_ESTABLISHED,
	STATS_REFUSED,
	STATS_TIMED_OUT,
	STATS_UNREACHABLE,
	STATS_ABORTED,			/* given up by the program before the handshake was over */
	STATS_NO_DESTINATION,
	STATS_FAILED,			/* with another error */
	STATS_SYN_RETRANSMITS,
	STATS_RESETS,			/* after the handshake */
	STATS_COUNTERS
};

#define STATS_STATES 16		/* numbers of TCP states (include/net/tcp_states.h) are below it */

/** One real server of one virtual service; counts are since the start of tracing. */
struct stats_real {
	struct endpoint vip;
	struct endpoint real;		/* family 0: IPVS had no real server, or it is not known */
	uint64_t counter[STATS_COUNTERS];
	uint64_t open;			/* established now, pre-existing connections too */
	struct stats_histogram connect;	/* SYN_SENT to ESTABLISHED */
	struct stats_histogram life;	/* ESTABLISHED to CLOSE */
	uint64_t changes;		/* state changes that are in stats.state */
};

struct stats {
	struct stats_real *real;	/* sorted by stats_order() */
	size_t n;
	struct stats_histogram *state;	/* STATS_STATES for each real server, in their order: times that
					   sockets spent in a state they have left; NULL: not requested */
};

/** stats_state - histogram of the times in @state, below STATS_STATES, of a real server of @s; only if requested */
static inline struct stats_histogram *stats_state(const struct stats *s, const struct stats_real *r, unsigned state)
{
	return &s->state[(size_t)(r - s->real) * STATS_STATES + state];
}

void stats_free(struct stats *s);

/** stats_bucket_low, stats_bucket_high - the least and the greatest value of a bucket, in microseconds */
uint64_t stats_bucket_low(unsigned bucket);
uint64_t stats_bucket_high(unsigned bucket);

/**
 * stats_percentile - the value that @percent of a hundred values do not exceed, in microseconds
 * Return: at most 5.9 % away from the exact value; 0 if there are no values.
 */
uint64_t stats_percentile(const struct stats_histogram *h, unsigned percent);

/** stats_order_endpoints - compare by address, then port; an endpoint of family 0 is first */
int stats_order_endpoints(const struct endpoint *a, const struct endpoint *b);

/** stats_order - compare by virtual service, then real server; Return: negative, 0 or positive, as for qsort() */
int stats_order(const struct stats_real *a, const struct stats_real *b);

/** stats_add - add the counters and times of @from; @to keeps its addresses and ports */
void stats_add(struct stats_real *to, const struct stats_real *from);

/**
 * stats_since - compute what was counted after @before; open connections are as in @now
 * @diff: filled; the caller calls stats_free(). Its greatest time is exact if it is the greatest of all in @now, else
 *        the greatest value of its bucket.
 * Return: 0 or -ENOMEM
 */
int stats_since(struct stats *diff, const struct stats *now, const struct stats *before);

/** stats_failed - how many connects failed, for any reason */
uint64_t stats_failed(const struct stats_real *r);

/** stats_idle - true if there is nothing to print */
bool stats_idle(const struct stats_real *r);

/** A virtual service. Its real servers that are not idle are order[first] to order[first + n - 1]. */
struct stats_service {
	struct stats_real total;	/* of its real servers; total.real has family 0 */
	size_t first, n;
};

struct stats_ranking {
	struct stats_service *service;	/* worst first */
	size_t n;
	size_t *order;			/* indexes in stats.real, worst first within a service */
};

/**
 * stats_rank - rank services and real servers, worst first: most failed connects, SYN retransmits and resets in sum;
 * then the highest 99th percentile of the connect time; then stats_order()
 * @r: filled; the caller calls stats_ranking_free()
 * Return: 0 or -ENOMEM
 */
int stats_rank(struct stats_ranking *r, const struct stats *s);
void stats_ranking_free(struct stats_ranking *r);

#endif
