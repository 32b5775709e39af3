/* SPDX-License-Identifier: Apache-2.0 */
/* Connects that may become certain after they were counted as uncertain. */
#include "../unit.h"

#include "bpf/missed.h"

#define SETTLES CLOSED_NS

/* The largest result is what the tool reports in the end, so none may be too large. */
static void lost_only_once_it_cannot_settle(void **state)
{
	struct missed m = { 0 };

	(void)state;
	assert_int_equal(missed_uncertain(&m, 0, 0, 100 * SETTLES, false), 0);
	assert_int_equal(missed_uncertain(&m, 3, 0, 101 * SETTLES, false), 0);
	assert_int_equal(missed_uncertain(&m, 3, 0, 102 * SETTLES, false), 0);
	assert_int_equal(missed_uncertain(&m, 3, 1, 102 * SETTLES + SETTLES / 2, false), 0);
	assert_int_equal(missed_uncertain(&m, 5, 1, 104 * SETTLES, false), 2);
	assert_int_equal(missed_uncertain(&m, 5, 3, 106 * SETTLES, false), 2);
}

static void looks_in_quick_succession_confirm_nothing(void **state)
{
	struct missed m = { 0 };

	(void)state;
	assert_int_equal(missed_uncertain(&m, 4, 0, 100 * SETTLES, false), 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(missed_uncertain(&m, 4, 0, 100 * SETTLES + i * SETTLES / 10, false), 0);
	assert_int_equal(missed_uncertain(&m, 4, 4, 101 * SETTLES + 1, false), 0);
}

static void nothing_settles_after_the_end(void **state)
{
	struct missed m = { 0 };

	(void)state;
	assert_int_equal(missed_uncertain(&m, 4, 1, 100 * SETTLES, false), 0);
	assert_int_equal(missed_uncertain(&m, 4, 1, 100 * SETTLES + 1, true), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_only_once_it_cannot_settle),
		cmocka_unit_test(looks_in_quick_succession_confirm_nothing),
		cmocka_unit_test(nothing_settles_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
