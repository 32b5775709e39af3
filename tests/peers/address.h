/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses such as 10.99.0.1:80 and [fd00:99::1]:80. */
#ifndef PEERS_ADDRESS_H
#define PEERS_ADDRESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 64

union address {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};

static inline socklen_t address_len(const union address *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->ip6) : sizeof(a->ip4);
}

static inline void address_set_port(union address *a, unsigned port)
{
	if (a->any.sa_family == AF_INET6)
		a->ip6.sin6_port = htons((in_port_t)port);
	else
		a->ip4.sin_port = htons((in_port_t)port);
}

/* Return: 0 or -EINVAL */
static inline int address_parse(union address *a, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[ADDRESS_TEXT_MAX];
	size_t len;
	int port;

	memset(a, 0, sizeof(*a));
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';
	port = atoi(colon + 1);
	if (port < 1 || port > 65535)
		return -EINVAL;
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		a->any.sa_family = AF_INET6;
		if (inet_pton(AF_INET6, host + 1, &a->ip6.sin6_addr) != 1)
			return -EINVAL;
	} else {
		a->any.sa_family = AF_INET;
		if (inet_pton(AF_INET, host, &a->ip4.sin_addr) != 1)
			return -EINVAL;
	}
	address_set_port(a, (unsigned)port);
	return 0;
}

static inline void address_print(const union address *a, char text[ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (a->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->ip6.sin6_addr, host, sizeof(host));
		snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(a->ip6.sin6_port));
	} else {
		inet_ntop(AF_INET, &a->ip4.sin_addr, host, sizeof(host));
		snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(a->ip4.sin_port));
	}
}

#endif
