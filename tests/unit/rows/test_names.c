/* SPDX-License-Identifier: Apache-2.0 */
/* Files of names: what counts, what is refused and where, and that a bad file changes nothing. */
#include "../unit.h"

#include "../endpoint.h"
#include "rows/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct endpoint ipv6(uint8_t last, uint16_t port)
{
	return (struct endpoint){ .addr = { 0xfd, [15] = last }, .port = port, .family = AF_INET6 };
}

static const char *find(const struct names *n, struct endpoint e)
{
	return names_find(n, &e);
}

static int add(struct names *n, const char *text)
{
	char errmsg[384] = "";
	int err = names_add_text(n, "file", text, strlen(text), errmsg, sizeof(errmsg));

	assert_true(!err == !*errmsg);
	return err;
}

static void lines(void **state)
{
	struct names n = { .n = 0 };

	(void)state;
	assert_int_equal(add(&n, "# a comment\n\n  \t \n"
				 "10.0.0.1 all alias-1 alias-2\n"
				 "10.0.0.1:80\tport-80# no blank before it\n"
				 " \t10.0.0.2:81   only-81 # one\n"
				 "fd00::1 six\n"
				 "[fd00::1]:443 six-443\n"
				 "[fd00::2] brackets\n"
				 "::ffff:10.0.0.3 mapped\n"
				 "10.0.0.1 second\n"		/* the first line counts */
				 "10.0.0.4 no-end"), 0);
	assert_int_equal(n.n, 8);
	assert_string_equal(find(&n, ipv4(1, 80)), "port-80");
	assert_string_equal(find(&n, ipv4(1, 81)), "all");
	assert_string_equal(find(&n, ipv4(2, 81)), "only-81");
	assert_null(find(&n, ipv4(2, 80)));
	assert_string_equal(find(&n, ipv6(1, 443)), "six-443");
	assert_string_equal(find(&n, ipv6(1, 80)), "six");
	assert_string_equal(find(&n, ipv6(2, 9)), "brackets");
	assert_string_equal(find(&n, ipv4(3, 1)), "mapped");
	assert_string_equal(find(&n, ipv4(4, 1)), "no-end");
	assert_null(find(&n, ipv4(5, 1)));
	assert_null(find(&n, (struct endpoint){ .family = 0 }));
	assert_null(find(NULL, ipv4(1, 80)));
	names_free(&n);
	assert_null(find(&n, ipv4(1, 80)));
}

/* An IPv4 address in an IPv6 socket has the same name. */
static void family_does_not_matter(void **state)
{
	struct names n = { .n = 0 };
	struct endpoint e = ipv4(1, 80);

	(void)state;
	assert_int_equal(add(&n, "10.0.0.1 web"), 0);
	e.family = AF_INET6;
	assert_string_equal(names_find(&n, &e), "web");
	names_free(&n);
}

#define CHECK_REFUSED(text_, message)								\
	do {											\
		struct names n = { .n = 0 };							\
		static const char bytes[] = text_;						\
		char errmsg[384] = "";								\
												\
		assert_int_equal(names_add_text(&n, "dir/file", bytes, sizeof(bytes) - 1, errmsg, sizeof(errmsg)), -EINVAL);	\
		assert_string_equal(errmsg, "dir/file:" message);				\
		names_free(&n);									\
	} while (0)

#define HOW "; give lines of ADDR[:PORT] NAME"
#define HOW_6 HOW ", [ADDR]:PORT for IPv6"

static void refused(void **state)
{
	(void)state;
	CHECK_REFUSED("web 10.0.0.1\n", "1: 'web': not an address" HOW_6);
	CHECK_REFUSED("10.0.0.1 a\n#\n10.0.0.300 b\n", "3: '10.0.0.300': not an address" HOW_6);
	CHECK_REFUSED("10.0.0.1:0 a", "1: '10.0.0.1:0': not an address" HOW_6);
	CHECK_REFUSED("[fd00::1 a", "1: '[fd00::1': not an address" HOW_6);
	CHECK_REFUSED("10.0.0.1\n", "1: no name after '10.0.0.1'" HOW);
	CHECK_REFUSED("10.0.0.1 # web\n", "1: no name after '10.0.0.1'" HOW);
	CHECK_REFUSED("10.0.0.1 a\033[2J\n", "1: byte 0x1b, which is no visible ASCII character; leave it out");
	CHECK_REFUSED("10.0.0.1 a\r\n", "1: byte 0x0d, which is no visible ASCII character; leave it out");
	CHECK_REFUSED("10.0.0.1\0x a\n", "1: byte 0x00, which is no visible ASCII character; leave it out");
	CHECK_REFUSED("10.0.0.1 \xc3\xa4\n", "1: byte 0xc3, which is no visible ASCII character; leave it out");
	CHECK_REFUSED("10.0.0.1 a\"b\n", "1: '\"' in a name; leave it out");
	CHECK_REFUSED("10.0.0.1 a b,c\n", "1: ',' in a name; leave it out");
	CHECK_REFUSED("10.0.0.1 a\\\n", "1: '\\' in a name; leave it out");
	CHECK_REFUSED("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b",
		      "1: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa': not an address" HOW_6);
}

static void longest_name(void **state)
{
	struct names n = { .n = 0 };
	char line[400], errmsg[384];

	(void)state;
	snprintf(line, sizeof(line), "10.0.0.1 %0*d", NAMES_LEN_MAX, 0);
	assert_int_equal(names_add_text(&n, "f", line, strlen(line), errmsg, sizeof(errmsg)), 0);
	assert_int_equal(strlen(find(&n, ipv4(1, 1))), NAMES_LEN_MAX);
	snprintf(line, sizeof(line), "10.0.0.2 %0*d", NAMES_LEN_MAX + 1, 0);
	assert_int_equal(names_add_text(&n, "f", line, strlen(line), errmsg, sizeof(errmsg)), -EINVAL);
	assert_string_equal(errmsg, "f:1: a name of 254 characters; give at most 253");
	names_free(&n);
}

/* As many as there may be, each with its own name; one more is refused. */
static void as_many_as_there_is_room(void **state)
{
	struct names n = { .n = 0 };
	char *text = malloc(NAMES_MAX * 32), *at = text, errmsg[384], name[32];

	(void)state;
	assert_non_null(text);
	for (uint32_t i = 0; i < NAMES_MAX; i++)
		at += sprintf(at, "10.%u.%u.%u:%u n%u\n", i / 2 >> 16, (i / 2 >> 8) & 255, (i / 2) & 255, i % 2 + 1, i);
	assert_int_equal(names_add_text(&n, "f", text, (size_t)(at - text), errmsg, sizeof(errmsg)), 0);
	assert_int_equal(n.n, NAMES_MAX);
	for (uint32_t i = 0; i < NAMES_MAX; i++) {
		sprintf(name, "n%u", i);
		assert_string_equal(find(&n, ipv4(i / 2, (uint16_t)(i % 2 + 1))), name);
	}
	assert_null(find(&n, ipv4(0, 3)));
	assert_int_equal(names_add_text(&n, "f", "1.1.1.1 x", 9, errmsg, sizeof(errmsg)), -EINVAL);
	assert_string_equal(errmsg, "f:1: more than 262144 names; give fewer");
	names_free(&n);
	free(text);
}

/* ---- files */

static char dir[] = "/tmp/test_names.XXXXXX";
static char one[64], two[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_names.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(one, sizeof(one), "%s/one", dir);
	snprintf(two, sizeof(two), "%s/two", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(one);
	unlink(two);
	return rmdir(dir);
}

static void write_file(const char *path, const char *text)
{
	FILE *to = fopen(path, "w");

	assert_non_null(to);
	fputs(text, to);
	fclose(to);
}

/* In two files the first one counts; a bad one changes nothing; what is gone from a file has no name any more. */
static void files_again(void **state)
{
	const char *const paths[] = { one, two };
	struct names n = { .n = 0 };
	char errmsg[384], expected[384];

	(void)state;
	write_file(one, "10.0.0.1 a\n");
	write_file(two, "10.0.0.1 b\n10.0.0.2 c\n");
	assert_int_equal(names_read(&n, paths, 2, false, errmsg, sizeof(errmsg)), 0);
	assert_string_equal(find(&n, ipv4(1, 1)), "a");
	assert_string_equal(find(&n, ipv4(2, 1)), "c");
	write_file(two, "10.0.0.2 d\n10.0.0.3\n");
	assert_int_equal(names_read(&n, paths, 2, true, errmsg, sizeof(errmsg)), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:2: no name after '10.0.0.3'" HOW, two);
	assert_string_equal(errmsg, expected);
	assert_string_equal(find(&n, ipv4(2, 1)), "c");
	unlink(two);
	assert_int_equal(names_read(&n, paths, 2, true, errmsg, sizeof(errmsg)), -ENOENT);
	snprintf(expected, sizeof(expected), "cannot read names from %s: No such file or directory", two);
	assert_string_equal(errmsg, expected);
	assert_string_equal(find(&n, ipv4(2, 1)), "c");
	write_file(two, "");
	assert_int_equal(names_read(&n, paths, 2, true, errmsg, sizeof(errmsg)), 0);
	assert_null(find(&n, ipv4(2, 1)));
	assert_string_equal(find(&n, ipv4(1, 1)), "a");
	names_free(&n);
}

static void no_file_of_names(void **state)
{
	const char *const pipe_path[] = { one }, *const folder[] = { dir }, *const endless[] = { "/dev/zero" };
	struct names n = { .n = 0 };
	char errmsg[384], expected[384];

	(void)state;
	assert_int_equal(mkfifo(one, 0600), 0);
	assert_int_equal(names_read(&n, pipe_path, 1, true, errmsg, sizeof(errmsg)), -EINVAL);	/* does not wait for a writer */
	snprintf(expected, sizeof(expected), "cannot read names from %s again: it is no regular file", one);
	assert_string_equal(errmsg, expected);
	assert_int_equal(names_read(&n, folder, 1, false, errmsg, sizeof(errmsg)), -EISDIR);
	assert_int_equal(names_read(&n, endless, 1, false, errmsg, sizeof(errmsg)), -EFBIG);
	assert_string_equal(errmsg, "cannot read names from /dev/zero: more than 32 MiB; give fewer names");
	names_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(family_does_not_matter),
		cmocka_unit_test(refused),
		cmocka_unit_test(longest_name),
		cmocka_unit_test(as_many_as_there_is_room),
		cmocka_unit_test_setup_teardown(files_again, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(no_file_of_names, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
