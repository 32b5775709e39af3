/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints for tests. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "rows/row.h"

#include <sys/socket.h>

/* a.b.c.d, as an initializer too. */
#define IPV4(a, b, c, d, port_)									\
	{ .addr = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }, .port = (port_),	\
	  .family = AF_INET }

/* 10.0.0.0 and @host more. */
static inline struct endpoint ipv4(uint32_t host, uint16_t port)
{
	return (struct endpoint)IPV4(10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host, port);
}

#endif
