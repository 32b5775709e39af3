/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the established TCP sockets of this host, from /proc/net/tcp and tcp6 of every network namespace. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct socket_addresses {
	uint8_t laddr[16], raddr[16];	/* network byte order, IPv4 mapped */
	uint16_t lport, rport;		/* host byte order */
};

struct sockets {
	struct socket_addresses *ends;	/* sorted */
	size_t n, size;
	bool full;			/* no memory for all of them */
};

/**
 * sockets_read - read the established sockets of one family
 * @s:    filled; the caller calls sockets_free()
 * @name: "tcp" or "tcp6"
 * Return: as namespaces_read(), or -ENOMEM
 */
int sockets_read(struct sockets *s, const char *proc_root, const char *name);

/** sockets_has - true if there is a socket with these addresses and ports */
bool sockets_has(const struct sockets *s, const struct socket_addresses *ends);

/**
 * sockets_parse - parse one line of such a file
 * Return: 0, or -EINVAL for the heading and for sockets in other states.
 * Source: get_tcp4_sock(), net/ipv4/tcp_ipv4.c; get_tcp6_sock(), net/ipv6/tcp_ipv6.c: an address is words of
 * 32 bits in the host's byte order
 */
int sockets_parse(const char *line, size_t len, struct socket_addresses *ends);

void sockets_free(struct sockets *s);

#endif
