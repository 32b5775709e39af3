/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats text without printf(), into a buffer that has room for it. Everything is
 * inline, as each row is made with it. Each function writes at *at and moves *at to the end.
 */
#ifndef PUT_H
#define PUT_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void put_raw(char **at, const char *bytes, size_t len)
{
	memcpy(*at, bytes, len);
	*at += len;
}

/* Appends a string literal. */
#define PUT(at, text) put_raw(at, text, sizeof(text) - 1)

/* Returns the two digits of @n, which is below 100; a number below 10 has a leading zero. */
static inline const char *put_pair(unsigned n)
{
	static const char pairs[] =
		"00010203040506070809101112131415161718192021222324252627282930313233343536373839"
		"40414243444546474849505152535455565758596061626364656667686970717273747576777879"
		"8081828384858687888990919293949596979899";

	return pairs + 2 * (size_t)n;
}

static inline int digits_of(uint64_t n)
{
	int digits = 1;

	for (; n >= 10000; n /= 10000)
		digits += 4;
	return digits + (n > 9) + (n > 99) + (n > 999);
}

static inline void put_number(char **at, uint64_t n)
{
	char *from = *at += digits_of(n);

	while (n >= 100) {
		from -= 2;
		memcpy(from, put_pair((unsigned)(n % 100)), 2);
		n /= 100;
	}
	if (n >= 10)
		memcpy(from - 2, put_pair((unsigned)n), 2);
	else
		from[-1] = (char)('0' + n);
}

/* Appends microseconds below a second as 6 digits, with leading zeros. */
static inline void put_microseconds(char **at, unsigned us)
{
	put_raw(at, put_pair(us / 10000), 2);
	put_raw(at, put_pair(us / 100 % 100), 2);
	put_raw(at, put_pair(us % 100), 2);
}

/* Appends milliseconds with 3 decimals, truncated. */
static inline void put_milliseconds(char **at, uint64_t ns)
{
	unsigned us = (unsigned)(ns / 1000 % 1000);

	put_number(at, ns / 1000000);
	*(*at)++ = '.';
	*(*at)++ = (char)('0' + us / 100);
	put_raw(at, put_pair(us % 100), 2);
}

/* Returns the 8 hexadecimal digits of @n as text in memory order. All bytes are computed at once. */
static inline uint64_t digits16(uint32_t n)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t x = n, letters;

	x = (x << 32 | x >> 16) & 0x0000ffff0000ffff;
	x = (x << 16 | x >> 8) & 0x00ff00ff00ff00ff;
	x = (x << 8 | x >> 4) & 0x0f0f0f0f0f0f0f0f;
	letters = (x + 6 * ones) >> 4 & ones;
	return htole64(x + '0' * ones + letters * ('a' - '0' - 10));
}

/* Always writes 16 bytes, but moves *at by the number of digits. */
static inline void put_base16(char **at, uint64_t n)
{
	int zeros = (n ? __builtin_clzll(n) : 60) / 4;
	uint64_t high, low;

	n <<= 4 * zeros;
	high = digits16((uint32_t)(n >> 32));
	low = digits16((uint32_t)n);
	memcpy(*at, &high, 8);
	memcpy(*at + 8, &low, 8);
	*at += 16 - zeros;
}

/* One number of an IPv4 address and the dot after it. */
#define OCTET(n)									\
	{ (char)('0' + ((n) > 99 ? (n) / 100 : (n) > 9 ? (n) / 10 : (n))),		\
	  (char)((n) > 99 ? '0' + (n) / 10 % 10 : (n) > 9 ? '0' + (n) % 10 : '.'),	\
	  (char)((n) > 99 ? '0' + (n) % 10 : '.'), '.' }
#define OCTETS_4(n) OCTET(n), OCTET((n) + 1), OCTET((n) + 2), OCTET((n) + 3)
#define OCTETS_16(n) OCTETS_4(n), OCTETS_4((n) + 4), OCTETS_4((n) + 8), OCTETS_4((n) + 12)
#define OCTETS_64(n) OCTETS_16(n), OCTETS_16((n) + 16), OCTETS_16((n) + 32), OCTETS_16((n) + 48)

static inline void put_octets(char **at, const uint8_t octet[4])
{
	static const char texts[256][4] = { OCTETS_64(0), OCTETS_64(64), OCTETS_64(128), OCTETS_64(192) };

	for (int i = 0; i < 4; i++) {
		memcpy(*at, texts[octet[i]], 4);
		*at += 2 + (octet[i] > 9) + (octet[i] > 99);
	}
	--*at;
}

/* Finds the longest run of at least two zero groups; of equally long ones, the first. */
static inline void find_zeros(const uint16_t group[8], int *start, int *len)
{
	int run = 0;

	*start = 8;
	*len = 1;
	for (int i = 0; i < 8; i++) {
		run = group[i] ? 0 : run + 1;
		if (run > *len) {
			*len = run;
			*start = i + 1 - run;
		}
	}
}

/* Appends an IPv6 address as inet_ntop(3) does: RFC 5952, with the last 4 bytes as octets if they are an IPv4 address. */
static inline void put_groups(char **at, const uint8_t addr[16])
{
	uint16_t group[8];
	int start, len;

	for (int i = 0; i < 8; i++)
		group[i] = (uint16_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
	find_zeros(group, &start, &len);
	for (int i = 0; i < 8; i++) {
		if (i >= start && i < start + len) {
			if (i == start)
				*(*at)++ = ':';
			continue;
		}
		if (i)
			*(*at)++ = ':';
		if (i == 6 && !start && (len == 6 || (len == 5 && group[5] == 0xffff))) {
			put_octets(at, addr + 12);
			return;
		}
		put_base16(at, group[i]);
	}
	if (start + len == 8)
		*(*at)++ = ':';
}

static inline void put_one(char **at, char c)
{
	*(*at)++ = c;
}

/* Appends the name of a process if CSV and JSON need no escape for it, as for most names. Else returns false and writes
 * nothing. Copies 16 bytes, but moves *at by the length of the name. */
static inline bool put_plain_comm(char **at, const char comm[16])
{
	int len = 0;

	while (len < 15 && comm[len] >= ' ' && comm[len] < 0x7f && comm[len] != '"' && comm[len] != '\\' &&
	       comm[len] != ',')
		len++;
	if (comm[len])
		return false;
	memcpy(*at, comm, 16);
	*at += len;
	return true;
}

/* Pads the text since @start with spaces to @width columns; adds at most 32. Copies 32 bytes, as the buffer has room. */
static inline void put_spaces(char **at, const char *start, int width)
{
	static const char spaces[33] = "                                ";
	ptrdiff_t missing = width - (*at - start);

	if (missing <= 0)
		return;
	memcpy(*at, spaces, 32);
	*at += missing < 32 ? missing : 32;
}

#endif
