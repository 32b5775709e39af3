/* SPDX-License-Identifier: Apache-2.0 */
/* Values on the command line. Pure. Each function returns 0 or -EINVAL. */
#ifndef VALUE_H
#define VALUE_H

#include <stddef.h>
#include <stdint.h>

#define VALUE_PAGE 4096		/* bytes, on every machine */

/** value_number - parse @len decimal digits, at most @max; no sign, no space, no other base */
int value_number(const char *text, size_t len, uint64_t max, uint64_t *out);

/** value_size - parse a number of pages, or a size with the suffix K or M, into bytes, at most @max */
int value_size(const char *text, uint64_t max, uint64_t *bytes);

/**
 * value_address - parse ADDR, ADDR:PORT, [ADDR] or [ADDR]:PORT: @len characters of @text
 * @addr: an IPv4 address as IPv6 has it, ::ffff:a.b.c.d
 * @port: host byte order; 0: none given
 */
int value_address(const char *text, size_t len, uint8_t addr[16], uint16_t *port);

#endif
