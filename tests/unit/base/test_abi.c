/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the tool's own numbers and layouts for bpf(2) and perf_event_open(2) with those of the machine's headers. */
#include "../unit.h"

#include "base/abi.h"
#include "abi_facts.h"

#include <string.h>

#define PERF_ATTR_SIZE_VER0 sizeof(struct perf_event_attr)

static void same_as_system(void **state)
{
	const struct abi_fact ours[] = {
#include "abi_list.h"
	};
	const struct abi_fact *theirs;
	size_t n = abi_of_system(&theirs), differ = 0;

	(void)state;
	assert_int_equal(n, N_OF(ours));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(ours[i].what, theirs[i].what);
		if (ours[i].value == theirs[i].value && ours[i].size == theirs[i].size)
			continue;
		print_message("# %s: 0x%llx, %llu bytes; the machine has 0x%llx, %llu\n", ours[i].what,
			      (unsigned long long)ours[i].value, (unsigned long long)ours[i].size,
			      (unsigned long long)theirs[i].value, (unsigned long long)theirs[i].size);
		differ++;
	}
	assert_int_equal(differ, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
