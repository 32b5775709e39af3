/* SPDX-License-Identifier: Apache-2.0 */
/* Our own formatting functions, compared with the C library. */
#include "../unit.h"

#include "output/put.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

enum { ROOM = 96 };

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Does not check the bytes after the end: a wide copy may have written there. */
static void check(char *text, const char *end, const char *wanted)
{
	text[end - text] = '\0';
	assert_string_equal(text, wanted);
}

static void check_number(uint64_t n)
{
	char text[ROOM], wanted[ROOM], *at = text;

	put_number(&at, n);
	snprintf(wanted, sizeof(wanted), "%" PRIu64, n);
	check(text, at, wanted);

	at = text;
	put_base16(&at, n);
	snprintf(wanted, sizeof(wanted), "%" PRIx64, n);
	check(text, at, wanted);

	at = text;
	put_milliseconds(&at, n);
	snprintf(wanted, sizeof(wanted), "%" PRIu64 ".%03u", n / 1000000, (unsigned)(n / 1000 % 1000));
	check(text, at, wanted);
}

static void numbers(void **state)
{
	uint64_t seed = 88172645463325252, power = 1;

	(void)state;
	check_number(0);
	check_number(UINT64_MAX);
	for (int i = 0; i < 20; i++, power *= 10) {
		check_number(power - 1);
		check_number(power);
		check_number(power + 1);
	}
	for (int i = 0; i < 64; i++) {
		check_number(UINT64_C(1) << i);
		check_number((UINT64_C(1) << i) - 1);
	}
	for (int i = 0; i < 100000; i++)
		check_number(next(&seed) >> (i % 64));
}

static void ipv4_addresses(void **state)
{
	char text[ROOM], wanted[ROOM];

	(void)state;
	for (int place = 0; place < 4; place++) {
		for (int n = 0; n < 256; n++) {
			uint8_t octets[4] = { 1, 20, 255, 0 };
			char *at = text;

			octets[place] = (uint8_t)n;
			put_octets(&at, octets);
			inet_ntop(AF_INET, octets, wanted, sizeof(wanted));
			check(text, at, wanted);
		}
	}
}

static void check_ipv6(const uint8_t addr[16])
{
	char text[ROOM], wanted[ROOM], *at = text;

	put_groups(&at, addr);
	inet_ntop(AF_INET6, addr, wanted, sizeof(wanted));
	check(text, at, wanted);
}

/* Every pattern of zero groups, with other groups of each length; some hold an IPv4 address. */
static void ipv6_addresses(void **state)
{
	static const uint16_t others[] = { 1, 0x23, 0x456, 0x789a, 0xffff };
	uint64_t seed = 88172645463325252;

	(void)state;
	for (unsigned zeros = 0; zeros < 256; zeros++) {
		for (int round = 0; round < 100; round++) {
			uint8_t addr[16];

			for (int i = 0; i < 8; i++) {
				uint16_t group = zeros >> i & 1 ? 0 : others[next(&seed) % 5];

				addr[2 * i] = (uint8_t)(group >> 8);
				addr[2 * i + 1] = (uint8_t)group;
			}
			check_ipv6(addr);
		}
	}
	for (int i = 0; i < 100000; i++) {
		uint64_t addr[2] = { next(&seed), next(&seed) };

		check_ipv6((const uint8_t *)addr);
	}
}

static void microseconds(void **state)
{
	char text[ROOM], wanted[ROOM];

	(void)state;
	for (unsigned us = 0; us < 1000000; us += us < 11000 ? 1 : 997) {
		char *at = text;

		put_microseconds(&at, us);
		snprintf(wanted, sizeof(wanted), "%06u", us);
		check(text, at, wanted);
	}
}

/* Each byte at each position in names of each length; put_plain_comm() refuses what CSV or JSON must quote. */
static void plain_comms(void **state)
{
	(void)state;
	for (int len = 0; len < 16; len++) {
		for (int i = 0; i < len * 256; i++) {
			char comm[16] = { 0 }, text[ROOM] = "", *at = text;
			int c = i % 256;

			memset(comm, 'x', (size_t)len);
			comm[i / 256] = (char)c;
			if (!c || (c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != ',')) {
				assert_true(put_plain_comm(&at, comm));
				check(text, at, comm);
			} else {
				assert_false(put_plain_comm(&at, comm));
				assert_ptr_equal(at, text);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(ipv4_addresses),
		cmocka_unit_test(ipv6_addresses),
		cmocka_unit_test(microseconds),
		cmocka_unit_test(plain_comms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
