/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each fuzz target includes: fuzz_NAME.c has LLVMFuzzerTestOneInput(), which libFuzzer calls with ever new bytes,
 * and replay.c, where there is no libFuzzer, with the inputs that were kept.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/**
 * LLVMFuzzerTestOneInput - try one input
 * @data: @size bytes, no more of which can be read without the address sanitizer's notice
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** fuzz_failed - say on stderr what is not as expected, and abort: an input that comes here is kept */
_Noreturn void fuzz_failed(const char *file, int line, const char *what);

/** expect - what must be true, whatever the input is */
#define expect(truth)							\
	do {								\
		if (!(truth))						\
			fuzz_failed(__FILE__, __LINE__, #truth);	\
	} while (0)

/** fuzz_copy - @size bytes and a NUL, in memory of exactly that size; the caller frees it */
char *fuzz_copy(const uint8_t *data, size_t size);

/** fuzz_bytes - @size bytes in memory of exactly that size; the caller frees it */
uint8_t *fuzz_bytes(const uint8_t *data, size_t size);

/** fuzz_folder - make a folder for files in $TMPDIR, or in memory; removed at the end, but not where an input fails */
const char *fuzz_folder(void);

/** fuzz_utf8 - length of the UTF-8 character at @s, RFC 3629, section 4; 0: it is none */
int fuzz_utf8(const char *s);

/** fuzz_seal_object - make the size and checksum in an encoded object right, as far as there is a head */
void fuzz_seal_object(uint8_t *bytes, size_t len);

#endif
