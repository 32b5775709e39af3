/* SPDX-License-Identifier: Apache-2.0 */
/* The size of perf buffers, on machines with small and large pages. */
#include "../unit.h"

#include "bpf/perfbuf.h"

static void sizes(void **state)
{
	static const struct {
		size_t asked, page, size;
	} cases[] = {
		{ 1 << 20, 4096, 1 << 20 }, { 1 << 20, 16384, 1 << 20 }, { 1 << 20, 65536, 1 << 20 },
		{ 4096, 4096, 4096 },	    { 4096, 65536, 65536 },	 { 64 << 20, 65536, 64 << 20 },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(cases); i++)
		assert_int_equal(perfbuf_size(cases[i].asked, cases[i].page), cases[i].size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
