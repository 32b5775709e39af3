/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as fields of the journal: tcpstates' names and message, then our own. */
#include "../unit.h"

#include "../endpoint.h"
#include "output/output.h"
#include "output/output_journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESTABLISHED = 1, SYN_SENT, CLOSE = 7 };

#define ARROW "\xe2\x86\x92"

#define IPV6_LONG(port_) \
	{ .addr = { 0x20, 0x01, 0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, \
		    0x55, 0x66, 0x66 }, .port = (port_), .family = AF_INET6 }
#define LONG "2001:db8:1111:2222:3333:4444:5555:6666"

static const struct row refused = {
	.skaddr = 0xffff8f3a12345678, .span_ns = 12345678, .pid = 1234, .uid = 1000, .comm = "curl",
	.local = IPV4(10, 0, 0, 5, 45678), .remote = IPV4(10, 96, 0, 1, 80),
	.real = IPV4(10, 244, 1, 7, 8080), .oldstate = SYN_SENT, .newstate = CLOSE,
	.method = "masq", .reason = "refused",
};

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD "01234567-89ab-cdef-0123-456789abcdef"

static const struct row direct_v6 = {
	.span_ns = 999, .pid = 7, .comm = "a b", .local = IPV6_LONG(1), .remote = IPV6_LONG(65535),
	.oldstate = CLOSE, .newstate = SYN_SENT,
};

static void check(const struct row *row, const char *const expected[])
{
	struct journal_entry e;

	memset(&e, 0x5a, sizeof(e));
	journal_entry_set(&e, "name", NULL, row);
	for (int i = 0; i < e.n; i++) {
		assert_non_null(expected[i]);
		assert_int_equal(e.field[i].iov_len, strlen(expected[i]));
		assert_memory_equal(e.field[i].iov_base, expected[i], e.field[i].iov_len);
	}
	assert_null(expected[e.n]);
}

static void container(void **state)
{
	static const struct container in = { .id = ID, .pod = POD };
	struct journal_entry e;
	struct row row = refused;

	(void)state;
	row.container = &in;
	journal_entry_set(&e, "name", NULL, &row);
	assert_in_range(e.n, 2, JOURNAL_FIELDS_MAX);
	assert_memory_equal(e.field[e.n - 2].iov_base, "OBJECT_CONTAINER_ID=" ID "OBJECT_POD_UID=" POD, 20 + 64 + 15 + 36);
	assert_int_equal(e.field[e.n - 2].iov_len, 20 + 64);
	assert_int_equal(e.field[e.n - 1].iov_len, 15 + 36);
}

static void all_fields(void **state)
{
	(void)state;
	check(&refused, (const char *const[]){
		"MESSAGE=curl 10.0.0.5 45678 " ARROW " 10.96.0.1 80 SYN_SENT " ARROW " CLOSE"
			" real 10.244.1.7 8080 reason refused",
		"PRIORITY=5", "SYSLOG_IDENTIFIER=name", "OBJECT_PID=1234", "OBJECT_TCP_COMM=curl",
		"OBJECT_IPV4_SOURCE_ADDRESS=10.0.0.5", "OBJECT_TCP_SOURCE_PORT=45678",
		"OBJECT_IPV4_DESTINATION_ADDRESS=10.96.0.1", "OBJECT_TCP_DESTINATION_PORT=80",
		"OBJECT_TCP_OLD_STATE=SYN_SENT", "OBJECT_TCP_NEW_STATE=CLOSE",
		"OBJECT_TCP_SPAN_TIME=12345", "OBJECT_IPV4_REAL_ADDRESS=10.244.1.7",
		"OBJECT_TCP_REAL_PORT=8080", "OBJECT_TCP_REAL_METHOD=masq",
		"OBJECT_TCP_REASON=refused", NULL });
}

static void what_is_not_known_is_left_out(void **state)
{
	(void)state;
	check(&direct_v6, (const char *const[]){
		"MESSAGE=a b " LONG " 1 " ARROW " " LONG " 65535 CLOSE " ARROW " SYN_SENT",
		"PRIORITY=5", "SYSLOG_IDENTIFIER=name", "OBJECT_PID=7", "OBJECT_TCP_COMM=a b",
		"OBJECT_IPV6_SOURCE_ADDRESS=" LONG, "OBJECT_TCP_SOURCE_PORT=1",
		"OBJECT_IPV6_DESTINATION_ADDRESS=" LONG, "OBJECT_TCP_DESTINATION_PORT=65535",
		"OBJECT_TCP_OLD_STATE=CLOSE", "OBJECT_TCP_NEW_STATE=SYN_SENT",
		"OBJECT_TCP_SPAN_TIME=0", NULL });
}

static void names_are_fields_too(void **state)
{
	static const char file[] = "10.96.0.1 web\n10.244.1.7:8080 web-1\n";
	struct names names = { .n = 0 };
	struct journal_entry e;
	char errmsg[64];

	(void)state;
	assert_int_equal(names_add_text(&names, "file", file, sizeof(file) - 1, errmsg, sizeof(errmsg)), 0);
	journal_entry_set(&e, "name", &names, &refused);
	assert_int_equal(e.n, 18);
#define IS(i, text) assert_int_equal(e.field[i].iov_len, strlen(text)); \
	assert_memory_equal(e.field[i].iov_base, text, strlen(text))
	IS(0, "MESSAGE=curl 10.0.0.5 45678 " ARROW " web 80 SYN_SENT " ARROW " CLOSE real web-1 8080 reason refused");
	IS(7, "OBJECT_IPV4_DESTINATION_ADDRESS=10.96.0.1");
	IS(12, "OBJECT_IPV4_REAL_ADDRESS=10.244.1.7");
	IS(16, "OBJECT_TCP_DESTINATION_NAME=web");
	IS(17, "OBJECT_TCP_REAL_NAME=web-1");
	names_free(&names);
}

/* The journal's text protocol separates fields with newlines. */
static void hostile_names_make_no_fields(void **state)
{
	struct row row = direct_v6;
	struct journal_entry e;

	(void)state;
	memcpy(row.comm, "x\nPRIORITY=0\n\xff", 15);
	journal_entry_set(&e, "name", NULL, &row);
	assert_int_equal(e.n, 12);
	for (int i = 0; i < e.n; i++)
		for (size_t k = 0; k < e.field[i].iov_len; k++)
			assert_in_range(((const unsigned char *)e.field[i].iov_base)[k], 0x20, 0xfe);
	assert_memory_equal(e.field[4].iov_base, "OBJECT_TCP_COMM=x\\x0aPRIORITY=0\\x0a\\xff",
			    e.field[4].iov_len);
}

/* Stores the bytes that @text stands for. */
static size_t unescaped(const char *text, size_t len, char *bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < len; n++) {
		char hexa[3] = { 0 };

		if (text[i] != '\\') {
			bytes[n] = text[i++];
			continue;
		}
		assert_true(i + 3 < len && text[i + 1] == 'x');
		memcpy(hexa, text + i + 2, 2);
		bytes[n] = (char)strtoul(hexa, NULL, 16);
		i += 4;
	}
	return n;
}

/* Every pair of bytes, between others. */
static void every_name(void **state)
{
	struct row row = direct_v6;
	struct journal_entry e;
	char bytes[64];

	(void)state;
	for (unsigned pair = 0; pair < 65536; pair++) {
		const char name[16] = { 'a', (char)(pair & 255), (char)(pair >> 8), '=' };
		const struct iovec *field = &e.field[4];
		size_t len;

		if (!(pair & 255) || !(pair >> 8))
			continue;
		memcpy(row.comm, name, sizeof(name));
		journal_entry_set(&e, "name", NULL, &row);
		assert_int_equal(e.n, 12);
		for (size_t i = 0; i < field->iov_len; i++)
			assert_in_range(((const unsigned char *)field->iov_base)[i], 0x20, 0xfe);
		len = unescaped((const char *)field->iov_base + 16, field->iov_len - 16, bytes);
		assert_int_equal(len, 4);
		assert_memory_equal(bytes, name, 4);
	}
}

static void longest_entry_has_room(void **state)
{
	struct row row = { .span_ns = UINT64_MAX, .pid = UINT32_MAX, .local = IPV6_LONG(65535),
			   .remote = IPV6_LONG(65535), .real = IPV6_LONG(65535), .oldstate = 13,
			   .newstate = 13, .method = "unknown", .reason = "no-destination" };
	struct journal_entry e;
	char name[1000], line[NAMES_LEN_MAX + 64], errmsg[64];
	struct names names = { .n = 0 };
	size_t len = 0;

	(void)state;
	memset(row.comm, 0xff, sizeof(row.comm) - 1);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(line, sizeof(line), LONG " %0*d", NAMES_LEN_MAX, 0);
	assert_int_equal(names_add_text(&names, "file", line, strlen(line), errmsg, sizeof(errmsg)), 0);
	journal_entry_set(&e, name, &names, &row);
	for (int i = 0; i < e.n; i++)
		len += e.field[i].iov_len;
	assert_in_range(len, 1700, sizeof(e.text) - 200);
	assert_int_equal(e.n, 18);
	names_free(&names);
}

static struct {
	int calls, answer;
} sent;

static int send_somewhere(const struct iovec *fields, int n)
{
	assert_non_null(fields);
	assert_int_equal(n, 12);
	sent.calls++;
	return sent.answer;
}

/* With or without a journal here: each row is accepted or counted. */
static void refused_rows_are_counted(void **state)
{
	struct journal j = { .send = send_somewhere };

	(void)state;
	sent.answer = -EPERM;
	for (int i = 0; i < 3; i++)
		journal_row(&j, &direct_v6);
	assert_int_equal(j.refused, 3);
	assert_int_equal(j.err, sent.calls ? -EPERM : -ENOENT);
	sent.answer = 0;
	journal_row(&j, &direct_v6);
	assert_int_equal(j.refused, sent.calls ? 3 : 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(container),
		cmocka_unit_test(all_fields),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(names_are_fields_too),
		cmocka_unit_test(hostile_names_make_no_fields),
		cmocka_unit_test(every_name),
		cmocka_unit_test(longest_entry_has_room),
		cmocka_unit_test(refused_rows_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
