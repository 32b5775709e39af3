/* SPDX-License-Identifier: Apache-2.0 */
#include "ipvs/sockets.h"

#include "ipvs/namespaces.h"
#include "probes/tcp_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 1024

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " ");
}

/* Reads @digits hexadecimal digits. Returns NULL if they are not there. */
static const char *read_hex(const char *at, int digits, uint32_t *to)
{
	uint32_t n = 0;

	for (int i = 0; i < digits; i++, at++) {
		if (*at >= '0' && *at <= '9')
			n = n << 4 | (uint32_t)(*at - '0');
		else if (*at >= 'A' && *at <= 'F')
			n = n << 4 | (uint32_t)(*at - 'A' + 10);
		else
			return NULL;
	}
	*to = n;
	return at;
}

/* Reads 0100007F:1F90, or four such words before the colon. */
static const char *read_addr_and_port(const char *at, uint8_t addr[16], uint16_t *port)
{
	uint32_t words[4], number;
	int n = 0;

	while (n < 4 && at && *at != ':')
		at = read_hex(at, 8, &words[n++]);
	if (!at || *at != ':' || (n != 1 && n != 4))
		return NULL;
	at = read_hex(at + 1, 4, &number);
	if (!at)
		return NULL;
	memset(addr, 0, 10);
	memset(addr + 10, 0xff, 2);
	memcpy(addr + 16 - 4 * n, words, 4 * (size_t)n);
	*port = (uint16_t)number;
	return skip_blanks(at);
}

int sockets_parse(const char *line, size_t len, struct socket_addresses *ends)
{
	char text[160];		/* the fields that are read are at its beginning */
	const char *at;
	uint32_t state = 0;

	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	memcpy(text, line, len);
	text[len] = '\0';
	at = strchr(text, ':');		/* "   0: " */
	if (at)
		at = read_addr_and_port(skip_blanks(at + 1), ends->laddr, &ends->lport);
	if (at)
		at = read_addr_and_port(at, ends->raddr, &ends->rport);
	if (at)
		at = read_hex(at, 2, &state);
	return at && state == TCP_ESTABLISHED ? 0 : -EINVAL;
}

static void on_socket_line(void *cookie, const char *line, size_t len, uint32_t netns)
{
	struct sockets *s = cookie;
	struct socket_addresses ends;

	(void)netns;
	if (sockets_parse(line, len, &ends))
		return;
	if (s->n == s->size) {
		size_t size = s->size ? 2 * s->size : FIRST_SIZE;
		struct socket_addresses *more = realloc(s->ends, size * sizeof(*more));

		if (!more) {
			s->full = true;
			return;
		}
		s->ends = more;
		s->size = size;
	}
	s->ends[s->n++] = ends;
}

static int compare_sockets(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct socket_addresses));
}

int sockets_read(struct sockets *s, const char *proc_root, const char *name)
{
	int err;

	memset(s, 0, sizeof(*s));
	err = namespaces_read(proc_root, name, on_socket_line, NULL, s);
	if (s->n)
		qsort(s->ends, s->n, sizeof(*s->ends), compare_sockets);
	return s->full ? -ENOMEM : err;
}

bool sockets_has(const struct sockets *s, const struct socket_addresses *ends)
{
	return s->n && bsearch(ends, s->ends, s->n, sizeof(*s->ends), compare_sockets);
}

void sockets_free(struct sockets *s)
{
	free(s->ends);
	memset(s, 0, sizeof(*s));
}
