/* SPDX-License-Identifier: Apache-2.0 */
/* Names of addresses, from files of --names: lines "ADDR[:PORT] NAME [NAME...]", as in hosts(5). */
#ifndef NAMES_H
#define NAMES_H

#include "rows/row.h"

#include <stddef.h>
#include <stdint.h>

#define NAMES_MAX 262144		/* lines with a name, in all files together */
#define NAMES_FILE_MAX (32 << 20)	/* bytes of a file */
#define NAMES_LEN_MAX 253		/* characters of a name: the longest of the DNS (RFC 1035) */

struct name {
	uint8_t addr[16];		/* network byte order, IPv4 mapped */
	uint16_t port;			/* host byte order; 0: every port that has no name of its own */
	uint32_t text;			/* where the name begins in struct names, with a NUL at its end */
};

/** All zero: no names. */
struct names {
	struct name *name;
	size_t n, size;
	char *text;
	size_t text_len, text_size;
	uint32_t *slot;			/* hash table: index + 1 of a name; 0: empty */
	size_t slots;			/* a power of two, at least twice n */
};

/**
 * names_add_text - add the names of a file's text; pure
 * The first name on a line counts, and the first line for the same ADDR[:PORT].
 * @path:   for @errmsg
 * @text:   @len bytes
 * @errmsg: one line with file and number of the line, set on failure
 * Return: 0, -EINVAL or -ENOMEM; on failure some names of the text may have been added.
 */
int names_add_text(struct names *n, const char *path, const char *text, size_t len, char *errmsg, size_t errmsg_len);

/**
 * names_read - read files, and replace all names by theirs; on failure @n stays as it is
 * @again:  they were read before: only regular files are read, as a pipe is empty now
 * @errmsg: one line, set on failure
 * Return: 0 or a negative errno. The caller calls names_free().
 */
int names_read(struct names *n, const char *const *paths, size_t n_paths, bool again, char *errmsg, size_t len);

/**
 * names_find - find the name of an endpoint: that of address and port, else that of the address
 * @n: NULL: there are no names
 * Return: printable ASCII without blank, quote, comma, backslash and number sign, so that no format needs an escape; valid until
 * names_read(). NULL: it has no name.
 */
const char *names_find(const struct names *n, const struct endpoint *e);

void names_free(struct names *n);

#endif
