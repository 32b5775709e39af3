/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets, percentiles and their error, lists of real servers, and the order by problems. */
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

/* Counts as the probes do. */
static void add(struct stats_real *r, unsigned kind, uint64_t us, uint64_t n)
{
	assert_int_equal(stats_add_times(r, kind, bucket_of(us), n), 0);
	if (kind >= STATS_STATE)
		return;
	r->sum_us[kind] += us * n;
	if (us > r->max_us[kind])
		r->max_us[kind] = us;
}

static uint64_t percentile(const struct stats_real *r, unsigned percent)
{
	const struct stats_histogram h = stats_histogram(r, STATS_CONNECT);

	return stats_percentile(&h, percent);
}

/* One value in its bucket, which could have a greater one too. */
static void percentiles_are_within_six_percent(void **state)
{
	double worst = 0;

	(void)state;
	for (uint64_t us = 0; us < LAST_LOW; us = next_value(us)) {
		const struct stats_bucket one = { .at = bucket_of(us), .n = 1 };
		const struct stats_histogram h = { .bucket = &one, .n = 1, .count = 1, .max_us = UINT64_MAX };
		double error = (double)stats_percentile(&h, 50) - (double)us;

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
		struct stats_real r = { .n = 0 };

		add(&r, STATS_CONNECT, us, 3);
		assert_int_equal(percentile(&r, 50), us);
		assert_int_equal(percentile(&r, 99), us);
		free(r.bucket);
	}
}

static void percentiles_by_rank(void **state)
{
	struct stats_real r = { .n = 0 };

	(void)state;
	assert_int_equal(percentile(&r, 50), 0);
	for (uint64_t us = 10; us > 0; us--)
		add(&r, STATS_CONNECT, us, 10);
	assert_int_equal(percentile(&r, 1), 1);
	assert_int_equal(percentile(&r, 10), 1);
	assert_int_equal(percentile(&r, 11), 2);
	assert_int_equal(percentile(&r, 50), 5);
	assert_int_equal(percentile(&r, 51), 6);
	assert_int_equal(percentile(&r, 90), 9);
	assert_int_equal(percentile(&r, 99), 10);
	assert_int_equal(percentile(&r, 100), 10);
	free(r.bucket);
}

static void no_percentile_is_above_the_greatest(void **state)
{
	struct stats_real r = { .n = 0 };

	(void)state;
	add(&r, STATS_CONNECT, 1024, 99);	/* to 1151: the middle is 1084 */
	add(&r, STATS_CONNECT, 1030, 1);
	assert_int_equal(percentile(&r, 99), 1030);
	free(r.bucket);
}

static void great_counts_do_not_overflow(void **state)
{
	static const struct stats_bucket two[] = { { .at = 3, .n = (1ULL << 48) - 1 }, { .at = 5, .n = (1ULL << 48) - 1 } };
	const struct stats_histogram h = { .bucket = two, .n = 2, .count = 2 * ((1ULL << 48) - 1), .max_us = 5 };

	(void)state;
	assert_int_equal(stats_percentile(&h, 50), 3);
	assert_int_equal(stats_percentile(&h, 51), 5);
	assert_int_equal(stats_percentile(&h, 99), 5);
}

/* Each kind of times is a part of one list, wherever it is added. */
static void kinds_are_apart(void **state)
{
	static const unsigned kinds[] = { STATS_STATE + STATS_STATES - 1, STATS_CONNECT, STATS_STATE, STATS_LIFE };
	struct stats_real r = { .n = 0 };

	(void)state;
	for (unsigned i = 0; i < N_OF(kinds); i++)
		assert_int_equal(stats_histogram(&r, kinds[i]).count, 0);
	for (unsigned i = 0; i < N_OF(kinds); i++) {
		assert_int_equal(stats_add_times(&r, kinds[i], STATS_BUCKETS - 1, 1), 0);
		assert_int_equal(stats_add_times(&r, kinds[i], 0, i + 1), 0);
		assert_int_equal(stats_add_times(&r, kinds[i], STATS_BUCKETS - 1, 1), 0);
	}
	for (unsigned i = 0; i < N_OF(kinds); i++) {
		const struct stats_histogram h = stats_histogram(&r, kinds[i]);

		assert_int_equal(h.n, 2);
		assert_int_equal(h.count, i + 3);
		assert_int_equal(stats_number(&h.bucket[0]), 0);
		assert_int_equal(h.bucket[0].n, i + 1);
		assert_int_equal(stats_number(&h.bucket[1]), STATS_BUCKETS - 1);
		assert_int_equal(h.max_us, LAST_LOW);
	}
	assert_int_equal(stats_histogram(&r, STATS_STATE + 1).n, 0);
	free(r.bucket);
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
	a.source = STATS_IPVS;	/* after all sockets of its service, before the next service */
	assert_true(stats_order(&c, &a) < 0);
	assert_true(stats_order(&a, &d) < 0);
}

/* What comes from sockets and what comes from IPVS is never added up: neither a real server nor a service. */
static void sources_stay_apart(void **state)
{
	const struct stats_real one = real(1, 1);
	struct stats s = { .n = 0 }, sum = { .n = 0 };
	struct stats_ranking ranking;

	(void)state;
	stats_get(&s, STATS_SOCKETS, &one.vip, &one.real)->counter[STATS_CONNECTS] = 2;
	stats_get(&s, STATS_IPVS, &one.vip, &one.real)->counter[STATS_CONNECTS] = 5;
	assert_int_equal(stats_add_all(&sum, &s), 0);
	assert_int_equal(stats_add_all(&sum, &s), 0);
	assert_int_equal(stats_rank(&ranking, &sum), 0);
	assert_int_equal(ranking.n, 2);
	for (size_t i = 0; i < 2; i++) {
		bool ipvs = ranking.service[i].total.source == STATS_IPVS;

		assert_int_equal(ranking.service[i].n, 1);
		assert_int_equal(ranking.service[i].total.counter[STATS_CONNECTS], ipvs ? 10 : 4);
		assert_int_equal(ranking.order[ranking.service[i].first]->source, ranking.service[i].total.source);
	}
	stats_ranking_free(&ranking);
	stats_free(&s);
	stats_free(&sum);
}

static struct stats_real *get(struct stats *s, uint8_t vip, uint8_t last)
{
	const struct stats_real wanted = real(vip, last);
	struct stats_real *r = stats_get(s, STATS_SOCKETS, &wanted.vip, &wanted.real);

	assert_non_null(r);
	return r;
}

/* In whatever order real servers are added, each is there once, at its place, and does not move in memory. */
static void lists_are_sorted(void **state)
{
	struct stats_real *r[16][16];
	struct stats s = { .n = 0 };

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		unsigned at = i * 77 % 256;

		r[at / 16][at % 16] = get(&s, (uint8_t)(at / 16), (uint8_t)(at % 16));
	}
	assert_int_equal(s.n, 256);
	for (unsigned i = 0; i < 256; i++) {
		const struct stats_real wanted = real((uint8_t)(i / 16), (uint8_t)(i % 16)), none = real(16, (uint8_t)i);

		assert_ptr_equal(s.real[i], r[i / 16][i % 16]);
		assert_int_equal(stats_order(s.real[i], &wanted), 0);
		assert_ptr_equal(get(&s, (uint8_t)(i / 16), (uint8_t)(i % 16)), s.real[i]);
		assert_ptr_equal(stats_find(&s, STATS_SOCKETS, &wanted.vip, &wanted.real), s.real[i]);
		assert_null(stats_find(&s, STATS_SOCKETS, &none.vip, &none.real));
		assert_null(stats_find(&s, STATS_IPVS, &wanted.vip, &wanted.real));
	}
	assert_int_equal(s.n, 256);
	stats_free(&s);
	assert_int_equal(s.n, 0);
	assert_null(stats_find(&s, STATS_SOCKETS, &(struct endpoint){ .family = 0 }, &(struct endpoint){ .family = 0 }));
}

/* What is counted in parts is the same as what is counted at once. */
static void parts_add_up(void **state)
{
	struct stats parts[3] = { { .n = 0 } }, sum = { .n = 0 };
	const struct stats_real *r;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		for (int k = 0; k < STATS_COUNTERS; k++)
			get(&parts[i], 1, 1)->counter[k] = (uint64_t)(10 * i) + (uint64_t)k;
		get(&parts[i], 1, 1)->open = i == 2 ? -2 : 1;
		add(get(&parts[i], 1, 1), STATS_CONNECT, 100 * (i + 1), 4);
		add(get(&parts[i], 1, 1), STATS_LIFE, 5000, i);
		add(get(&parts[i], (uint8_t)(i + 2), 1), STATS_STATE + 4, 7, 1);
		assert_int_equal(stats_add_all(&sum, &parts[i]), 0);
		stats_free(&parts[i]);
	}
	assert_int_equal(sum.n, 4);
	r = get(&sum, 1, 1);
	for (int k = 0; k < STATS_COUNTERS; k++)
		assert_int_equal(r->counter[k], 30 + 3 * k);
	assert_int_equal(r->open, 0);
	assert_int_equal(stats_histogram(r, STATS_CONNECT).count, 12);
	assert_int_equal(stats_histogram(r, STATS_CONNECT).n, 3);
	assert_int_equal(stats_histogram(r, STATS_CONNECT).sum_us, 2400);
	assert_int_equal(stats_histogram(r, STATS_CONNECT).max_us, 300);
	assert_int_equal(stats_histogram(r, STATS_LIFE).count, 3);
	assert_int_equal(stats_histogram(r, STATS_LIFE).n, 1);
	assert_int_equal(stats_histogram(get(&sum, 4, 1), STATS_STATE + 4).count, 1);
	stats_free(&sum);
}

/* After a table, only what is open stays. */
static void restarted(void **state)
{
	struct stats s = { .n = 0 };
	struct stats_ranking ranking;

	(void)state;
	get(&s, 1, 1)->counter[STATS_CONNECTS] = 3;
	get(&s, 1, 2)->counter[STATS_RESETS] = 3;
	get(&s, 1, 2)->open = 2;
	add(get(&s, 1, 2), STATS_CONNECT, 500, 1);
	get(&s, 1, 3)->open = -1;
	stats_restart(&s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.real[0]->real.addr[15], 2);
	assert_int_equal(s.real[0]->open, 2);
	assert_int_equal(s.real[0]->counter[STATS_RESETS], 0);
	assert_int_equal(stats_histogram(s.real[0], STATS_CONNECT).count, 0);
	assert_int_equal(stats_histogram(s.real[0], STATS_CONNECT).max_us, 0);
	add(s.real[0], STATS_CONNECT, 7, 1);
	assert_int_equal(stats_histogram(s.real[0], STATS_CONNECT).max_us, 7);	/* not that of before */
	s.real[0]->open = 0;
	stats_restart(&s);
	assert_int_equal(s.n, 0);
	assert_int_equal(stats_rank(&ranking, &s), 0);
	assert_int_equal(ranking.n, 0);
	stats_ranking_free(&ranking);
	stats_free(&s);
}

static void idle_ones(void **state)
{
	struct stats_real r = { .open = -1 };

	(void)state;
	assert_true(stats_idle(&r));
	assert_int_equal(stats_open(&r), 0);
	r.open = 1;
	assert_false(stats_idle(&r));
	r.open = 0;
	add(&r, STATS_STATE + 1, 200, 1);
	assert_false(stats_idle(&r));
	free(r.bucket);
}

static void worst_first(void **state)
{
	struct stats s = { .n = 0 };
	struct stats_real *fine = get(&s, 1, 1), *slow = get(&s, 1, 2), *refusing = get(&s, 1, 3), *without = get(&s, 2, 0);
	struct stats_ranking r;

	(void)state;
	get(&s, 1, 4);		/* idle */
	get(&s, 3, 1);		/* idle */
	get(&s, 4, 1)->open = 1;
	fine->counter[STATS_CONNECTS] = fine->counter[STATS_ESTABLISHED] = 100;
	slow->counter[STATS_CONNECTS] = slow->counter[STATS_ESTABLISHED] = 10;
	refusing->counter[STATS_CONNECTS] = refusing->counter[STATS_REFUSED] = 2;
	without->counter[STATS_CONNECTS] = without->counter[STATS_NO_DESTINATION] = 5;
	add(fine, STATS_CONNECT, 100, 100);
	add(slow, STATS_CONNECT, 90000, 10);
	assert_int_equal(stats_rank(&r, &s), 0);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.service[0].total.vip.addr[15], 2);
	assert_int_equal(r.service[1].total.vip.addr[15], 1);
	assert_int_equal(r.service[2].total.vip.addr[15], 4);
	assert_int_equal(r.service[1].n, 3);
	assert_ptr_equal(r.order[r.service[1].first], refusing);
	assert_ptr_equal(r.order[r.service[1].first + 1], slow);
	assert_ptr_equal(r.order[r.service[1].first + 2], fine);
	assert_int_equal(r.service[1].total.counter[STATS_CONNECTS], 112);
	assert_int_equal(stats_histogram(&r.service[1].total, STATS_CONNECT).count, 110);
	assert_int_equal(stats_histogram(&r.service[1].total, STATS_CONNECT).max_us, 90000);
	assert_int_equal(r.service[2].total.open, 1);
	stats_ranking_free(&r);
	stats_free(&s);
}

static void each_trouble_counts(void **state)
{
	static const enum stats_counter troubles[] = {
		STATS_REFUSED, STATS_TIMED_OUT, STATS_UNREACHABLE, STATS_ABORTED, STATS_NO_DESTINATION,
		STATS_FAILED, STATS_SYN_RETRANSMITS, STATS_RESETS,
	};

	(void)state;
	for (size_t i = 0; i < N_OF(troubles); i++) {
		struct stats s = { .n = 0 };
		struct stats_ranking r;

		get(&s, 1, 1)->counter[STATS_CONNECTS] = 9;
		get(&s, 1, 2)->counter[troubles[i]] = 1;
		assert_int_equal(stats_rank(&r, &s), 0);
		assert_ptr_equal(r.order[0], get(&s, 1, 2));
		stats_ranking_free(&r);
		stats_free(&s);
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
		cmocka_unit_test(kinds_are_apart),
		cmocka_unit_test(order_is_by_service_then_server),
		cmocka_unit_test(sources_stay_apart),
		cmocka_unit_test(lists_are_sorted),
		cmocka_unit_test(parts_add_up),
		cmocka_unit_test(restarted),
		cmocka_unit_test(idle_ones),
		cmocka_unit_test(worst_first),
		cmocka_unit_test(each_trouble_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
