/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints for tests. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "rows/row.h"

#include <sys/socket.h>

/* a.b.c.d, also for initializers. */
#define IPV4(a, b, c, d, port_)									\
	{ .addr = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }, .port = (port_),	\
	  .family = AF_INET }

/* Returns 10.0.0.0 plus @host. */
static inline struct endpoint ipv4(uint32_t host, uint16_t port)
{
	return (struct endpoint)IPV4(10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host, port);
}

#endif
