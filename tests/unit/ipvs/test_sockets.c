/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/net/tcp and tcp6, as a kernel with this byte order writes them. */
#include "../unit.h"

#include "ipvs/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REST " 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 20 4 30 10 -1"

/* Makes a line with these addresses and ports. */
static size_t make_line(char *to, size_t size, int family, const char *local, uint16_t lport, const char *remote,
			uint16_t rport, unsigned tcp_state)
{
	const char *const addr[] = { local, remote };
	const uint16_t port[] = { lport, rport };
	int at = snprintf(to, size, "%4d: ", 7);

	for (int i = 0; i < 2; i++) {
		uint32_t words[4];

		assert_int_equal(inet_pton(family, addr[i], words), 1);
		for (int k = 0; k < (family == AF_INET ? 1 : 4); k++)
			at += snprintf(to + at, size - (size_t)at, "%08X", words[k]);
		at += snprintf(to + at, size - (size_t)at, ":%04X ", port[i]);
	}
	at += snprintf(to + at, size - (size_t)at, "%02X" REST, tcp_state);
	return (size_t)at;
}

static void ipv4(void **state)
{
	static const uint8_t local[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, 99, 0, 100 };
	static const uint8_t remote[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, 99, 0, 1 };
	struct socket_addresses ends;
	char line[256];
	size_t len = make_line(line, sizeof(line), AF_INET, "10.99.0.100", 41000, "10.99.0.1", 80, 1);

	(void)state;
	assert_int_equal(sockets_parse(line, len, &ends), 0);
	assert_memory_equal(ends.laddr, local, 16);
	assert_memory_equal(ends.raddr, remote, 16);
	assert_int_equal(ends.lport, 41000);
	assert_int_equal(ends.rport, 80);
}

static void ipv6(void **state)
{
	struct socket_addresses ends;
	uint8_t addr[16];
	char line[256];
	size_t len = make_line(line, sizeof(line), AF_INET6, "fd00:99::100", 41000, "::ffff:10.99.0.1", 443, 1);

	(void)state;
	assert_int_equal(sockets_parse(line, len, &ends), 0);
	inet_pton(AF_INET6, "fd00:99::100", addr);
	assert_memory_equal(ends.laddr, addr, 16);
	inet_pton(AF_INET6, "::ffff:10.99.0.1", addr);
	assert_memory_equal(ends.raddr, addr, 16);
	assert_int_equal(ends.lport, 41000);
	assert_int_equal(ends.rport, 443);
}

static void other_states(void **state)
{
	struct socket_addresses ends;
	char line[256];

	(void)state;
	for (unsigned tcp_state = 0; tcp_state < 16; tcp_state++) {
		size_t len = make_line(line, sizeof(line), AF_INET, "10.0.0.1", 1, "10.0.0.2", 2, tcp_state);

		assert_int_equal(sockets_parse(line, len, &ends), tcp_state == 1 ? 0 : -EINVAL);
	}
}

/* The beginning of a line is not accepted as a line, and nothing after its end is read. */
static void what_is_no_line(void **state)
{
	static const char heading[] = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt";
	struct socket_addresses ends;
	char line[256];
	size_t needed;

	(void)state;
	assert_int_equal(sockets_parse(heading, strlen(heading), &ends), -EINVAL);
	assert_int_equal(sockets_parse("", 0, &ends), -EINVAL);
	make_line(line, sizeof(line), AF_INET6, "::1", 1, "::2", 2, 1);
	needed = (size_t)(strstr(line, " 01 ") + 3 - line);
	for (size_t len = 0; len < needed; len++)
		assert_int_equal(sockets_parse(line, len, &ends), -EINVAL);
	assert_int_equal(sockets_parse(line, needed, &ends), 0);
	line[10] = 'g';
	assert_int_equal(sockets_parse(line, needed, &ends), -EINVAL);
}

static void those_of_this_process(void **state)
{
	struct socket_addresses none = { .lport = 0 };
	struct sockets s;

	(void)state;
	assert_int_equal(sockets_read(&s, "/nowhere", "tcp"), -ENOENT);
	assert_false(sockets_has(&s, &none));
	sockets_free(&s);
	assert_int_equal(sockets_read(&s, "/proc", "no-such-file"), 0);
	assert_int_equal(s.n, 0);
	sockets_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(other_states),
		cmocka_unit_test(what_is_no_line),
		cmocka_unit_test(those_of_this_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
