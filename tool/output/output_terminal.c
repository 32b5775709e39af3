/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text rows on a terminal, which only people read. Columns grow with the addresses, the heading
 * is repeated when the last one scrolls away, reasons are in colour.
 */
#include "output/output_text.h"
#include "probes/tcp_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define LINES_DEFAULT 24	/* if the terminal does not report its size */
#define LINES_MIN 5		/* room for a heading and several rows */
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

/* Widths to which a column grows. They are few, as each step repeats the heading. The second one fits any address, the last
 * one is for names: a longer name moves the rest of its row to the right. */
static const int addr_widths[] = { 26, 39, 64 };
static const int real_widths[] = { 32, 47, 64 };

enum { N_WIDTHS = 3 };

/* True if the terminal shows colours. NO_COLOR with a value that is not empty forbids them (no-color.org). */
static bool has_colour(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no_color && *no_color) && term && *term && strcmp(term, "dumb") != 0;
}

void output_terminal_init(struct output *o)
{
	o->screen.widths = o->settings.wide ? output_widths_wide : output_widths_narrow;
	o->screen.colour = has_colour();
}

/* Counts the columns of a text. Escape sequences and the later bytes of a UTF-8 character take no column. */
static int columns_of(const char *from, const char *to)
{
	int columns = 0;

	for (; from < to; from++) {
		if (*from == '\033')
			from = memchr(from, 'm', (size_t)(to - from));
		else
			columns += (*from & 0xc0) != 0x80 && *from != '\n';
	}
	return columns;
}

/* Counts the lines of the screen that the text since @from takes. */
static int lines_of(const struct output *o, const char *from, const struct winsize *size)
{
	int columns = columns_of(from, o->at);

	return size->ws_col && columns > size->ws_col ? (columns - 1) / size->ws_col + 1 : 1;
}

/* Called for each row, as the window may change its size at any time. */
static void get_size(const struct output *o, struct winsize *size)
{
	if (ioctl(o->fd, TIOCGWINSZ, size) || !size->ws_row)
		*size = (struct winsize){ .ws_row = LINES_DEFAULT };
	if (size->ws_row < LINES_MIN)
		size->ws_row = LINES_MIN;
}

static int addr_len(const struct endpoint *e)
{
	char text[64];
	struct output o = { .at = text };

	if (e->family != AF_INET6)
		return 0;	/* always fits */
	put_addr(&o, e);
	return (int)(o.at - text);
}

static int name_len(const struct output *o, const struct endpoint *e)
{
	const char *name = output_name(o, e);

	return name ? (int)strlen(name) : addr_len(e);
}

/* Widens a column to fit @len characters. Returns true if it had to grow. */
static bool fit(int *width, const int steps[N_WIDTHS], int len)
{
	int i = 0;

	if (len <= *width || *width == steps[N_WIDTHS - 1])
		return false;
	while (i < N_WIDTHS - 1 && steps[i] < len)
		i++;
	*width = steps[i];
	return true;
}

static bool fit_row(struct output *o, const struct row *r)
{
	struct text_widths *w = &o->screen.widths;
	bool grown = fit(&w->addr, addr_widths, addr_len(&r->local));
	int len = name_len(o, &r->real);

	grown |= fit(&w->addr, addr_widths, name_len(o, &r->remote));
	grown |= fit(&w->real, real_widths, len ? len + (int)strlen("[]:65535") : 0);
	return grown;
}

static void terminal_put_heading(struct output *o, const struct winsize *size)
{
	const char *start = o->at;

	text_header(o, &o->screen.widths);
	o->screen.lines = lines_of(o, start, size);
}

static void terminal_header(struct output *o)
{
	struct winsize size;

	get_size(o, &size);
	terminal_put_heading(o, &size);
}

static void put_reason(struct output *o, const struct row *r)
{
	if (!r->reason || !o->screen.colour) {
		put_text(o, r->reason ? r->reason : "-");
		return;
	}
	put_text(o, r->newstate == TCP_CLOSE || r->newstate == ROW_IPVS + IPVS_CLOSE ||
		    (r->newstate == ROW_IPVS + IPVS_NONE && r->oldstate != r->newstate) ? RED : YELLOW);
	put_text(o, r->reason);
	put_text(o, PLAIN);
}

/* The line of the cursor also takes a line of the screen. */
static void terminal_row(struct output *o, const struct row *r)
{
	struct winsize size;
	const char *start;

	get_size(o, &size);
	if (fit_row(o, r) || o->screen.lines >= size.ws_row - 1)
		terminal_put_heading(o, &size);
	start = o->at;
	text_columns(o, r, &o->screen.widths);
	put_reason(o, r);
	text_end(o, r);
	o->screen.lines += lines_of(o, start, &size);
}

const struct output_format output_terminal = { .header = terminal_header, .row = terminal_row };
