/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every fuzz target includes this file. fuzz_NAME.c has LLVMFuzzerTestOneInput(). libFuzzer calls it with new bytes again
 * and again; without libFuzzer, replay.c calls it with the kept inputs.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/**
 * LLVMFuzzerTestOneInput - tries one input
 * @data: @size bytes; the address sanitizer reports a read beyond them
 * Return: 0
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** fuzz_failed - reports on stderr what is wrong, and aborts: libFuzzer keeps such an input */
_Noreturn void fuzz_failed(const char *file, int line, const char *what);

/** expect - checks what must be true for every input */
#define expect(truth)							\
	do {								\
		if (!(truth))						\
			fuzz_failed(__FILE__, __LINE__, #truth);	\
	} while (0)

/** fuzz_copy - returns @size bytes and a NUL, in memory of exactly that size; the caller frees it */
char *fuzz_copy(const uint8_t *data, size_t size);

/** fuzz_bytes - returns @size bytes in memory of exactly that size; the caller frees it */
uint8_t *fuzz_bytes(const uint8_t *data, size_t size);

/** fuzz_folder - makes a folder for files in $TMPDIR, or in memory; it is removed at the end, unless an input fails */
const char *fuzz_folder(void);

/** fuzz_utf8 - returns the length of the UTF-8 character at @s, RFC 3629, section 4; 0 if it is not valid */
int fuzz_utf8(const char *s);

/** fuzz_seal_object - corrects size and checksum in an encoded object, if it is long enough for a head */
void fuzz_seal_object(uint8_t *bytes, size_t len);

#endif
