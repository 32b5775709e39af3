/* SPDX-License-Identifier: Apache-2.0 */
/* Formats rows as text, and writes many of them at once. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "base/clock.h"
#include "base/losses.h"
#include "output/put.h"
#include "rows/names.h"
#include "rows/row.h"

#include <stddef.h>
#include <sys/socket.h>

struct output;

/** The functions of a format. They append at o->at, where OUTPUT_ROW_MAX bytes are free. */
struct output_format {
	void (*header)(struct output *o);
	void (*row)(struct output *o, const struct row *row);
	void (*lost)(struct output *o, uint64_t ts_ns, const struct losses *since);	/* NULL: prints nothing */
	void (*end)(struct output *o, const struct losses *lost);	/* NULL: prints nothing */
};

#define OUTPUT_ROW_MAX 2048

/** Widths of the columns of text, in characters. */
struct text_widths {
	int comm, comm_cut, ip, addr, rport, ms, real;
};

/** State of the terminal format; other formats do not use it. */
struct screen {
	struct text_widths widths;	/* so far; they only grow */
	int lines;			/* screen lines printed since the last heading, including it */
	bool colour;
};

/** What a printer needs to know of the command line. */
struct output_settings {
	bool json, csv;			/* neither: text, or on a terminal the format for people */
	bool wide, extended;		/* more columns */
	bool director;			/* more columns: extended of forwarded connections; counts tell their source */
	bool time, timestamp;		/* before each row */
	bool counts;			/* counts are printed, no rows */
	bool histogram, states, milliseconds;
	uint64_t limit;			/* rows to print; 0: all */
	const struct names *names;	/* of addresses; NULL: none are shown */
};

struct output {
	struct output_settings settings;
	const struct output_format *format;
	int fd;
	int err;			/* negative errno of the first write that failed */
	char *buffer, *at, *end;
	uint64_t events;		/* events received, whether shown or not; the caller counts them */
	uint64_t rows;
	uint64_t first_ts_ns;		/* time of the first row; 0: no row yet */
	struct wall_clock wall;		/* the caller looks at it again before it adds rows */
	int64_t clock_s;		/* the second that clock[] shows */
	char clock[9];			/* HH:MM:SS, local time */
	int64_t stamp_s;		/* the second that stamp[] shows */
	char stamp[32];			/* date and time to the second, UTC */
	struct screen screen;
	bool told[LOSSES];		/* for each loss: its warning was printed */
};

/**
 * output_open - choose the format that @settings ask for
 * @o:       filled; the caller frees it with output_close()
 * @fd:      not closed; if it is a terminal, text uses the terminal format
 * Return: 0 or -ENOMEM.
 */
int output_open(struct output *o, const struct output_settings *settings, int fd);

/**
 * output_flush - write out the buffer
 * Return: 0 or the negative errno of the first write(2) that failed; -EPIPE: the reader closed the pipe.
 */
int output_flush(struct output *o);

/** output_header - add the heading line */
void output_header(struct output *o);

/** output_room - make sure that OUTPUT_ROW_MAX bytes are free; writes only if the buffer is full */
static inline void output_room(struct output *o)
{
	if (o->end - o->at < OUTPUT_ROW_MAX)
		output_flush(o);
}

/** output_limit_reached - true if there are as many rows as -n asks for */
static inline bool output_limit_reached(const struct output *o)
{
	return o->settings.limit && o->rows >= o->settings.limit;
}

/** output_row - add a row; writes only if the buffer is full */
void output_row(struct output *o, const struct row *row);

/**
 * output_lost - report losses while tracing: a line of the format, if it has one, and for each cause one warning on
 * stderr, with the remedy
 * @ts_ns: time of the report, CLOCK_MONOTONIC
 * @since: losses since the last call
 * @last:  print no warnings, as output_print_end() follows
 */
void output_lost(struct output *o, uint64_t ts_ns, const struct losses *since, bool last);

/** output_filtered - number of events received that gave no row: after the limit of -n, or filtered in a replay */
uint64_t output_filtered(const struct output *o, const struct losses *lost);

/** output_end - add the last line of the format, if it has one; the caller calls output_flush() */
void output_end(struct output *o, const struct losses *lost);

/** output_warn_uncounted - warn on stderr if the maps for counting were full, with the number of each loss */
void output_warn_uncounted(const struct losses *lost);

/** output_print_end - print the last lines on stderr: rows printed, filtered and lost; their sum is all that was sent */
void output_print_end(const struct output *o, const struct losses *lost);

void output_close(struct output *o);

/* For the formats: each function appends at o->at. */

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

/** Appends milliseconds with 3 decimals, truncated. */
static inline void put_ms(struct output *o, uint64_t ns)
{
	put_milliseconds(&o->at, ns);
}

/** Pads the text since @start with spaces to @width columns; adds at most 32 spaces. */
static inline void put_pad(struct output *o, const char *start, int width)
{
	put_spaces(&o->at, start, width);
}

/** Writes the address at @at. Returns the end of the text. */
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

/** Returns the name of an endpoint, which needs no escape; NULL: it has none, or none are shown. */
static inline const char *output_name(const struct output *o, const struct endpoint *e)
{
	return o->settings.names ? names_find(o->settings.names, e) : NULL;
}

/** Appends UTF-8 @text as a JSON string; NULL gives null. */
void put_json(struct output *o, const char *text);
/** Appends the time columns, each followed by @separator; if that is a space, padded as in tcpstates. */
void put_times(struct output *o, const struct row *row, char separator);
/** Append a time: put_clock() local HH:MM:SS, put_stamp() RFC 3339 in UTC, microseconds. @ts_ns: CLOCK_MONOTONIC */
void put_clock(struct output *o, uint64_t ts_ns);
void put_stamp(struct output *o, uint64_t ts_ns);
/** Appends ADDR:PORT, for IPv6 [ADDR]:PORT, or NAME:PORT, or - if @e has no family. */
void put_addr_port(struct output *o, const struct endpoint *e);
void put_time_heads(struct output *o, char separator);

/**
 * output_comm - copy a process name; control characters, invalid UTF-8 and backslashes become \xHH
 * @to:   gets at most @max columns and a NUL; no character or escape is cut in two
 * @size: size of @to in bytes
 */
void output_comm(char *to, size_t size, const char comm[16], int max);

/** Names of the TCP states, and from ROW_IPVS on of those of IPVS, 16 bytes each, so that put_state() copies a fixed size, whatever the length. */
extern const struct output_state {
	char name[15];
	uint8_t len;
} output_states[32];

static inline const char *output_state(uint8_t state)
{
	return output_states[state & 31].name;
}

/** Always writes 15 bytes, but moves *at by the length of the name. */
static inline void put_state(char **at, uint8_t state)
{
	const struct output_state *s = &output_states[state & 31];

	memcpy(*at, s->name, sizeof(s->name));
	*at += s->len;
}

extern const struct output_format output_text, output_wide, output_terminal, output_csv, output_json;

/** output_terminal_init - set up the terminal format, for output_open() */
void output_terminal_init(struct output *o);

#endif
