/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw events to a file and back, in place of perfbuf. What a recording holds is
 * in recording.c. It can be read on any machine of the same byte order.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include "base/losses.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* To be raised with every change of the file or of struct event, of its values too. */
#define RECORDING_VERSION 3	/* the only one that can be read: no release had an older one */

struct recording {
	int fd;
	int err;		/* negative errno of the first write that failed */
	bool told;		/* of it */
	char *buffer;		/* NULL: nothing is recorded */
	size_t used;
	uint64_t check;		/* of the block before */
};

/** What was lost since the last time. */
struct recording_lost {
	uint64_t ts_ns;			/* CLOCK_MONOTONIC */
	struct losses since;		/* the first LOSSES_RECORDED */
	bool last;			/* found when tracing had ended */
};

/**
 * recording_create - make @path or write it anew; nobody else may read it
 * @r:           filled; all zero records nothing; recording_close() it in either case
 * @realtime_ns: what to add to CLOCK_MONOTONIC to have the time of day
 * @cause:       one line, set on failure
 * Return: 0 or a negative errno.
 */
int recording_create(struct recording *r, const char *path, int64_t realtime_ns, char *cause,
		     size_t len);

/** recording_sample - add a sample as perfbuf hands it over */
void recording_sample(struct recording *r, const void *data, size_t len);

/**
 * recording_round - all samples of a round were added: one write
 * @before_ns: what correlate_next() was given
 * @rows:      how many rows it gave
 * Return: 0, or once a negative errno where writing has failed; nothing is recorded from then on.
 */
int recording_round(struct recording *r, uint64_t before_ns, uint64_t rows);

/** recording_lost - what output_lost() was given, after a round. Return: as recording_round() */
int recording_lost(struct recording *r, const struct recording_lost *lost);

/** recording_end - the last block: what was lost over all. Return: as recording_round() */
int recording_end(struct recording *r, const struct losses *lost);

/** recording_close - safe where nothing was opened */
void recording_close(struct recording *r);

enum recording_kind {
	RECORDING_SAMPLE,
	RECORDING_ROUND,
	RECORDING_LOST,
	RECORDING_END,
	RECORDING_CUT,		/* the file ends before its end */
};

struct recording_item {
	enum recording_kind kind;
	const void *data;	/* a sample, valid until the next call */
	size_t len;
	uint64_t before_ns, rows;	/* a round */
	struct recording_lost lost;
	struct losses end;	/* what was lost over all */
};

struct recording_reader {
	FILE *file;
	int64_t realtime_ns;
	char *block;		/* the one that is read */
	size_t size, at;	/* of it: bytes, taken */
	uint64_t check;
};

/**
 * recording_open - open a recording and read its head
 * @r:     filled; recording_reader_close() it in either case
 * @path:  "-" for stdin
 * @cause: one line, set on failure
 * Return: 0 or a negative errno: -EBADMSG where it is no recording that can be read here.
 */
int recording_open(struct recording_reader *r, const char *path, char *cause, size_t len);

/**
 * recording_next - the next thing in the file, in the order in which it was written
 * @item: filled on 0
 * Return: 0, -EBADMSG where the file is damaged, -EINTR after a signal, or another negative
 * errno; @cause is set then. Nothing can be read after that, nor after RECORDING_END and _CUT.
 */
int recording_next(struct recording_reader *r, struct recording_item *item, char *cause, size_t len);

void recording_reader_close(struct recording_reader *r);

#endif
