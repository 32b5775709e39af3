/* SPDX-License-Identifier: Apache-2.0 */
/* The time of day of events, while the wall clock is stepped and the host sleeps. */
#include "../unit.h"

#include "base/clock.h"

#define SECOND 1000000000ULL
#define HOUR (3600 * SECOND)
#define START (1600000000ULL * SECOND)	/* 2020-09-13 12:26:40 UTC */

/* Looks at @mono_ns, when the wall clock is @real_ns, in @took_ns. */
static bool look(struct wall_clock *w, uint64_t mono_ns, uint64_t real_ns, uint64_t took_ns)
{
	return wall_clock_update(w, mono_ns - took_ns / 2, real_ns, mono_ns + took_ns - took_ns / 2);
}

/* Checks the time of day at @ts_ns, relative to START, within @slack_ns. */
static void check_at(const struct wall_clock *w, uint64_t ts_ns, int64_t expected_ns, int64_t slack_ns)
{
	int64_t found = wall_clock_ns(w, ts_ns) - (int64_t)START;

	if (found < expected_ns - slack_ns || found > expected_ns + slack_ns)
		fail_msg("at %llu: %lld, not %lld", (unsigned long long)ts_ns, (long long)found, (long long)expected_ns);
}

static void steady(void **state)
{
	struct wall_clock w = { 0 };
	int64_t first;

	(void)state;
	assert_false(look(&w, 100 * SECOND, START + 100 * SECOND, 100));
	first = w.realtime_ns;
	for (uint64_t s = 101; s < 200; s++) {	/* the thread may lose its CPU between two clocks */
		assert_false(wall_clock_update(&w, s * SECOND, START + s * SECOND + s % 7 * 10000000,
					       s * SECOND + s % 7 * 10000000 + s % 3 * 5000000));
		assert_true(w.realtime_ns == first);
	}
	check_at(&w, 100 * SECOND, (int64_t)(100 * SECOND), 0);
	check_at(&w, 1, 1, 0);
}

/* An event from before the last look has the time of day that the host had then. */
static void stepped(void **state)
{
	static const int64_t steps[] = { 2 * (int64_t)HOUR, -2 * (int64_t)HOUR, 10000, -10000 };

	(void)state;
	for (size_t i = 0; i < N_OF(steps); i++) {
		struct wall_clock w = { 0 };

		assert_false(look(&w, 100 * SECOND, START + 100 * SECOND, 100));
		assert_false(look(&w, 101 * SECOND, START + 101 * SECOND, 100));
		assert_true(look(&w, 102 * SECOND, START + 102 * SECOND + (uint64_t)steps[i], 100));
		check_at(&w, 101 * SECOND - 100, (int64_t)(101 * SECOND) - 100, 0);
		check_at(&w, 101 * SECOND, (int64_t)(101 * SECOND) + steps[i], 0);
		check_at(&w, 103 * SECOND, (int64_t)(103 * SECOND) + steps[i], 0);
		assert_false(look(&w, 103 * SECOND, START + 103 * SECOND + (uint64_t)steps[i], 100));
		assert_true(look(&w, 104 * SECOND, START + 104 * SECOND, 100));	/* and back */
		check_at(&w, 103 * SECOND - 100, (int64_t)(103 * SECOND) + steps[i] - 100, 0);
		check_at(&w, 104 * SECOND, (int64_t)(104 * SECOND), 0);
	}
}

/* The host sleeps for eight hours: CLOCK_MONOTONIC stands still meanwhile. */
static void asleep(void **state)
{
	struct wall_clock w = { 0 };

	(void)state;
	assert_false(look(&w, 100 * SECOND, START + 100 * SECOND, 100));
	assert_true(look(&w, 100 * SECOND + 50000000, START + 8 * HOUR + 100 * SECOND + 50000000, 100));
	check_at(&w, 100 * SECOND - 1000, (int64_t)(100 * SECOND) - 1000, 0);
	check_at(&w, 101 * SECOND, (int64_t)(8 * HOUR + 101 * SECOND), 0);
}

/* The first look took long, so the difference is known only roughly; the next one knows better. */
static void first_look_was_slow(void **state)
{
	struct wall_clock w = { 0 };

	(void)state;
	assert_false(wall_clock_update(&w, 100 * SECOND, START + 100 * SECOND, 100 * SECOND + 80000000));
	check_at(&w, 101 * SECOND, (int64_t)(101 * SECOND), 80000000);
	assert_true(look(&w, 101 * SECOND, START + 101 * SECOND, 100));
	check_at(&w, 101 * SECOND, (int64_t)(101 * SECOND), 0);
}

/* The real clocks. */
static void now(void **state)
{
	struct wall_clock w = { 0 };
	int64_t before, after, found;

	(void)state;
	before = (int64_t)clock_ns(CLOCK_REALTIME);
	wall_clock_look(&w);
	found = wall_clock_ns(&w, clock_now_ns());
	after = (int64_t)clock_ns(CLOCK_REALTIME);
	assert_true(found >= before - 1000000000 && found <= after + 1000000000);
	assert_true(w.looked_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady),
		cmocka_unit_test(stepped),
		cmocka_unit_test(asleep),
		cmocka_unit_test(first_look_was_slow),
		cmocka_unit_test(now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
