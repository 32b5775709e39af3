/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of tracepoints, in format files of real kernels and in broken files. */
#include "../unit.h"
#include "base/file.h"

#include "build/format.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expected {
	const char *name;
	unsigned offset, size;
};

static void check_file(const char *name, const struct expected *fields, size_t n)
{
	char path[128], *text;

	snprintf(path, sizeof(path), "tests/unit/formats/%s", name);
	text = file_read(path);
	assert_non_null(text);
	for (size_t i = 0; i < n; i++) {
		struct format_field f = { 0 };

		assert_int_equal(format_find(text, fields[i].name, &f), 0);
		assert_int_equal(f.offset, fields[i].offset);
		assert_int_equal(f.size, fields[i].size);
	}
	free(text);
}

static void state_before_5_6(void **state)
{
	static const struct expected fields[] = {
		{ "common_type", 0, 2 }, { "common_pid", 4, 4 }, { "skaddr", 8, 8 },
		{ "oldstate", 16, 4 },	 { "newstate", 20, 4 },	 { "sport", 24, 2 },
		{ "dport", 26, 2 },	 { "family", 28, 2 },	 { "protocol", 30, 1 },
		{ "saddr", 31, 4 },	 { "daddr", 35, 4 },	 { "saddr_v6", 39, 16 },
		{ "daddr_v6", 55, 16 },
	};

	(void)state;
	check_file("inet_sock_set_state-4.18.0", fields, N_OF(fields));
	check_file("inet_sock_set_state-5.4.59", fields, N_OF(fields));
}

static void state_since_5_6(void **state)
{
	static const struct expected fields[] = {
		{ "skaddr", 8, 8 },	{ "oldstate", 16, 4 },	{ "newstate", 20, 4 },
		{ "sport", 24, 2 },	{ "dport", 26, 2 },	{ "protocol", 30, 2 },
		{ "saddr", 32, 4 },	{ "daddr", 36, 4 },	{ "saddr_v6", 40, 16 },
		{ "daddr_v6", 56, 16 },
	};

	(void)state;
	check_file("inet_sock_set_state-6.18", fields, N_OF(fields));
}

static void retransmit_moves(void **state)
{
	static const struct expected v4_15[] = {
		{ "skbaddr", 8, 8 }, { "skaddr", 16, 8 }, { "sport", 24, 2 }, { "daddr_v6", 52, 16 },
	};
	static const struct expected v5_4[] = {
		{ "skaddr", 16, 8 }, { "state", 24, 4 }, { "sport", 28, 2 }, { "daddr_v6", 56, 16 },
	};
	static const struct expected v6_18[] = {
		{ "skaddr", 16, 8 }, { "state", 24, 4 }, { "family", 32, 2 }, { "saddr", 34, 4 },
		{ "err", 76, 4 },
	};

	(void)state;
	check_file("tcp_retransmit_skb-4.15.0", v4_15, N_OF(v4_15));
	check_file("tcp_retransmit_skb-5.4.59", v5_4, N_OF(v5_4));
	check_file("tcp_retransmit_skb-6.18", v6_18, N_OF(v6_18));
}

static const char two_fields[] =
	"name: t\nID: 1\nformat:\n"
	"\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:const void *skbaddr;\toffset:16;\tsize:8;\tsigned:0;\n"
	"\tfield:__u8 saddr_v6[16];\toffset:24;\tsize:16;\tsigned:0;\n"
	"\nprint fmt: \"sk=%p daddr=%pI4\", REC->skaddr, REC->daddr\n";

/* After a failure the caller's struct is unchanged. */
static void check_failure(const char *text, const char *name, int err)
{
	struct format_field f = { 4711, 815 };

	assert_int_equal(format_find(text, name, &f), err);
	assert_int_equal(f.offset, 4711);
	assert_int_equal(f.size, 815);
}

static void absent_field(void **state)
{
	(void)state;
	check_failure(two_fields, "err", -ENOENT);
	check_failure("", "skaddr", -ENOENT);
	check_failure("field:", "skaddr", -ENOENT);
	check_failure("no such thing\n", "skaddr", -ENOENT);
}

static void name_matches_whole_word(void **state)
{
	struct format_field f;

	(void)state;
	check_failure(two_fields, "addr", -ENOENT);
	check_failure(two_fields, "saddr", -ENOENT);
	check_failure(two_fields, "saddr_v", -ENOENT);
	check_failure(two_fields, "addr_v6", -ENOENT);
	check_failure(two_fields, "void", -ENOENT);
	/* print fmt mentions it, but it is not a field. */
	check_failure(two_fields, "daddr", -ENOENT);
	assert_int_equal(format_find(two_fields, "skbaddr", &f), 0);
	assert_int_equal(f.offset, 16);
}

static void line_not_understood(void **state)
{
	(void)state;
	check_failure("\tfield:int a;\tsize:4;\n", "a", -EINVAL);
	check_failure("\tfield:int a;\toffset:8;\n", "a", -EINVAL);
	check_failure("\tfield:int a;\toffset:;\tsize:4;\n", "a", -EINVAL);
	check_failure("\tfield:int a;\toffset:-8;\tsize:4;\n", "a", -EINVAL);
	check_failure("\tfield:int a;\toffset:0x8;\tsize:4;\n", "a", -EINVAL);
	check_failure("\tfield:int a;\toffset:8\tsize:4\n", "a", -EINVAL);
	check_failure("\tfield:int a;\toffset:4097;\tsize:4;\n", "a", -EINVAL);
	check_failure("\tfield:int a;\toffset:99999999999999999999;\tsize:4;\n", "a", -EINVAL);
	/* Numbers on the next line do not belong to this field. */
	check_failure("\tfield:int a;\n\tfield:int b;\toffset:8;\tsize:4;\n", "a", -EINVAL);
	check_failure("\tfield:int a", "a", -ENOENT);
}

static void last_line_without_newline(void **state)
{
	struct format_field f;

	(void)state;
	assert_int_equal(format_find("\tfield:int a;\toffset:8;\tsize:4;", "a", &f), 0);
	assert_int_equal(f.offset, 8);
	assert_int_equal(f.size, 4);
}

/* sched_process_exec has "__data_loc char[] filename" */
static void array_in_the_type(void **state)
{
	struct format_field f;

	(void)state;
	assert_int_equal(format_find("\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\n",
				     "filename", &f), 0);
	assert_int_equal(f.offset, 8);
	assert_int_equal(f.size, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_before_5_6),
		cmocka_unit_test(state_since_5_6),
		cmocka_unit_test(retransmit_moves),
		cmocka_unit_test(absent_field),
		cmocka_unit_test(name_matches_whole_word),
		cmocka_unit_test(line_not_understood),
		cmocka_unit_test(last_line_without_newline),
		cmocka_unit_test(array_in_the_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
