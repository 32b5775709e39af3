/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets, percentiles and their error, differences, and the order by problems. */
#include "../unit.h"

#include "../endpoint.h"
#include "counts/stats.h"

#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "probes/event.h"
/* Needs event.h before it. */
#include "probes/bucket.h"

#define LAST_LOW (15ULL << 38)

/* Returns the next value to test: all below 2^16, then some of each bucket. */
static uint64_t next_value(uint64_t us)
{
	return us < 65536 ? us + 1 : us + us / 1021 + 1;
}

static void buckets_are_without_gaps(void **state)
{
	(void)state;
	assert_int_equal(stats_bucket_low(0), 0);
	for (unsigned i = 0; i < STATS_BUCKETS - 1; i++) {
		assert_true(stats_bucket_low(i) <= stats_bucket_high(i));
		assert_int_equal(stats_bucket_high(i) + 1, stats_bucket_low(i + 1));
	}
	assert_int_equal(stats_bucket_low(STATS_BUCKETS - 1), LAST_LOW);
	assert_int_equal(stats_bucket_high(STATS_BUCKETS - 1), UINT64_MAX);
}

/* The buckets that the probes choose must match the tool's. */
static void values_are_in_their_bucket(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		assert_int_equal(bucket_of(stats_bucket_low(i)), i);
	for (unsigned i = 0; i < STATS_BUCKETS - 1; i++)
		assert_int_equal(bucket_of(stats_bucket_high(i)), i);
	for (uint64_t us = 0; us < LAST_LOW; us = next_value(us)) {
		unsigned i = bucket_of(us);

		assert_in_range(us, stats_bucket_low(i), stats_bucket_high(i));
	}
	assert_int_equal(bucket_of(1ULL << 62), STATS_BUCKETS - 1);
	assert_int_equal(bucket_of((1ULL << 63) - 1), STATS_BUCKETS - 1);
}

static void add(struct stats_histogram *h, uint64_t us, uint64_t n)
{
	h->bucket[bucket_of(us)] += n;
	h->count += n;
	h->sum_us += us * n;
	if (us > h->max_us)
		h->max_us = us;
}

/* One value in its bucket, which could have a greater one too. */
static void percentiles_are_within_six_percent(void **state)
{
	double worst = 0;

	(void)state;
	for (uint64_t us = 0; us < LAST_LOW; us = next_value(us)) {
		struct stats_histogram h = { .count = 1, .max_us = UINT64_MAX };
		double error;

		h.bucket[bucket_of(us)] = 1;
		error = (double)stats_percentile(&h, 50) - (double)us;
		if (error < 0)
			error = -error;
		assert_true(error <= 0.059 * (double)us);
		if (us && error / (double)us > worst)
			worst = error / (double)us;
	}
	assert_true(worst > 0.055);	/* else the documented bound is too wide */
}

static void small_values_are_exact(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < 16; us++) {
		struct stats_histogram h = { .count = 0 };

		add(&h, us, 3);
		assert_int_equal(stats_percentile(&h, 50), us);
		assert_int_equal(stats_percentile(&h, 99), us);
	}
}

static void percentiles_by_rank(void **state)
{
	struct stats_histogram h = { .count = 0 };

	(void)state;
	assert_int_equal(stats_percentile(&h, 50), 0);
	for (uint64_t us = 1; us <= 10; us++)
		add(&h, us, 10);
	assert_int_equal(stats_percentile(&h, 1), 1);
	assert_int_equal(stats_percentile(&h, 10), 1);
	assert_int_equal(stats_percentile(&h, 11), 2);
	assert_int_equal(stats_percentile(&h, 50), 5);
	assert_int_equal(stats_percentile(&h, 51), 6);
	assert_int_equal(stats_percentile(&h, 90), 9);
	assert_int_equal(stats_percentile(&h, 99), 10);
	assert_int_equal(stats_percentile(&h, 100), 10);
}

static void no_percentile_is_above_the_greatest(void **state)
{
	struct stats_histogram h = { .count = 0 };

	(void)state;
	add(&h, 1024, 99);	/* to 1151: the middle is 1084 */
	add(&h, 1030, 1);
	assert_int_equal(stats_percentile(&h, 99), 1030);
}

static void great_counts_do_not_overflow(void **state)
{
	struct stats_histogram h = { .count = 0 };

	(void)state;
	h.bucket[3] = h.bucket[5] = UINT64_MAX / 2;
	h.count = UINT64_MAX - 1;
	h.max_us = 5;
	assert_int_equal(stats_percentile(&h, 50), 3);
	assert_int_equal(stats_percentile(&h, 51), 5);
	assert_int_equal(stats_percentile(&h, 99), 5);
}

static struct stats_real real(uint8_t vip, uint8_t last)
{
	struct stats_real r;

	memset(&r, 0, sizeof(r));
	r.vip = ipv4(vip, 80);
	if (last)
		r.real = ipv4(last, 8080);
	return r;
}

static void order_is_by_service_then_server(void **state)
{
	struct stats_real a = real(1, 0), b = real(1, 1), c = real(1, 2), d = real(2, 0);

	(void)state;
	assert_true(stats_order(&a, &b) < 0);
	assert_true(stats_order(&b, &c) < 0);
	assert_true(stats_order(&c, &d) < 0);
	assert_true(stats_order(&d, &a) > 0);
	assert_int_equal(stats_order(&b, &b), 0);
	c = b;
	c.real.port = 8081;
	assert_true(stats_order(&b, &c) < 0);
}

static void differences(void **state)
{
	struct stats_real old[] = { real(1, 1), real(2, 1) }, fresh[] = { real(1, 1), real(1, 2), real(2, 1) };
	struct stats before = { .real = old, .n = 2 }, now = { .real = fresh, .n = 3 }, diff;

	(void)state;
	for (int i = 0; i < STATS_COUNTERS; i++) {
		old[0].counter[i] = 10;
		fresh[0].counter[i] = 10 + (uint64_t)i;
		fresh[1].counter[i] = 7;
	}
	old[0].open = 5;
	fresh[0].open = 3;
	add(&old[0].connect, 100, 4);
	add(&old[0].connect, 5000, 1);
	add(&fresh[0].connect, 100, 9);
	add(&fresh[0].connect, 5000, 1);
	add(&old[1].life, 100, 4);
	add(&fresh[2].life, 100, 4);
	add(&fresh[2].life, 777, 2);
	assert_int_equal(stats_since(&diff, &now, &before), 0);
	assert_int_equal(diff.n, 3);
	for (int i = 0; i < STATS_COUNTERS; i++) {
		assert_int_equal(diff.real[0].counter[i], i);
		assert_int_equal(diff.real[1].counter[i], 7);
		assert_int_equal(diff.real[2].counter[i], 0);
	}
	assert_int_equal(diff.real[0].open, 3);
	assert_int_equal(diff.real[0].connect.count, 5);
	assert_int_equal(diff.real[0].connect.sum_us, 500);
	assert_int_equal(diff.real[0].connect.max_us, 103);	/* the bucket's upper bound: 5000 was before */
	assert_int_equal(diff.real[2].life.count, 2);
	assert_int_equal(diff.real[2].life.max_us, 777);
	stats_free(&diff);
	assert_null(diff.real);
}

/* Includes a real server that is new between two others, and one that only has times of states. */
static void differences_of_states(void **state)
{
	struct stats_real old[] = { real(1, 1), real(2, 1) }, fresh[] = { real(1, 1), real(1, 2), real(2, 1) };
	struct stats_histogram times[5 * STATS_STATES];
	struct stats before = { .real = old, .n = 2, .state = times };
	struct stats now = { .real = fresh, .n = 3, .state = times + 2 * STATS_STATES }, diff;

	(void)state;
	memset(times, 0, sizeof(times));
	add(stats_state(&before, &old[1], 4), 100, 3);
	add(stats_state(&now, &fresh[2], 4), 100, 5);
	add(stats_state(&now, &fresh[1], 1), 200, 1);
	old[1].changes = 3;
	fresh[2].changes = 5;
	fresh[1].changes = 1;
	assert_int_equal(stats_since(&diff, &now, &before), 0);
	assert_int_equal(stats_state(&diff, &diff.real[0], 4)->count, 0);
	assert_int_equal(stats_state(&diff, &diff.real[2], 4)->count, 2);
	assert_int_equal(stats_state(&diff, &diff.real[1], 1)->count, 1);
	assert_true(stats_idle(&diff.real[0]));
	assert_false(stats_idle(&diff.real[1]));
	assert_int_equal(diff.real[2].changes, 2);
	assert_int_equal(stats_state(&now, &fresh[2], 4)->count, 5);
	stats_free(&diff);
	assert_null(diff.state);
}

static void nothing_at_all(void **state)
{
	struct stats none = { .n = 0 }, diff;
	struct stats_ranking ranking;

	(void)state;
	assert_int_equal(stats_since(&diff, &none, &none), 0);
	assert_int_equal(diff.n, 0);
	assert_int_equal(stats_rank(&ranking, &diff), 0);
	assert_int_equal(ranking.n, 0);
	stats_ranking_free(&ranking);
	stats_free(&diff);
}

static void worst_first(void **state)
{
	struct stats_real all[] = {
		real(1, 1),	/* fine */
		real(1, 2),	/* fine, and slow */
		real(1, 3),	/* two refused */
		real(1, 4),	/* idle */
		real(2, 0),	/* five without a destination */
		real(3, 1),	/* idle */
		real(4, 1),	/* open only */
	};
	struct stats s = { .real = all, .n = N_OF(all) };
	struct stats_ranking r;

	(void)state;
	all[0].counter[STATS_CONNECTS] = all[0].counter[STATS_ESTABLISHED] = 100;
	all[1].counter[STATS_CONNECTS] = all[1].counter[STATS_ESTABLISHED] = 10;
	all[2].counter[STATS_CONNECTS] = all[2].counter[STATS_REFUSED] = 2;
	all[4].counter[STATS_CONNECTS] = all[4].counter[STATS_NO_DESTINATION] = 5;
	all[6].open = 1;
	add(&all[0].connect, 100, 100);
	add(&all[1].connect, 90000, 10);
	assert_int_equal(stats_rank(&r, &s), 0);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.service[0].total.vip.addr[15], 2);
	assert_int_equal(r.service[1].total.vip.addr[15], 1);
	assert_int_equal(r.service[2].total.vip.addr[15], 4);
	assert_int_equal(r.service[1].n, 3);
	assert_int_equal(r.order[r.service[1].first], 2);
	assert_int_equal(r.order[r.service[1].first + 1], 1);
	assert_int_equal(r.order[r.service[1].first + 2], 0);
	assert_int_equal(r.service[1].total.counter[STATS_CONNECTS], 112);
	assert_int_equal(r.service[1].total.connect.count, 110);
	assert_int_equal(r.service[1].total.connect.max_us, 90000);
	assert_int_equal(r.service[2].total.open, 1);
	stats_ranking_free(&r);
}

static void each_trouble_counts(void **state)
{
	static const enum stats_counter troubles[] = {
		STATS_REFUSED, STATS_TIMED_OUT, STATS_UNREACHABLE, STATS_ABORTED, STATS_NO_DESTINATION,
		STATS_FAILED, STATS_SYN_RETRANSMITS, STATS_RESETS,
	};

	(void)state;
	for (size_t i = 0; i < N_OF(troubles); i++) {
		struct stats_real all[] = { real(1, 1), real(1, 2) };
		struct stats s = { .real = all, .n = 2 };
		struct stats_ranking r;

		all[0].counter[STATS_CONNECTS] = 9;
		all[1].counter[troubles[i]] = 1;
		assert_int_equal(stats_rank(&r, &s), 0);
		assert_int_equal(r.order[0], 1);
		stats_ranking_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_are_without_gaps),
		cmocka_unit_test(values_are_in_their_bucket),
		cmocka_unit_test(percentiles_are_within_six_percent),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(percentiles_by_rank),
		cmocka_unit_test(no_percentile_is_above_the_greatest),
		cmocka_unit_test(great_counts_do_not_overflow),
		cmocka_unit_test(order_is_by_service_then_server),
		cmocka_unit_test(differences),
		cmocka_unit_test(differences_of_states),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(worst_first),
		cmocka_unit_test(each_trouble_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
