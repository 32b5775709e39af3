/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the events of all CPUs into rows in time order, each with its reason.
 * Pure: the caller passes the time.
 */
#ifndef CORRELATE_H
#define CORRELATE_H

#include "rows/decode.h"
#include "rows/row.h"

#include <stdbool.h>

struct order {
	uint64_t ts_ns;
	uint32_t at;		/* index in events */
};

struct correlate {
	struct event *events;
	struct order *order, *spare;
	uint32_t n, size;	/* events held, and room for how many */
	uint32_t next;		/* index in order of the next row to take */
	bool failures;		/* the caller sets these two: what makes a row one of trouble */
	uint64_t slow_ns;	/* 0: no connect is too slow */
};

/** correlate_init - start without events; Return: 0 or -ENOMEM; the caller calls correlate_fini() in either case */
int correlate_init(struct correlate *c);

/**
 * correlate_add - add one event
 * @data: as perfbuf passes it
 * Return: 0, -EBADMSG for bytes that are no event, -ENOMEM.
 */
int correlate_add(struct correlate *c, const void *data, size_t len);

/** correlate_sort - sort the events; called after the last correlate_add() and before correlate_next() */
void correlate_sort(struct correlate *c);

/**
 * correlate_next - take the next row
 * @before_ns: only events before this time: a CPU may still send later ones
 * @row:       filled if true is returned
 */
bool correlate_next(struct correlate *c, uint64_t before_ns, struct row *row);

/** correlate_keep - drop the events before @before_ns, taken or not, and keep the rest for the next round */
void correlate_keep(struct correlate *c, uint64_t before_ns);

void correlate_fini(struct correlate *c);

#endif
