/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text by hand, at the end of a buffer that has room for it: the path of every
 * row, so all of it inline. Each function adds at *at and moves it on.
 */
#ifndef PUT_H
#define PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void put_raw(char **at, const char *bytes, size_t len)
{
	memcpy(*at, bytes, len);
	*at += len;
}

/* Two digits at a time; the first of a number below 10 is not used. */
static inline const char *put_pair(unsigned n)
{
	static const char pairs[] =
		"00010203040506070809101112131415161718192021222324252627282930313233343536373839"
		"40414243444546474849505152535455565758596061626364656667686970717273747576777879"
		"8081828384858687888990919293949596979899";

	return pairs + 2 * (size_t)n;
}

static inline void put_number(char **at, uint64_t n)
{
	char digits[20], *from = digits + sizeof(digits);

	while (n >= 100) {
		from -= 2;
		memcpy(from, put_pair((unsigned)(n % 100)), 2);
		n /= 100;
	}
	if (n >= 10) {
		from -= 2;
		memcpy(from, put_pair((unsigned)n), 2);
	} else {
		*--from = (char)('0' + n);
	}
	put_raw(at, from, (size_t)(digits + sizeof(digits) - from));
}

/* With leading zeros, @digits of them in all. */
static inline void put_fraction(char **at, uint64_t n, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		(*at)[i] = (char)('0' + n % 10);
		n /= 10;
	}
	*at += digits;
}

static inline void put_base16(char **at, uint64_t n)
{
	int shift = n ? (63 - __builtin_clzll(n)) & ~3 : 0;

	for (; shift >= 0; shift -= 4)
		*(*at)++ = "0123456789abcdef"[n >> shift & 15];
}

static inline void put_octets(char **at, const uint8_t octet[4])
{
	for (int i = 0; i < 4; i++) {
		unsigned n = octet[i];

		if (n >= 100) {
			*(*at)++ = (char)('0' + n / 100);
			put_raw(at, put_pair(n % 100), 2);
		} else if (n >= 10) {
			put_raw(at, put_pair(n), 2);
		} else {
			*(*at)++ = (char)('0' + n);
		}
		*(*at)++ = '.';
	}
	--*at;
}

/* Spaces up to @width columns from @start: a wide copy, as the buffer has room for it. */
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
