/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte, then /proc/net/ip_vs_conn as a file. A byte above 247 repeats the text, so that a read may end anywhere
 * in it.
 */
#include "fuzz.h"

#include "ipvs/ipvs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 512 * 1024, LINE_MAX_READ = 65536 };

static const char *root;
static int file = -1;

/* Makes one process, in namespace 4711. */
static void make_root(void)
{
	char path[320];

	root = fuzz_folder();
	for (const char *const *dir = (const char *const[]){ "1", "1/ns", "1/net", NULL }; *dir; dir++) {
		snprintf(path, sizeof(path), "%s/%s", root, *dir);
		expect(!mkdir(path, 0755));
	}
	snprintf(path, sizeof(path), "%s/1/ns/net", root);
	expect(!symlink("net:[4711]", path));
	snprintf(path, sizeof(path), "%s/1/net/ip_vs_conn", root);
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	expect(file >= 0);
}

struct seen {
	unsigned n;
	struct ipvs_entry last;
};

static void count(void *cookie, const struct ipvs_entry *e)
{
	struct seen *seen = cookie;

	expect(e->netns == 4711);
	seen->n++;
	seen->last = *e;
}

static bool go_on(void *cookie)
{
	(void)cookie;
	return true;
}

/* Counts the same lines in memory. */
static void count_lines(struct seen *seen, const char *text, size_t size)
{
	const char *newline;

	while (size && (newline = memchr(text, '\n', size))) {
		struct ipvs_entry e = { .netns = 4711 };

		if (!ipvs_parse(text, (size_t)(newline - text), &e)) {
			seen->n++;
			seen->last = e;
		}
		size -= (size_t)(newline + 1 - text);
		text = newline + 1;
	}
}

/* The reader may split a line that does not fit its buffer as it likes, so such a text is not compared. */
static bool has_long_line(const char *text, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < size; i++) {
		len = text[i] == '\n' ? 0 : len + 1;
		if (len >= LINE_MAX_READ)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[FILE_SIZE_MAX];
	struct seen from_file = { 0 }, from_text = { 0 };
	size_t len = 0;

	if (file < 0)
		make_root();
	if (size < 2)
		return 0;
	for (unsigned n = data[0] > 247 ? 1U << (data[0] - 248) : 1; n && len + size < sizeof(text); n--, len += size - 1)
		memcpy(text + len, data + 1, size - 1);
	expect(!ftruncate(file, 0) && pwrite(file, text, len, 0) == (ssize_t)len);
	expect(!ipvs_read(root, count, go_on, &from_file));
	if (has_long_line(text, len))
		return 0;
	count_lines(&from_text, text, len);
	expect(from_file.n == from_text.n);
	expect(!memcmp(from_file.last.caddr, from_text.last.caddr, 16) && from_file.last.dport == from_text.last.dport);
	return 0;
}
