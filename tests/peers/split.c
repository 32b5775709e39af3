/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies the tool's rows from stdin to the files of their network namespaces: DIR/INODE, which may be a link. So many
 * tests can share one tool.
 *
 *   split text DIR    rows as with -x; each file begins with the first line
 *   split json DIR    rows as with -j
 *
 * A line without a file goes to DIR/unclaimed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMESPACES_MAX = 512, COLUMN = 15 };

/* Files stay open: opening a file is the most expensive part here. */
static struct {
	unsigned long inode;
	int fd;
} files[NAMESPACES_MAX];
static size_t n_files;
static int unclaimed;
static char *header;	/* of the text format */

static void die(const char *what)
{
	fprintf(stderr, "split: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Return: the inode of a line's namespace, or 0. */
static unsigned long namespace_of(const char *line, bool json)
{
	if (json) {
		const char *at = strstr(line, "\"netns\":");

		return at ? strtoul(at + strlen("\"netns\":"), NULL, 10) : 0;
	}
	for (int column = 1; *line; column++) {
		line += strspn(line, " ");
		if (column == COLUMN)
			return strtoul(line, NULL, 10);
		line += strcspn(line, " ");
	}
	return 0;
}

static void put(int fd, const char *line)
{
	size_t len = strlen(line);

	if (write(fd, line, len) != (ssize_t)len)
		die("write");
}

/* If a file does not exist yet, the next line of its namespace tries again. */
static int file_of(unsigned long inode)
{
	char name[32];
	int fd;

	for (size_t i = 0; i < n_files; i++) {
		if (files[i].inode == inode)
			return files[i].fd;
	}
	snprintf(name, sizeof(name), "%lu", inode);
	fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return unclaimed;
	if (header && !lseek(fd, 0, SEEK_END))
		put(fd, header);
	if (n_files < NAMESPACES_MAX) {
		files[n_files].inode = inode;
		files[n_files++].fd = fd;
	}
	return fd;
}

int main(int argc, char **argv)
{
	bool json = argc == 3 && !strcmp(argv[1], "json");
	char *line = NULL;
	size_t size = 0;

	if (argc != 3 || (!json && strcmp(argv[1], "text"))) {
		fprintf(stderr, "usage: split text|json DIR\n");
		return 2;
	}
	if (chdir(argv[2]))
		die(argv[2]);
	unclaimed = open("unclaimed", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (unclaimed < 0)
		die("unclaimed");
	if (!json && getline(&header, &size, stdin) <= 0)
		return 0;
	size = 0;
	while (getline(&line, &size, stdin) > 0)
		put(file_of(namespace_of(line, json)), line);
	free(line);
	free(header);
	return 0;
}
