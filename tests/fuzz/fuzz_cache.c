/* SPDX-License-Identifier: Apache-2.0 */
/* A byte of flags, then a cache file: 1 puts the right key before it, 2 corrects its size and checksum. */
#include "fuzz.h"

#include "build/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char key[] = "kernel 6.1.0-fuzz #1 x86_64\ntext 1 0123456789abcdef\n";
static const char *dir;
static int file = -1;

/* The cache chooses the file name itself, so let it make the file. */
static void make_cache(void)
{
	static struct host host;
	static struct object object;
	struct dirent *entry;
	char why[256];
	DIR *open;

	dir = fuzz_folder();
	strcpy(host.uts.release, "6.1.0-fuzz");
	expect(!cache_store(dir, "main", key, &host, &object, why, sizeof(why)));
	open = opendir(dir);
	expect(open);
	while ((entry = readdir(open)))
		if (entry->d_name[0] != '.')
			file = openat(dirfd(open), entry->d_name, O_RDWR | O_CLOEXEC);
	closedir(open);
	expect(file >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[65536];
	size_t before = 0;
	struct object o;
	char why[256];
	int err;

	if (file < 0)
		make_cache();
	if (!size || size + sizeof(key) > sizeof(bytes))
		return 0;
	size--;
	if (data[0] & 1) {
		memcpy(bytes, key, sizeof(key));
		before = sizeof(key);
	}
	memcpy(bytes + before, data + 1, size);
	if (data[0] & 2)
		fuzz_seal_object(bytes + before, size);
	expect(!ftruncate(file, 0) && pwrite(file, bytes, before + size, 0) == (ssize_t)(before + size));
	err = cache_load(dir, "main", key, &o, why, sizeof(why));
	if (!err) {
		expect(!memcmp(bytes, key, sizeof(key)));
		object_free(&o);
	} else {
		expect(err == -EBADMSG || err == -ENOENT);
		expect((err == -EBADMSG) == (strstr(why, "is damaged; compiling again") != NULL));
	}
	return 0;
}
