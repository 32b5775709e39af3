/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "fuzz.h"

#include <string.h>

bool lines_are_text(const char *text, unsigned n, bool colours)
{
	int len;

	if (!*text || text[strlen(text) - 1] != '\n')
		return false;
	for (; *text; text += len) {
		len = fuzz_utf8(text);
		if (*text == '\n')
			n--;
		else if (colours && *text == '\033')
			len = text[1] == '[' ? (int)strcspn(text, "m") + 1 : 0;
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
		if (!len || (text[0] == '\xc2' && (unsigned char)text[1] < 0xa0))
			return false;
	}
	return !n;
}

unsigned lines_fields(const char *line)
{
	bool quoted = false;
	unsigned n = 1;

	for (; *line && *line != '\n'; line++) {
		if (*line == '"')
			quoted = !quoted;
		else if (*line == ',' && !quoted)
			n++;
	}
	return quoted ? 0 : n;
}

/* Each of these returns the text after the item, or NULL if the item is not there. */

static const char *skip_string(const char *s)
{
	if (*s++ != '"')
		return NULL;
	for (; *s && *s != '"'; s++) {
		if ((unsigned char)*s < 0x20)
			return NULL;
		if (*s != '\\')
			continue;
		s++;
		if (*s == 'u')
			for (int i = 0; i < 4; i++)
				if (!*++s || !strchr("0123456789abcdefABCDEF", *s))
					return NULL;
		if (!*s || !strchr("\"\\/bfnrtu0123456789abcdefABCDEF", *s))
			return NULL;
	}
	return *s ? s + 1 : NULL;
}

static const char *skip_number(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	if (!digits || (*s == '0' && digits > 1))
		return NULL;
	s += digits;
	if (*s == '.') {
		digits = strspn(++s, "0123456789");
		s = digits ? s + digits : NULL;
	}
	return s;
}

/* Skips an object whose members are not lists; @deep is the number of levels of objects in it. */
static const char *skip_object(const char *s, int deep)
{
	if (*s++ != '{')
		return NULL;
	for (;; s++) {
		s = skip_string(s);
		if (!s || *s++ != ':')
			return NULL;
		if (*s == '{')
			s = deep ? skip_object(s, deep - 1) : NULL;
		else if (*s == '"')
			s = skip_string(s);
		else
			s = strncmp(s, "null", 4) ? skip_number(s) : s + 4;
		if (!s || *s == '}')
			return s ? s + 1 : NULL;
		if (*s != ',')
			return NULL;
	}
}

bool lines_is_json(const char *line)
{
	const char *end = skip_object(line, 1);

	return end && !strcmp(end, "\n");
}
