/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The sanitizers call these. The quarantine of freed memory is small, as cold memory takes most of the time. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=8:detect_leaks=1:detect_stack_use_after_return=0";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1";
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

void fuzz_failed(const char *file, int line, const char *what)
{
	dprintf(STDERR_FILENO, "%s:%d: not so: %s\n", file, line, what);	/* a target may have replaced stderr */
	abort();
}

/* Not with expect(): cppcheck does not see that it ends the program. */
static void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		abort();
	return memory;
}

char *fuzz_copy(const uint8_t *data, size_t size)
{
	char *copy = allocate(size + 1);

	memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

uint8_t *fuzz_bytes(const uint8_t *data, size_t size)
{
	uint8_t *bytes = allocate(size ? size : 1);

	memcpy(bytes, data, size);
	return bytes;
}

static char folder[256];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_folder(void)
{
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
	const char *parent = getenv("TMPDIR");

	if (!parent)
		parent = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	snprintf(folder, sizeof(folder), "%s/fuzz-XXXXXX", parent);
	expect(mkdtemp(folder));
	expect(!atexit(remove_folder));
	return folder;
}

int fuzz_utf8(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t c;
	int n;

	if (u[0] < 0x80)
		return 1;
	n = (u[0] & 0xe0) == 0xc0 ? 2 : (u[0] & 0xf0) == 0xe0 ? 3 : (u[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (!n)
		return 0;
	c = u[0] & (0x7fU >> n);
	for (int i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if ((n == 2 && c < 0x80) || (n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

/* The head from tool/build/object.c: word 0 magic, word 1 size; the checksum, FNV-1a of everything, is 8 bytes at 24. */
void fuzz_seal_object(uint8_t *bytes, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325;
	uint32_t size = (uint32_t)len;

	if (len < 32)
		return;
	memcpy(bytes + 4, &size, sizeof(size));
	memset(bytes + 24, 0, sizeof(sum));
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	memcpy(bytes + 24, &sum, sizeof(sum));
}
