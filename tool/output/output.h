/* SPDX-License-Identifier: Apache-2.0 */
/* Rows to text, many to a write. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "base/losses.h"
#include "cli/options.h"
#include "output/put.h"
#include "rows/row.h"

#include <stddef.h>
#include <sys/socket.h>

struct output;

/** What a format has to be able to do. Each writes at o->at, where OUTPUT_ROW_MAX bytes are free. */
struct output_format {
	void (*header)(struct output *o);
	void (*row)(struct output *o, const struct row *row);
	void (*lost)(struct output *o, uint64_t ts_ns, const struct losses *since);	/* NULL: nothing */
	void (*end)(struct output *o, const struct losses *lost);	/* NULL: nothing */
};

#define OUTPUT_ROW_MAX 1024

/** Columns of text, in characters. */
struct text_widths {
	int comm, comm_cut, ip, addr, rport, ms, real;
};

/** What a terminal needs to know; unused elsewhere. */
struct screen {
	struct text_widths widths;	/* so far */
	int lines;			/* of the screen, from the last heading on */
	bool colour;
};

struct output {
	const struct options *options;
	const struct output_format *format;
	int fd;
	int err;			/* negative errno of the first write that failed */
	char *buffer, *at, *end;
	uint64_t events;		/* that came, for the caller to count: rows, and what was not asked for */
	uint64_t rows;
	uint64_t first_ts_ns;		/* 0: no row yet */
	int64_t realtime_ns;		/* what to add to CLOCK_MONOTONIC */
	int64_t clock_s;		/* the second that clock[] shows */
	char clock[9];			/* HH:MM:SS, local time */
	int64_t stamp_s;		/* the second that stamp[] shows */
	char stamp[32];			/* date and time to the second, UTC */
	struct screen screen;
	bool told[LOSSES];		/* what to do about a loss was said */
};

/**
 * output_open - choose the format that @options ask for
 * @o:       filled; output_close() it
 * @options: must outlive @o
 * @fd:      not closed; text is laid out for people where it is a terminal
 * Return: 0 or -ENOMEM.
 */
int output_open(struct output *o, const struct options *options, int fd);

/**
 * output_flush - write out all there is
 * Return: 0 or the negative errno of the first write(2) that failed: -EPIPE is a reader that left.
 */
int output_flush(struct output *o);

/** output_header - the heading line */
void output_header(struct output *o);

/** output_room - see to it that OUTPUT_ROW_MAX bytes are free; writes only where the buffer is full */
static inline void output_room(struct output *o)
{
	if (o->end - o->at < OUTPUT_ROW_MAX)
		output_flush(o);
}

/** output_row - add a row; writes only where the buffer is full */
void output_row(struct output *o, const struct row *row);

/**
 * output_lost - losses while rows come: what the format has for them, and once for each cause what can be done
 * about it, on stderr
 * @ts_ns: when, CLOCK_MONOTONIC
 * @since: what was lost since the last call
 * @last:  output_say_end() is about to say all
 */
void output_lost(struct output *o, uint64_t ts_ns, const struct losses *since, bool last);

/** output_filtered - events that came and are no rows: past the -n wanted, or not chosen from a recording */
uint64_t output_filtered(const struct output *o, const struct losses *lost);

/** output_end - what the format says at the end, if anything; output_flush() is still to come */
void output_end(struct output *o, const struct losses *lost);

/** output_say_uncounted - on stderr, what found no room in the maps of counting; nothing where all did */
void output_say_uncounted(const struct losses *lost);

/** output_say_end - the last lines on stderr: rows printed, left out and lost, which is all that was sent */
void output_say_end(const struct output *o, const struct losses *lost);

void output_close(struct output *o);

/* For the formats: each adds to o->at. */

static inline void put_char(struct output *o, char c)
{
	put_one(&o->at, c);
}

static inline void put_text(struct output *o, const char *text)
{
	put_raw(&o->at, text, strlen(text));
}

static inline void put_u64(struct output *o, uint64_t n)
{
	put_number(&o->at, n);
}

static inline void put_hex(struct output *o, uint64_t n)
{
	put_base16(&o->at, n);
}

/** Milliseconds with 3 decimals, cut off. */
static inline void put_ms(struct output *o, uint64_t ns)
{
	put_milliseconds(&o->at, ns);
}

/** Spaces up to @width columns after @start, at most 32; none if there are as many already. */
static inline void put_pad(struct output *o, const char *start, int width)
{
	put_spaces(&o->at, start, width);
}

/** Return: behind the address, which is put at @at. */
static inline char *put_addr_at(char *at, const struct endpoint *e)
{
	if (e->family == AF_INET6)
		put_groups(&at, e->addr);
	else
		put_octets(&at, e->addr + 12);
	return at;
}

static inline void put_addr(struct output *o, const struct endpoint *e)
{
	o->at = put_addr_at(o->at, e);
}

/** A JSON string of UTF-8; NULL: null. */
void put_json(struct output *o, const char *text);
/** The time columns, each followed by @separator; padded as tcpstates does unless CSV. */
void put_times(struct output *o, const struct row *row, char separator);
/** HH:MM:SS, local time; RFC 3339, UTC, microseconds. @ts_ns: CLOCK_MONOTONIC */
void put_clock(struct output *o, uint64_t ts_ns);
void put_stamp(struct output *o, uint64_t ts_ns);
/** ADDR:PORT, [ADDR]:PORT, or - for none. */
void put_addr_port(struct output *o, const struct endpoint *e);
void put_time_heads(struct output *o, char separator);

/**
 * output_comm - a process name made safe: control characters, broken UTF-8 and the backslash as \xHH
 * @to:   at most @max columns and a NUL; a character or escape is never cut in two
 * @size: of @to, bytes
 */
void output_comm(char *to, size_t size, const char comm[16], int max);

/** Names of states; 16 bytes each, so that they can be copied without a look at their lengths. */
extern const struct output_state {
	char name[15];
	uint8_t len;
} output_states[16];

static inline const char *output_state(uint8_t state)
{
	return output_states[state & 15].name;
}

/** Writes 15 bytes, however few count. */
static inline void put_state(char **at, uint8_t state)
{
	const struct output_state *s = &output_states[state & 15];

	memcpy(*at, s->name, sizeof(s->name));
	*at += s->len;
}

extern const struct output_format output_text, output_wide, output_terminal, output_csv, output_json;

/** output_terminal_init - for output_open() */
void output_terminal_init(struct output *o);

#endif
