/* SPDX-License-Identifier: Apache-2.0 */
#include "build/format.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* True if @decl declares @name: "const void * skaddr" or "__u8 saddr[4]"; the name is its last word. */
static bool declares(const char *decl, const char *end, const char *name)
{
	size_t len = strlen(name);

	/* "__data_loc char[] filename" has brackets in its type. */
	if (end > decl && end[-1] == ']')
		while (end > decl && *end != '[')
			end--;
	if ((size_t)(end - decl) <= len)
		return false;
	return !strncmp(end - len, name, len) && (end[-(ptrdiff_t)len - 1] == ' ' ||
						  end[-(ptrdiff_t)len - 1] == '*');
}

static int number_after(const char *line, const char *end, const char *key, unsigned *out)
{
	const char *at = strstr(line, key);
	unsigned long n;
	char *stop;

	if (!at || at >= end)
		return -EINVAL;
	at += strlen(key);
	if (*at < '0' || *at > '9')
		return -EINVAL;
	n = strtoul(at, &stop, 10);
	if (*stop != ';' || n > 4096)
		return -EINVAL;
	*out = (unsigned)n;
	return 0;
}

int format_find(const char *text, const char *name, struct format_field *field)
{
	const char *line = text;

	while ((line = strstr(line, "field:"))) {
		const char *decl = line + strlen("field:");
		const char *end = decl + strcspn(decl, "\n");
		const char *semi = memchr(decl, ';', (size_t)(end - decl));
		struct format_field found;

		line = end;
		if (!semi || !declares(decl, semi, name))
			continue;
		if (number_after(semi, end, "offset:", &found.offset) ||
		    number_after(semi, end, "size:", &found.size))
			return -EINVAL;
		*field = found;
		return 0;
	}
	return -ENOENT;
}
