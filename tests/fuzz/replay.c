/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces libFuzzer if it is missing: tries each file of the given folders once. Ignores options, which are
 * libFuzzer's.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void fail(const char *what, const char *path)
{
	fprintf(stderr, "cannot %s %s\n", what, path);
	exit(1);
}

static void try_file(const char *path)
{
	FILE *file = fopen(path, "re");
	uint8_t *exact, *bytes;
	size_t size;

	if (!file || fseek(file, 0, SEEK_END))
		fail("open", path);
	size = (size_t)ftell(file);
	rewind(file);
	bytes = malloc(size + 1);
	if (!bytes || fread(bytes, 1, size, file) != size)
		fail("read", path);
	exact = fuzz_bytes(bytes, size);
	free(bytes);
	fclose(file);
	fprintf(stderr, "%s\n", path);	/* the last path is that of the failed input */
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

int main(int argc, char *argv[])
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		struct dirent *entry;
		char path[4096];
		DIR *dir;

		if (argv[i][0] == '-')
			continue;
		dir = opendir(argv[i]);
		if (!dir)
			fail("open", argv[i]);
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			try_file(path);
			n++;
		}
		closedir(dir);
	}
	printf("%u inputs replayed\n", n);
	return n ? 0 : 1;
}
