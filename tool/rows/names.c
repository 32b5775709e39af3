/* SPDX-License-Identifier: Apache-2.0 */
#include "rows/names.h"

#include "base/hash.h"
#include "cli/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The line that is being read, and room for a message about it. */
struct place {
	const char *path;
	size_t line;
	char *errmsg;
	size_t len;
};

__attribute__((format(printf, 2, 3)))
static int refuse_line(const struct place *p, const char *fmt, ...)
{
	char what[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	snprintf(p->errmsg, p->len, "%.200s:%zu: %s", p->path, p->line, what);
	return -EINVAL;
}

static uint64_t hash_place(const uint8_t addr[16], uint16_t port)
{
	uint64_t hash = hash_bytes(hash_bytes(HASH_BEGIN, addr, 16), &port, sizeof(port));

	return hash ^ hash >> 32;	/* its low bits alone would depend only on the low bits of each byte */
}

/* Returns the slot of a name, or the empty slot where it belongs. */
static uint32_t *find_slot(const struct names *n, const uint8_t addr[16], uint16_t port)
{
	size_t at = hash_place(addr, port) & (n->slots - 1);

	for (; n->slot[at]; at = (at + 1) & (n->slots - 1)) {
		const struct name *name = &n->name[n->slot[at] - 1];

		if (name->port == port && !memcmp(name->addr, addr, sizeof(name->addr)))
			break;
	}
	return &n->slot[at];
}

/* Makes room for one more name. */
static int grow_slots(struct names *n)
{
	size_t slots = n->slots ? 2 * n->slots : 64;
	struct names larger = *n;

	if (2 * (n->n + 1) <= n->slots)
		return 0;
	larger.slot = calloc(slots, sizeof(*larger.slot));
	if (!larger.slot)
		return -ENOMEM;
	larger.slots = slots;
	for (size_t i = 0; i < n->n; i++)
		*find_slot(&larger, n->name[i].addr, n->name[i].port) = (uint32_t)i + 1;
	free(n->slot);
	*n = larger;
	return 0;
}

/* Returns the array with room for @more elements after @n; @size: its room so far. NULL: out of memory. */
static void *with_room(void *array, size_t element, size_t n, size_t more, size_t *size)
{
	size_t larger = *size ? *size : 64;
	void *moved;

	if (n + more <= *size)
		return array;
	while (larger < n + more)
		larger *= 2;
	moved = realloc(array, larger * element);
	if (moved)
		*size = larger;
	return moved;
}

static int add_name(struct names *n, const uint8_t addr[16], uint16_t port, const char *text, size_t len)
{
	void *moved;
	uint32_t *slot;

	if (grow_slots(n))
		return -ENOMEM;
	slot = find_slot(n, addr, port);
	if (*slot)
		return 0;
	moved = with_room(n->name, sizeof(*n->name), n->n, 1, &n->size);
	if (!moved)
		return -ENOMEM;
	n->name = moved;
	moved = with_room(n->text, 1, n->text_len, len + 1, &n->text_size);
	if (!moved)
		return -ENOMEM;
	n->text = moved;
	n->name[n->n] = (struct name){ .port = port, .text = (uint32_t)n->text_len };
	memcpy(n->name[n->n].addr, addr, 16);
	memcpy(n->text + n->text_len, text, len);
	n->text[n->text_len + len] = '\0';
	n->text_len += len + 1;
	*slot = (uint32_t)++n->n;
	return 0;
}

/* Returns the next word of a line, and its length; 0: there is none. */
static const char *next_word(const char **rest, const char *end, size_t *len)
{
	const char *word = *rest, *at;

	while (word < end && (*word == ' ' || *word == '\t'))
		word++;
	for (at = word; at < end && *at != ' ' && *at != '\t'; at++)
		;
	*len = (size_t)(at - word);
	*rest = at;
	return word;
}

static bool is_blank_or_visible(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c < 0x7f);
}

/* Words that follow the first name are checked too: such a line was not meant as it is. */
static int check_name(const struct place *p, const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr("\"\\,", name[i]))
			return refuse_line(p, "'%c' in a name; leave it out", name[i]);
	if (len > NAMES_LEN_MAX)
		return refuse_line(p, "a name of %zu characters; give at most %d", len, NAMES_LEN_MAX);
	return 0;
}

static int add_line(struct names *n, const struct place *p, const char *line, const char *end)
{
	const char *word, *first;
	uint8_t addr[16];
	size_t len, first_len;
	uint16_t port;

	for (const char *at = line; at < end; at++)
		if (!is_blank_or_visible((unsigned char)*at))
			return refuse_line(p, "byte 0x%02x, which is no visible ASCII character; leave it out", (unsigned char)*at);
	word = next_word(&line, end, &len);
	if (!len)
		return 0;
	if (value_address(word, len, addr, &port))
		return refuse_line(p, "'%.*s': not an address; give lines of ADDR[:PORT] NAME, [ADDR]:PORT for IPv6",
				   (int)(len < 48 ? len : 48), word);
	first = next_word(&line, end, &first_len);
	if (!first_len)
		return refuse_line(p, "no name after '%.*s'; give lines of ADDR[:PORT] NAME", (int)len, word);
	for (word = first, len = first_len; len; word = next_word(&line, end, &len))
		if (check_name(p, word, len))
			return -EINVAL;
	if (n->n == NAMES_MAX)
		return refuse_line(p, "more than %d names; give fewer", NAMES_MAX);
	return add_name(n, addr, port, first, first_len);
}

int names_add_text(struct names *n, const char *path, const char *text, size_t len, char *errmsg, size_t errmsg_len)
{
	struct place p = { .path = path, .errmsg = errmsg, .len = errmsg_len };
	const char *end = text + len, *line, *next;

	for (line = text; line < end; line = next + 1) {
		const char *comment;
		int err;

		p.line++;
		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		comment = memchr(line, '#', (size_t)(next - line));
		err = add_line(n, &p, line, comment ? comment : next);
		if (err == -ENOMEM)
			snprintf(errmsg, errmsg_len, "%.200s: out of memory", path);
		if (err)
			return err;
	}
	return 0;
}

/* Reads up to the limit. Return: the number of bytes or a negative errno. */
static ssize_t read_all(int fd, char **text)
{
	size_t len = 0, size = 0;

	*text = NULL;
	while (len <= NAMES_FILE_MAX) {
		char *more = with_room(*text, 1, len, 65536, &size);
		ssize_t n;

		if (!more)
			return -ENOMEM;
		*text = more;
		n = read(fd, more + len, size - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return (ssize_t)len;
		len += n > 0 ? (size_t)n : 0;
	}
	return -EFBIG;
}

static int read_names_file(struct names *n, const char *path, bool again, char *errmsg, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (again ? O_NONBLOCK : 0));
	ssize_t got = -errno;
	char *text = NULL;
	struct stat st;
	int err;

	if (fd >= 0 && again && !fstat(fd, &st) && !S_ISREG(st.st_mode)) {
		close(fd);
		snprintf(errmsg, len, "cannot read names from %.200s again: it is no regular file", path);
		return -EINVAL;
	}
	if (fd >= 0) {
		got = read_all(fd, &text);
		close(fd);
	}
	if (got == -EFBIG)
		snprintf(errmsg, len, "cannot read names from %.200s: more than %d MiB; give fewer names", path, NAMES_FILE_MAX >> 20);
	else if (got < 0)
		snprintf(errmsg, len, "cannot read names from %.200s: %s", path, strerror((int)-got));
	err = text && got >= 0 ? names_add_text(n, path, text, (size_t)got, errmsg, len) : (int)got;
	free(text);
	return err;
}

int names_read(struct names *n, const char *const *paths, size_t n_paths, bool again, char *errmsg, size_t len)
{
	struct names fresh = { .n = 0 };
	int err = 0;

	for (size_t i = 0; i < n_paths && !err; i++)
		err = read_names_file(&fresh, paths[i], again, errmsg, len);
	if (err) {
		names_free(&fresh);
		return err;
	}
	names_free(n);
	*n = fresh;
	return 0;
}

const char *names_find(const struct names *n, const struct endpoint *e)
{
	uint32_t at;

	if (!n || !n->n || !e->family)
		return NULL;
	at = *find_slot(n, e->addr, e->port);
	if (!at)
		at = *find_slot(n, e->addr, 0);
	return at ? n->text + n->name[at - 1].text : NULL;
}

void names_free(struct names *n)
{
	free(n->name);
	free(n->text);
	free(n->slot);
	memset(n, 0, sizeof(*n));
}
