/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells which open connections have a real server that has left its service or has weight 0, once each.
 *
 * The programs only hint that there may be one: somebody configures IPVS, or a connection gets a real server of weight 0, as in a
 * persistent service. After a hint the tool reads IPVS's services, and looks through map "sockets".
 */
#ifndef STALE_H
#define STALE_H

#include "ipvs/services.h"
#include "trace/kernel.h"

/* Identifies a connection. */
struct stale_conn {
	uint64_t skaddr, established_ns;
	uint32_t ports, pad;
};

struct stale {
	struct services services;
	struct stale_conn *conn;	/* those that were stale at the last look, so they have their row; sorted */
	size_t n;
	uint64_t hints;			/* COUNT_STALE_HINTS at the last look */
	unsigned looks;			/* that are due without another hint */
	uint64_t after_ns;		/* earliest time of the next one, CLOCK_MONOTONIC */
	bool warned;			/* warned that there are too many real servers */
};

/* What stale_look() calls. */
struct stale_to {
	void (*event)(void *cookie, const void *data, size_t len);	/* gets a struct event of EVENT_STALE_REAL */
	void (*meanwhile)(void *cookie);				/* called every few ms */
	void *cookie;
};

/** stale_begin - read which services there are; @s is zero at first, and the caller calls stale_end() */
void stale_begin(struct stale *s, const struct kernel *k);

/** stale_look - make an event for each connection that has become stale, if there was a hint; called about once a second */
void stale_look(struct stale *s, const struct kernel *k, const struct stale_to *to);

void stale_end(struct stale *s);

#endif
