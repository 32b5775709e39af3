/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of ports and addresses from the command line, and look-ups in them. Pure. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_PORTS_MAX 512
#define FILTER_ADDRESSES_MAX 512

struct port_list {
	size_t n;				/* 0: every port */
	uint16_t port[FILTER_PORTS_MAX];	/* host byte order */
};

struct address_list {
	size_t n;				/* 0: every address */
	struct {
		uint8_t addr[16];		/* network byte order, IPv4 mapped */
		uint16_t port;			/* host byte order; 0: every port */
	} end[FILTER_ADDRESSES_MAX];
};

#define FILTER_FILES_MAX 16

struct file_list {
	size_t n;
	const char *path[FILTER_FILES_MAX];	/* not owned */
};

/** filter_has_port - true if the list has this port, or is empty; host byte order */
bool filter_has_port(const struct port_list *list, uint16_t port);

/**
 * filter_has_address - true if the list has this address with this port or with every port, or is empty
 * @addr: network byte order, IPv4 mapped
 * @port: host byte order
 */
bool filter_has_address(const struct address_list *list, const uint8_t addr[16], uint16_t port);

#endif
