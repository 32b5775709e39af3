/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording is a header and blocks, in the byte order of the machine that made it:
 *
 *   SAMPLES  as the perf buffers held them, each after its length
 *   ROUND    ends the samples of a round, and holds how many rows were printed after it
 *   CLOCK    the wall clock was stepped: its difference to CLOCK_MONOTONIC, and from when on
 *   LOST     what was lost since the previous LOST
 *   END      all losses
 *
 * The rounds let a replay print the rows in the original order. Each block has a
 * checksum over its bytes and the previous checksum. All lengths are multiples of 8.
 */
#include "rows/recording.h"

#include "base/file.h"
#include "base/hash.h"
#include "rows/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAMPLES_MAX (256 * 1024)
#define BYTE_ORDER_MARK 0x01020304

static const char magic[8] = { '\x89', 'i', 'p', 'v', 's', 't', 's', '\n' };	/* not text; changed line ends break it */

struct head {
	char magic[8];
	uint32_t byte_order, version;
	uint32_t event_size, pad;
	int64_t realtime_ns;
	uint64_t check;
};

enum block_type { SAMPLES = 1, ROUND, END, LOST, CLOCK };

struct block {
	uint32_t type;
	uint32_t size;		/* of what follows, in bytes */
	uint64_t check;		/* over all but itself */
};

struct round {
	uint64_t before_ns, rows;
};

struct clock_step {
	uint64_t changed_ns;
	int64_t realtime_ns;
};

/* Indexed by enum loss. */
struct end {
	uint64_t n[LOSSES_RECORDED];
};

struct lost {
	uint64_t ts_ns;
	struct end since;
	uint64_t last;		/* 0 or 1 */
};

#define BUFFER_SIZE (SAMPLES_MAX + 2 * sizeof(struct block) + sizeof(struct lost))

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static uint64_t head_check(const struct head *h)
{
	return hash_words(HASH_BEGIN, h, offsetof(struct head, check));
}

static uint64_t block_check(uint64_t before, const struct block *b, const char *rest)
{
	return hash_words(hash_words(before, b, offsetof(struct block, check)), rest, b->size);
}

static int write_out(struct recording *r)
{
	int err = file_write(r->fd, r->buffer, r->used);

	r->used = 0;
	if (err)
		r->err = err;
	return r->err;
}

int recording_create(struct recording *r, const char *path, int64_t realtime_ns, char *errmsg,
		     size_t len)
{
	struct head h = {
		.byte_order = BYTE_ORDER_MARK,
		.version = RECORDING_VERSION,
		.event_size = sizeof(struct event),
		.realtime_ns = realtime_ns,
	};

	memset(r, 0, sizeof(*r));
	r->buffer = malloc(BUFFER_SIZE);
	if (!r->buffer) {
		snprintf(errmsg, len, "out of memory");
		return -ENOMEM;
	}
	/* Root writes here: a symbolic link that somebody planted must not lead elsewhere. */
	r->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (r->fd < 0) {
		int err = -errno;

		snprintf(errmsg, len, "cannot record to %.200s: %s", path,
			 err == -ELOOP ? "a symbolic link; give the file itself" : strerror(-err));
		free(r->buffer);
		r->buffer = NULL;
		return err;
	}
	memcpy(h.magic, magic, sizeof(magic));
	r->check = h.check = head_check(&h);
	memcpy(r->buffer, &h, sizeof(h));
	r->used = sizeof(h);
	if (write_out(r))
		snprintf(errmsg, len, "cannot record to %.200s: %s", path, strerror(-r->err));
	return r->err;
}

/* Makes a block of what was added since @start. The buffer has room for its header there. */
static void finish_block(struct recording *r, size_t start, enum block_type type)
{
	struct block b = { .type = type, .size = (uint32_t)(r->used - start - sizeof(b)) };

	b.check = r->check = block_check(r->check, &b, r->buffer + start + sizeof(b));
	memcpy(r->buffer + start, &b, sizeof(b));
}

static void add_block(struct recording *r, enum block_type type, const void *bytes, size_t len)
{
	size_t start = r->used;

	memcpy(r->buffer + start + sizeof(struct block), bytes, len);
	r->used += sizeof(struct block) + len;
	finish_block(r, start, type);
}

void recording_sample(struct recording *r, const void *data, size_t len)
{
	const uint32_t size = (uint32_t)len;
	size_t need = padded(sizeof(size) + len);
	char *at;

	if (!r->buffer || r->err)
		return;
	if (r->used + need > sizeof(struct block) + SAMPLES_MAX) {
		finish_block(r, 0, SAMPLES);
		if (write_out(r))
			return;		/* recording_round() reports it */
	}
	if (!r->used)
		r->used = sizeof(struct block);
	at = r->buffer + r->used;
	memcpy(at, &size, sizeof(size));
	memcpy(at + sizeof(size), data, len);
	memset(at + sizeof(size) + len, 0, need - sizeof(size) - len);
	r->used += need;
}

/* Returns the error once, then 0. */
static int error_once(struct recording *r)
{
	if (r->told)
		return 0;
	r->told = r->err;
	return r->err;
}

int recording_round(struct recording *r, uint64_t before_ns, uint64_t rows)
{
	const struct round round = { before_ns, rows };

	if (!r->buffer || (!r->err && !r->used && !rows))
		return 0;
	if (r->err)
		return error_once(r);
	if (r->used)
		finish_block(r, 0, SAMPLES);
	add_block(r, ROUND, &round, sizeof(round));
	write_out(r);
	return error_once(r);
}

int recording_clock(struct recording *r, uint64_t changed_ns, int64_t realtime_ns)
{
	const struct clock_step step = { changed_ns, realtime_ns };

	if (!r->buffer)
		return 0;
	if (!r->err) {
		if (r->used)
			finish_block(r, 0, SAMPLES);
		add_block(r, CLOCK, &step, sizeof(step));
		write_out(r);
	}
	return error_once(r);
}

int recording_lost(struct recording *r, const struct recording_lost *lost)
{
	struct lost block = { .ts_ns = lost->ts_ns, .last = lost->last };

	if (!r->buffer)
		return 0;
	if (!r->err) {
		memcpy(&block.since, lost->since.n, sizeof(block.since));
		add_block(r, LOST, &block, sizeof(block));
		write_out(r);
	}
	return error_once(r);
}

int recording_end(struct recording *r, const struct losses *lost)
{
	if (!r->buffer)
		return 0;
	if (!r->err) {
		add_block(r, END, lost->n, sizeof(struct end));
		write_out(r);
	}
	if (close(r->fd) && !r->err)
		r->err = -errno;	/* some file systems write only on close */
	r->fd = -1;
	return error_once(r);
}

void recording_close(struct recording *r)
{
	if (r->buffer && r->fd >= 0)
		close(r->fd);
	free(r->buffer);
	memset(r, 0, sizeof(*r));
}

/* ---- reading */

/* Reads @len bytes, fewer only at the end of the file. */
static int read_bytes(struct recording_reader *r, void *to, size_t len, size_t *got, char *errmsg,
		      size_t cause_len)
{
	errno = 0;
	*got = fread(to, 1, len, r->file);
	while (*got < len && ferror(r->file)) {
		int err = errno ? -errno : -EIO;

		if (err == -EAGAIN) {	/* stdin may be a pipe that does not block */
			clearerr(r->file);
			err = file_wait(fileno(r->file), POLLIN);
		}
		if (err) {
			snprintf(errmsg, cause_len, "cannot be read: %s", strerror(-err));
			return err;
		}
		*got += fread((char *)to + *got, 1, len - *got, r->file);
	}
	return 0;
}

static size_t event_size(uint32_t version)
{
	return version < 5 ? EVENT_SIZE_OLD : sizeof(struct event);
}

static int check_head(const struct head *h, size_t got, char *errmsg, size_t len)
{
	if (!got) {
		snprintf(errmsg, len, "is empty; make a recording by --record");
	} else if (memcmp(h->magic, magic, got < sizeof(magic) ? got : sizeof(magic))) {
		snprintf(errmsg, len, "is no recording; make one by --record");
	} else if (got < sizeof(*h)) {
		snprintf(errmsg, len, "ends within its header: nothing was recorded");
	} else if (h->byte_order == __builtin_bswap32(BYTE_ORDER_MARK)) {
		snprintf(errmsg, len, "was recorded on a machine of the other byte order; "
			 "replay it on one like that");
	} else if (h->byte_order == BYTE_ORDER_MARK &&
		   (h->version < RECORDING_VERSION_OLDEST || h->version > RECORDING_VERSION ||
		    h->event_size != event_size(h->version))) {
		snprintf(errmsg, len, "has format %u with events of %u bytes, this tool reads formats %d to %d; "
			 "replay it by the release that recorded it", h->version, h->event_size,
			 RECORDING_VERSION_OLDEST, RECORDING_VERSION);
	} else if (h->byte_order != BYTE_ORDER_MARK || head_check(h) != h->check) {
		snprintf(errmsg, len, "has a damaged header");
	} else {
		return 0;
	}
	return -EBADMSG;
}

int recording_open(struct recording_reader *r, const char *path, char *errmsg, size_t len)
{
	struct head h;
	size_t got;
	int err;

	memset(r, 0, sizeof(*r));
	r->block = malloc(SAMPLES_MAX);
	if (!r->block) {
		snprintf(errmsg, len, "cannot be read: out of memory");
		return -ENOMEM;
	}
	r->file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	if (!r->file) {
		err = -errno;
		snprintf(errmsg, len, "cannot be opened: %s", strerror(-err));
		return err;
	}
	err = read_bytes(r, &h, sizeof(h), &got, errmsg, len);
	if (!err)
		err = check_head(&h, got, errmsg, len);
	if (err)
		return err;
	r->check = h.check;
	r->realtime_ns = h.realtime_ns;
	return 0;
}

static bool size_fits(const struct block *b)
{
	switch (b->type) {
	case SAMPLES:
		return b->size && b->size <= SAMPLES_MAX && b->size % 8 == 0;
	case ROUND:
		return b->size == sizeof(struct round);
	case END:
		return b->size == sizeof(struct end);
	case LOST:
		return b->size == sizeof(struct lost);
	case CLOCK:
		return b->size == sizeof(struct clock_step);
	default:
		return false;
	}
}

static int damaged(char *errmsg, size_t len)
{
	snprintf(errmsg, len, "is damaged");
	return -EBADMSG;
}

/* Reads the next block and checks it. Sets the size to 0 if the file ends before the block does. */
static int read_block(struct recording_reader *r, struct block *b, char *errmsg, size_t len)
{
	size_t got;
	int err;

	r->size = r->at = 0;
	err = read_bytes(r, b, sizeof(*b), &got, errmsg, len);
	if (err || got < sizeof(*b))
		return err;
	if (!size_fits(b))
		return damaged(errmsg, len);
	err = read_bytes(r, r->block, b->size, &got, errmsg, len);
	if (err || got < b->size)
		return err;
	if (block_check(r->check, b, r->block) != b->check)
		return damaged(errmsg, len);
	r->check = b->check;
	r->size = b->size;
	return 0;
}

static int take_sample(struct recording_reader *r, struct recording_item *item, char *errmsg, size_t len)
{
	size_t left = r->size - r->at;
	uint32_t size;

	memcpy(&size, r->block + r->at, sizeof(size));
	if (size > left - sizeof(size))
		return damaged(errmsg, len);
	item->kind = RECORDING_SAMPLE;
	item->data = r->block + r->at + sizeof(size);
	item->len = size;
	r->at += padded(sizeof(size) + size);
	return 0;
}

static void take_end(const struct recording_reader *r, size_t at, struct losses *lost)
{
	memset(lost, 0, sizeof(*lost));
	memcpy(lost->n, r->block + at, sizeof(struct end));
}

static void take_lost(const struct recording_reader *r, struct recording_lost *lost)
{
	uint64_t last;

	memcpy(&lost->ts_ns, r->block, sizeof(lost->ts_ns));
	take_end(r, offsetof(struct lost, since), &lost->since);
	memcpy(&last, r->block + offsetof(struct lost, last), sizeof(last));
	lost->last = last;
}

int recording_next(struct recording_reader *r, struct recording_item *item, char *errmsg, size_t len)
{
	struct clock_step step;
	struct round round;
	struct block b;
	int err;

	if (r->at < r->size)
		return take_sample(r, item, errmsg, len);
	err = read_block(r, &b, errmsg, len);
	if (err)
		return err;
	if (!r->size) {
		item->kind = RECORDING_CUT;
		return 0;
	}
	switch (b.type) {
	case SAMPLES:
		return take_sample(r, item, errmsg, len);
	case ROUND:
		memcpy(&round, r->block, sizeof(round));
		item->kind = RECORDING_ROUND;
		item->before_ns = round.before_ns;
		item->rows = round.rows;
		break;
	case CLOCK:
		memcpy(&step, r->block, sizeof(step));
		item->kind = RECORDING_CLOCK;
		item->changed_ns = step.changed_ns;
		item->realtime_ns = step.realtime_ns;
		break;
	case LOST:
		item->kind = RECORDING_LOST;
		take_lost(r, &item->lost);
		break;
	default:
		if (getc(r->file) != EOF)
			return damaged(errmsg, len);
		item->kind = RECORDING_END;
		take_end(r, 0, &item->end);
	}
	r->at = r->size;
	return 0;
}

void recording_reader_close(struct recording_reader *r)
{
	if (r->file && r->file != stdin)
		fclose(r->file);
	free(r->block);
	memset(r, 0, sizeof(*r));
}
