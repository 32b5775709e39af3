/* SPDX-License-Identifier: Apache-2.0 */
/* tcpstates' columns in its order and widths, then the real server and the reason. */
#include "output_text.h"

#include <string.h>
#include <sys/socket.h>

#define REASON_WIDTH 14	/* no-destination */

const struct text_widths output_widths_narrow = { 10, 10, 0, 15, 5, 11, 21 };
const struct text_widths output_widths_wide = { 16, 16, 2, 26, 5, 11, 32 };

/* put_pad() has 32 spaces, which is enough where no terminal makes columns grow. */
static inline void pad(struct output *o, const char *start, int width)
{
	put_pad(o, start, width);
	if (width > 32)
		put_pad(o, start, width);
}

static inline void put_field(struct output *o, const char *text, int width)
{
	const char *start = o->at;

	put_text(o, text);
	pad(o, start, width);
	put_char(o, ' ');
}

static inline void put_number_field(struct output *o, uint64_t n, int width)
{
	const char *start = o->at;

	put_u64(o, n);
	put_pad(o, start, width);
	put_char(o, ' ');
}

static inline void put_padded_addr(struct output *o, const struct endpoint *e, int width)
{
	const char *start = o->at;

	put_addr(o, e);
	pad(o, start, width);
	put_char(o, ' ');
}

/* Escapes and characters of several bytes: columns are not bytes. */
static void put_comm(struct output *o, const char comm[16], const struct text_widths *w)
{
	char safe[80];
	int columns = 0, plain = 0;

	/* Nearly every name is of plain characters only. */
	while (plain < w->comm_cut && comm[plain] > ' ' && comm[plain] < 0x7f && comm[plain] != '\\')
		plain++;
	if (plain == w->comm_cut || !comm[plain]) {
		const char *start = o->at;

		put_raw(&o->at, comm, (size_t)plain);
		put_pad(o, start, w->comm + 1);
		return;
	}
	output_comm(safe, sizeof(safe), comm, w->comm_cut);
	for (const char *s = safe; *s; s++)
		columns += (*s & 0xc0) != 0x80;
	put_text(o, safe);
	for (; columns < w->comm; columns++)
		put_char(o, ' ');
	put_char(o, ' ');
}

static void put_real(struct output *o, const struct endpoint *e, int width)
{
	const char *start = o->at;

	put_addr_port(o, e);
	pad(o, start, width);
	put_char(o, ' ');
}

void text_header(struct output *o, const struct text_widths *w)
{
	put_time_heads(o, ' ');
	put_field(o, "SKADDR", 16);
	put_field(o, "C-PID", 5);
	put_field(o, "C-COMM", w->comm);
	if (w->ip)
		put_field(o, "IP", w->ip);
	put_field(o, "LADDR", w->addr);
	put_field(o, "LPORT", 5);
	put_field(o, "RADDR", w->addr);
	put_field(o, "RPORT", w->rport);
	put_field(o, "OLDSTATE", 11);
	put_field(o, "->", 2);
	put_field(o, "NEWSTATE", 11);
	put_field(o, "MS", w->ms);
	put_field(o, "REAL", w->real);
	if (o->options->extended) {
		put_field(o, "REASON", REASON_WIDTH);
		put_field(o, "METHOD", 6);
		put_field(o, "NETNS", 10);
		put_field(o, "UID", 5);
		put_field(o, "AGE-MS", 8);
		put_text(o, "GONE-MS\n");
	} else {
		put_text(o, "REASON\n");
	}
}

static void put_known(struct output *o, int64_t n, int width)
{
	if (n < 0)
		put_field(o, "-", width);
	else
		put_number_field(o, (uint64_t)n, width);
}

void text_end(struct output *o, const struct row *r)
{
	int reason = (int)strlen(r->reason ? r->reason : "-");

	if (o->options->extended) {
		for (; reason < REASON_WIDTH; reason++)
			put_char(o, ' ');
		put_char(o, ' ');
		put_field(o, r->method ? r->method : "-", 6);
		put_known(o, r->netns ? (int64_t)r->netns : -1, 10);
		put_number_field(o, r->uid, 5);
		put_known(o, r->age_ms, 8);
		if (r->gone_ms < 0)
			put_char(o, '-');
		else
			put_u64(o, (uint64_t)r->gone_ms);
	}
	put_char(o, '\n');
}

static inline void columns(struct output *o, const struct row *r, const struct text_widths *w)
{
	const char *start;

	put_times(o, r, ' ');
	start = o->at;
	put_hex(o, r->skaddr);
	put_pad(o, start, 16);
	put_char(o, ' ');
	put_number_field(o, r->pid, 5);
	put_comm(o, r->comm, w);
	if (w->ip)
		put_field(o, r->local.family == AF_INET6 ? "6" : "4", w->ip);
	put_padded_addr(o, &r->local, w->addr);
	put_number_field(o, r->local.port, 5);
	put_padded_addr(o, &r->remote, w->addr);
	put_number_field(o, r->remote.port, w->rport);
	put_field(o, output_state(r->oldstate), 11);
	put_field(o, "->", 2);
	put_field(o, output_state(r->newstate), 11);
	start = o->at;
	put_ms(o, r->span_ns);
	put_pad(o, start, w->ms);
	put_char(o, ' ');
	put_real(o, &r->real, w->real);
}

void text_columns(struct output *o, const struct row *r, const struct text_widths *w)
{
	columns(o, r, w);
}

/* Inline for widths that the compiler knows. */
static inline void row(struct output *o, const struct row *r, const struct text_widths *w)
{
	columns(o, r, w);
	put_text(o, r->reason ? r->reason : "-");
	text_end(o, r);
}

static void narrow_header(struct output *o)
{
	text_header(o, &output_widths_narrow);
}

static void narrow_row(struct output *o, const struct row *r)
{
	row(o, r, &output_widths_narrow);
}

static void wide_header(struct output *o)
{
	text_header(o, &output_widths_wide);
}

static void wide_row(struct output *o, const struct row *r)
{
	row(o, r, &output_widths_wide);
}

const struct output_format output_text = { .header = narrow_header, .row = narrow_row };
const struct output_format output_wide = { .header = wide_header, .row = wide_row };
