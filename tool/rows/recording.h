/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes raw events to a file, and reads them back in place of perfbuf.
 * recording.c describes the format. Any machine of the same byte order can read it.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include "base/losses.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Raise it with every change of the file format, of struct event or of its values. */
#define RECORDING_VERSION 5
#define RECORDING_VERSION_OLDEST 3	/* can be read too: it has no CLOCK blocks; before 5 events have no control group */

struct recording {
	int fd;
	int err;		/* negative errno of the first write that failed */
	bool told;		/* err was reported */
	char *buffer;		/* NULL: nothing is recorded */
	size_t used;
	uint64_t check;		/* checksum of the block before */
};

/** What was lost since the last report. */
struct recording_lost {
	uint64_t ts_ns;			/* CLOCK_MONOTONIC */
	struct losses since;		/* only the first LOSSES_RECORDED */
	bool last;			/* found after tracing had ended */
};

/**
 * recording_create - create @path or overwrite it; nobody else may read it
 * @r:           filled; all zero records nothing; the caller calls recording_close() in either case
 * @realtime_ns: time of day minus CLOCK_MONOTONIC, until recording_clock() is called
 * @errmsg:       one line, set on failure
 * Return: 0 or a negative errno.
 */
int recording_create(struct recording *r, const char *path, int64_t realtime_ns, char *errmsg,
		     size_t len);

/** recording_sample - add a sample as perfbuf passes it */
void recording_sample(struct recording *r, const void *data, size_t len);

/**
 * recording_round - write a round, once all its samples were added: one write
 * @before_ns: as passed to correlate_next()
 * @rows:      how many rows it returned
 * Return: 0. If writing has failed: a negative errno, once; nothing is recorded from then on.
 */
int recording_round(struct recording *r, uint64_t before_ns, uint64_t rows);

/**
 * recording_clock - write that the wall clock was stepped, before the round whose rows show it
 * @changed_ns, @realtime_ns: as for wall_clock_change()
 * Return: as recording_round()
 */
int recording_clock(struct recording *r, uint64_t changed_ns, int64_t realtime_ns);

/** recording_lost - write the losses that output_lost() was given, after a round. Return: as recording_round() */
int recording_lost(struct recording *r, const struct recording_lost *lost);

/** recording_end - write the last block: all losses. Return: as recording_round() */
int recording_end(struct recording *r, const struct losses *lost);

/** recording_close - close the file and free the buffer; safe if nothing was opened */
void recording_close(struct recording *r);

enum recording_kind {
	RECORDING_SAMPLE,
	RECORDING_ROUND,
	RECORDING_CLOCK,
	RECORDING_LOST,
	RECORDING_END,
	RECORDING_CUT,		/* the file stops before its RECORDING_END */
};

struct recording_item {
	enum recording_kind kind;
	const void *data;	/* of a sample, valid until the next call */
	size_t len;
	uint64_t before_ns, rows;	/* of a round */
	uint64_t changed_ns;		/* of the clock: see recording_clock() */
	int64_t realtime_ns;
	struct recording_lost lost;
	struct losses end;	/* all losses */
};

struct recording_reader {
	FILE *file;
	int64_t realtime_ns;
	char *block;		/* the block being read */
	size_t size, at;	/* of the block: bytes, and how many were read */
	uint64_t check;
};

/**
 * recording_open - open a recording and read its header
 * @r:     filled; the caller calls recording_reader_close() in either case
 * @path:  "-" for stdin
 * @errmsg: one line, set on failure
 * Return: 0 or a negative errno: -EBADMSG if it is no recording that can be read here.
 */
int recording_open(struct recording_reader *r, const char *path, char *errmsg, size_t len);

/**
 * recording_next - read the next item of the file, in the order of writing
 * @item: filled on 0
 * Return: 0, -EBADMSG if the file is damaged, -EINTR after a signal, or another negative
 * errno. An error sets @errmsg. Nothing can be read after an error, nor after RECORDING_END or RECORDING_CUT.
 */
int recording_next(struct recording_reader *r, struct recording_item *item, char *errmsg, size_t len);

void recording_reader_close(struct recording_reader *r);

#endif
