/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which real servers are down, judged by what becomes of connects to them: rows in, now and then one more row out.
 * Pure; the state is bounded.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include "rows/row.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_PAIRS 4096	/* virtual services and their real servers that fail at a time */
#define HEALTH_HEADS 1024

/* To be said at the end, with their number. */
#define HEALTH_FORGOTTEN "%" PRIu64 " failing real servers forgotten: more than 4096 at once; look at fewer by -V or -R"

struct health_pair {
	struct endpoint vip, real;
	uint64_t since_ns;		/* the first of the failed connects began, or it went down */
	uint64_t last_ns;		/* the last one failed */
	uint32_t failures;		/* in a row */
	uint16_t next;			/* in its chain or among the free ones: index + 1, 0: none */
	bool down;
};

struct health {
	uint64_t limit;			/* 0: nobody is judged */
	struct health_pair *pair;	/* only those that fail; NULL where nobody is judged */
	uint16_t *head;			/* of the chains, as next */
	uint16_t free;			/* as next */
	uint64_t forgotten;		/* pairs that made place for others */
};

/**
 * health_init - begin with every real server up
 * @limit: failed connects in a row after which one is down; 0: say nothing ever
 * Return: 0 or -ENOMEM; health_fini() in either case.
 */
int health_init(struct health *h, uint64_t limit);

/**
 * health_row - take in a row, in the order of time
 * @event: where true is returned: the row that follows @row. Its event and reason are "real-server-down" or
 *	   "real-server-up"; its states are both the new one of @row; its span is the time since the first of the
 *	   failed connects began, or since the real server was said to be down. IPv4 in an IPv6 socket is shown as IPv4,
 *	   as IPVS has it. All else is that of @row.
 *
 * A connect has failed where it ended with an error, or after a second or more without an answer (the first SYN is sent
 * again after one: TCP_TIMEOUT_INIT, include/net/tcp.h) whoever ended it. One that its program gave up
 * before that says nothing of the real server, and neither does one that came to none.
 */
bool health_row(struct health *h, const struct row *row, struct row *event);

void health_fini(struct health *h);

#endif
