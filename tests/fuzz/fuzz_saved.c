/* SPDX-License-Identifier: Apache-2.0 */
/* A byte of flags, then a file of --save-programs: 1 puts the head of a block before it, for this kernel, 2 for another one;
 * 4 corrects size and checksum of the object that begins at byte 16 of the rest. */
#include "fuzz.h"

#include "base/hash.h"
#include "build/saved.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL "6.1.0-fuzz #1 x86_64, build ID none"

/* The head from tool/build/saved.c: magic, checksum, size, size of the kernel's text. */
static size_t put_block(uint8_t *to, const char *kernel, const uint8_t *data, size_t size)
{
	uint32_t kernel_size = (uint32_t)strlen(kernel) + 1, whole = 24 + kernel_size + (uint32_t)size;
	uint64_t sum;

	memcpy(to, "IVSPROG1\0\0\0\0\0\0\0", 16);
	memcpy(to + 16, &whole, sizeof(whole));
	memcpy(to + 20, &kernel_size, sizeof(kernel_size));
	memcpy(to + 24, kernel, kernel_size);
	memcpy(to + 24 + kernel_size, data, size);
	sum = hash_bytes(HASH_BEGIN, to, whole);
	memcpy(to + 8, &sum, sizeof(sum));
	return whole;
}

static void look(const struct saved *s, const char *key)
{
	struct object o;
	char why[256] = "";
	int err = saved_find(s, "rows", key, &o, why, sizeof(why));

	expect(!err || err == -ENOENT || err == -EBADMSG);
	expect(!err == !*why);
	if (!err)
		object_free(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t made[65536];
	static struct host host;
	struct saved saved;
	uint8_t *bytes;
	size_t len = 0;
	int err;

	if (!size || size > sizeof(made) / 4)
		return 0;
	strcpy(host.uts.release, "6.1.0-fuzz");
	strcpy(host.uts.version, "#1");
	strcpy(host.uts.machine, "x86_64");
	bytes = fuzz_bytes(data + 1, --size);
	if (data[0] & 4 && size > 16)
		fuzz_seal_object(bytes + 16, size - 16);
	if (data[0] & 2)
		len = put_block(made, "6.1.0-other", bytes, size);
	if (data[0] & 1)
		len += put_block(made + len, KERNEL, bytes, size);
	if (!len) {
		memcpy(made, bytes, size);
		len = size;
	}
	free(bytes);
	bytes = fuzz_bytes(made, len);
	saved_init(&saved, "file", &host);
	expect(!strcmp(saved.kernel, KERNEL));
	err = saved_take(&saved, bytes, len);
	expect(!err || err == -EBADMSG);
	expect(!err || !saved.len);
	expect(saved.len <= len);
	free(bytes);
	look(&saved, "k\n");
	look(&saved, "k\nx\n");
	look(&saved, "");
	saved_close(&saved);
	return 0;
}
