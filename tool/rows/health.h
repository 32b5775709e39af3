/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds out which real servers are down, from the results of connects to them. It reads rows, and sometimes adds one.
 * Pure; its memory is bounded.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include "rows/row.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_PAIRS 4096	/* pairs of virtual service and real server that may fail at the same time */
#define HEALTH_HEADS 1024

/* Warning at the end, with the number of forgotten pairs. */
#define HEALTH_FORGOTTEN "%" PRIu64 " failing real servers forgotten: more than 4096 at once; select fewer by -V or -R"

struct health_pair {
	struct endpoint vip, real;
	uint64_t since_ns;		/* when the first failed connect began, or when the real server went down */
	uint64_t last_ns;		/* when the last connect failed */
	uint32_t failures;		/* failed connects in a row */
	uint16_t next;			/* next pair of its chain or of the free list: index + 1; 0: none */
	bool down;
};

struct health {
	uint64_t limit;			/* failed connects in a row until a real server is down; 0: never */
	struct health_pair *pair;	/* only those that fail; NULL if the limit is 0 */
	uint16_t *head;			/* first pair of each hash chain, as next */
	bool forwarded;			/* rows of IPVS's entries came: they have the same connects as sockets, and others */
	uint16_t free;			/* first pair of the free list, as next */
	uint64_t forgotten;		/* pairs dropped to make room for others */
};

/**
 * health_init - start with every real server up
 * @limit: failed connects in a row after which a real server is down; 0: never
 * Return: 0 or -ENOMEM; the caller calls health_fini() in either case.
 */
int health_init(struct health *h, uint64_t limit);

/**
 * health_row - process a row; rows come in time order
 * @event: if true is returned: the row to add after @row. Its event and reason are "real-server-down" or
 *	   "real-server-up". Both its states are the new one of @row. Its span is the time since the first
 *	   failed connect began, or since the real server was reported down. IPv4 in an IPv6 socket is shown as IPv4,
 *	   as IPVS has it. The rest is copied from @row.
 *
 * A connect has failed if it ended with an error. It has also failed if it ended, whoever ended it, after a second or more
 * without an answer: the kernel retransmits the first SYN after a second (TCP_TIMEOUT_INIT, include/net/tcp.h). A connect
 * that its program gave up before that is ignored, and so is one without a real server. A forwarded connect has failed if IPVS
 * says "refused" or "no-answer". Once there are rows of forwarded connections, those of sockets are ignored: they are of the
 * same connects.
 */
bool health_row(struct health *h, const struct row *row, struct row *event);

void health_fini(struct health *h);

#endif
