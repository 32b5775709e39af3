/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

char *file_read(const char *path)
{
	size_t len;

	return file_read_bytes(path, &len);
}

char *file_read_bytes(const char *path, size_t *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0, size = 0;
	char *text = NULL;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	do {
		if (size - len < 4096) {
			size_t larger = size ? size * 2 : 16384;
			char *more = realloc(text, larger);

			if (!more) {
				n = -1;
				break;
			}
			text = more;
			size = larger;
		}
		n = read(fd, text + len, size - len - 1);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0);
	close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	*out = len;
	return text;
}
