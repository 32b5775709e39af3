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

#define STATS_STATES 16		/* numbers of TCP states (include/net/tcp_states.h) are below it */

enum stats_times {
	STATS_CONNECT,			/* SYN_SENT to ESTABLISHED */
	STATS_LIFE,			/* ESTABLISHED to CLOSE */
	STATS_STATE			/* plus a state: times that sockets spent in it; only if requested */
};

/** A bucket that is not empty. Most are, so each real server has a sorted list of the others. */
struct stats_bucket {
	uint64_t at : 16;		/* enum stats_times * STATS_BUCKETS, plus the number of the bucket */
	uint64_t n : 48;
};

/** The times of one kind of a real server: a part of its list. */
struct stats_histogram {
	const struct stats_bucket *bucket;
	size_t n;
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

enum stats_source {
	STATS_SOCKETS,			/* sockets of this host */
	STATS_IPVS,			/* with --director, entries of IPVS */
	STATS_SERVER,			/* with --server, connections without a socket: three counters, no real server, no times */
	STATS_SOURCES
};

/** One real server of one virtual service. */
struct stats_real {
	struct endpoint vip;
	struct endpoint real;		/* family 0: IPVS had no real server, or it is not known */
	enum stats_source source;
	uint64_t counter[STATS_COUNTERS];
	int64_t open;			/* established less ended; pre-existing connections too */
	uint64_t sum_us[STATS_STATE], max_us[STATS_STATE];	/* by enum stats_times, not of states */
	struct stats_bucket *bucket;
	unsigned n, size;
	uint64_t counted_ns;		/* for the owner: CLOCK_MONOTONIC of the last count */
	bool chosen;			/* for the owner */
};

/** A list of them. */
struct stats {
	struct stats_real **real;	/* sorted by stats_order(); each differs */
	size_t n, size;
};

/** stats_find - find a real server of a virtual service; Return: it, or NULL if @s has none with these addresses from @source */
struct stats_real *stats_find(const struct stats *s, enum stats_source source, const struct endpoint *vip,
			      const struct endpoint *real);

/**
 * stats_get - find a real server of a virtual service in @s, or add it without counts
 * Return: it, owned by @s; NULL: out of memory.
 */
struct stats_real *stats_get(struct stats *s, enum stats_source source, const struct endpoint *vip,
			     const struct endpoint *real);

/** stats_keep - remove from @s each real server for which @keep returns false; @keep may change it, but not its addresses */
void stats_keep(struct stats *s, bool (*keep)(void *cookie, struct stats_real *r), void *cookie);

/** stats_restart - set all counts to 0; what has connections open stays, the rest is removed */
void stats_restart(struct stats *s);

/** stats_free - remove all */
void stats_free(struct stats *s);

/** stats_bucket_low, stats_bucket_high - the least and the greatest value of a bucket, in microseconds */
uint64_t stats_bucket_low(unsigned bucket);
uint64_t stats_bucket_high(unsigned bucket);

/** stats_number - the number of a bucket, below STATS_BUCKETS */
static inline unsigned stats_number(const struct stats_bucket *b)
{
	return b->at % STATS_BUCKETS;
}

/** stats_open - the number of open connections */
static inline uint64_t stats_open(const struct stats_real *r)
{
	return r->open > 0 ? (uint64_t)r->open : 0;
}

/**
 * stats_histogram - the times of a kind
 * @kind: enum stats_times
 * Return: valid until counts are added to @r.
 */
struct stats_histogram stats_histogram(const struct stats_real *r, unsigned kind);

/** stats_add_times - add @n times in bucket @bucket of @kind; Return: 0 or -ENOMEM */
int stats_add_times(struct stats_real *r, unsigned kind, unsigned bucket, uint64_t n);

/**
 * stats_percentile - the value that @percent of a hundred values do not exceed, in microseconds
 * Return: at most 5.9 % away from the exact value; 0 if there are no values.
 */
uint64_t stats_percentile(const struct stats_histogram *h, unsigned percent);

/** stats_order - compare by virtual service, source, real server; endpoints by address, then port; family 0 is first;
 * Return: negative, 0 or positive, as for qsort() */
int stats_order(const struct stats_real *a, const struct stats_real *b);

/** stats_add - add the counts and times of @from; @to keeps its addresses and ports; Return: 0 or -ENOMEM */
int stats_add(struct stats_real *to, const struct stats_real *from);

/** stats_add_all - add those of each real server; Return: 0 or -ENOMEM */
int stats_add_all(struct stats *to, const struct stats *from);

/** stats_failed - how many connects failed, for any reason */
uint64_t stats_failed(const struct stats_real *r);

/** stats_idle - true if there is nothing to print */
bool stats_idle(const struct stats_real *r);

/** A virtual service from one source. Its real servers that are not idle are order[first] to order[first + n - 1]. */
struct stats_service {
	struct stats_real total;	/* of its real servers; total.real has family 0 */
	size_t first, n;
};

struct stats_ranking {
	struct stats_service *service;	/* worst first */
	size_t n;
	const struct stats_real **order;	/* worst first within a service; not owned */
};

/**
 * stats_rank - rank services and real servers, worst first: most failed connects, SYN retransmits and resets in sum;
 * then the highest 99th percentile of the connect time; then stats_order()
 * @r: filled, on failure too; the caller calls stats_ranking_free() before @s changes
 * Return: 0 or -ENOMEM
 */
int stats_rank(struct stats_ranking *r, const struct stats *s);
void stats_ranking_free(struct stats_ranking *r);

#endif
