/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets only rows pass that tell of trouble, and with --failures=whole the other rows of the same connection too. While tracing,
 * the programs hold back most of what is not shown; this is what decides, also for recordings. Pure; its memory is bounded.
 */
#ifndef TROUBLE_H
#define TROUBLE_H

#include "rows/row.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#define TROUBLE_CONNS 65536	/* connections that are remembered at the same time */
#define TROUBLE_ROWS 131072	/* rows that wait at the same time */

/* Warning at the end, with the number of forgotten rows. */
#define TROUBLE_FORGOTTEN "%" PRIu64 " rows of connections that had not ended were forgotten: more than 131072 waited at once"

struct trouble_row {
	struct row row;
	struct container container;	/* what row.container points to */
	uint32_t next;			/* of the same connection or of the free list: index + 1; 0: none */
};

struct trouble_conn {
	uint64_t skaddr;
	uint32_t first, last;		/* rows that wait: index + 1; 0: none */
	uint32_t next;			/* of its hash chain or of the free list, in the same way */
	uint32_t older, newer;		/* in the same way */
	bool shown;			/* it had trouble: all its rows are shown */
};

struct trouble {
	bool on, whole;
	struct trouble_row *row;	/* these are used from the first on, so most of their pages stay untouched */
	struct trouble_conn *conn;
	uint32_t *head;			/* first connection of each hash chain, as next */
	uint32_t rows, conns;		/* used so far */
	uint32_t free_row, free_conn;	/* free lists, as next */
	uint32_t oldest, newest;	/* connections, as next */
	uint64_t forgotten;		/* rows dropped to make room for others */
};

/**
 * trouble_init - start without rows
 * @on:    only trouble is shown; false: every row
 * @whole: with @on: from the first trouble of a connection on all its rows, and before that those that wait
 * Return: 0 or -ENOMEM; the caller calls trouble_fini() in either case.
 */
int trouble_init(struct trouble *t, bool on, bool whole);

/**
 * trouble_row - process a row; rows come in time order
 * @show: is called for each row to be shown now: none, or @row, or before it those of its connection that waited
 */
void trouble_row(struct trouble *t, const struct row *row, void (*show)(void *cookie, const struct row *row), void *cookie);

void trouble_fini(struct trouble *t);

#endif
