/* SPDX-License-Identifier: Apache-2.0 */
/* A finished row: everything that the printers use. */
#ifndef ROW_H
#define ROW_H

#include "host/container.h"

#include <stdbool.h>
#include <stdint.h>

struct endpoint {
	uint8_t addr[16];	/* network byte order; IPv4 in the last 4 bytes, mapped */
	uint16_t port;		/* host byte order */
	uint8_t family;		/* AF_INET, AF_INET6; 0: none */
};

#define ROW_IPVS 16	/* the numbers of TCP states are below this */

struct row {
	uint64_t ts_ns;		/* CLOCK_MONOTONIC */
	uint64_t skaddr;
	uint64_t span_ns;	/* time in the old state */
	uint32_t pid, uid;
	uint32_t netns;		/* inode number, 0: not known */
	bool owned;		/* pid, uid and comm are of the process that opened the socket, else of the one that ran */
	uint32_t cgroup;	/* lower half of the ID of the opener's control group; 0: not known */
	const struct container *container;	/* the opener's; NULL: none or not known */
	char comm[16];		/* NUL-terminated, otherwise any bytes */
	struct endpoint local, remote, real;
	uint8_t oldstate, newstate;	/* enum tcp_state; ROW_IPVS + enum ipvs_state */
	bool forwarded;		/* of IPVS's entry, which is skaddr: there is no process */
	bool server;		/* of a connection that has no socket yet; skaddr is its request's, its listener's, or 0: no process */
	const char *method;	/* forwarding method, NULL: no real server or not known */
	const char *event;	/* "state", or another event in that state; static */
	int64_t age_ms;		/* age of IPVS's entry, until its end; negative: not known */
	int64_t gone_ms;	/* time since its end; negative: it has not ended, or not known */
	const char *reason;	/* one word, NULL: none; static */
	bool trouble;		/* it tells of what --failures or --slow ask for */
	/* Only if forwarded: */
	uint32_t packets;	/* from the client */
	int64_t expires_ms;	/* from the last packet until IPVS ends the entry; negative: not known, or it has ended */
	int64_t connect_us;	/* time from the SYN, see connect_to; negative: not known */
	const char *connect_to;	/* "syn-ack": the real server's SYN-ACK; "ack": the client's ACK; NULL: not known */
};

/** row_has_process - true if pid, uid and comm are known: there is a socket */
static inline bool row_has_process(const struct row *row)
{
	return !row->forwarded && !row->server;
}

#endif
