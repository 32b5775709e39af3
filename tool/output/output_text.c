/* SPDX-License-Identifier: Apache-2.0 */
/* Text: tcpstates' columns in its order and widths, then the real server and the reason. */
#include "output/output_text.h"

#include <string.h>
#include <sys/socket.h>

#define REASON_WIDTH 14	/* fits no-destination */
#define CONTAINER_WIDTH 12	/* as the runtimes show an ID */

const struct text_widths output_widths_narrow = { 10, 10, 0, 15, 5, 11, 21 };
const struct text_widths output_widths_wide = { 16, 16, 2, 26, 5, 11, 32 };

/*
 * A row is written through a local copy of o->at, called "at". The compiler keeps the copy in a register. It would read
 * and write o->at again for each byte, as a pointer to char may point to anything.
 */

/* put_spaces() adds at most 32. Only columns that grow on a terminal need more, and up to 64. A longer text moves the rest of
 * its row to the right. */
static inline void text_pad(char **at, const char *start, int width)
{
	put_spaces(at, start, width);
	if (width > 32)
		put_spaces(at, start, width);
	put_one(at, ' ');
}

static inline void put_field(struct output *o, const char *text, int width)
{
	const char *start = o->at;

	put_text(o, text);
	text_pad(&o->at, start, width);
}

static inline void put_number_field(char **at, uint64_t n, int width)
{
	const char *start = *at;

	put_number(at, n);
	text_pad(at, start, width);
}

static inline void put_hex_field(char **at, uint64_t n, int width)
{
	const char *start = *at;

	put_base16(at, n);
	text_pad(at, start, width);
}

static inline void put_state_field(char **at, uint8_t state, int width)
{
	const char *start = *at;

	put_state(at, state);
	text_pad(at, start, width);
}

static char *put_addr_slow(struct output *o, char *at, const struct endpoint *e)
{
	o->at = at;
	put_addr(o, e);
	return o->at;
}

static char *put_addr_port_slow(struct output *o, char *at, const struct endpoint *e)
{
	o->at = at;
	put_addr_port(o, e);
	return o->at;
}

static inline char *put_addr_field(struct output *o, char *at, const struct endpoint *e, int width)
{
	const char *start = at;

	if (e->family == AF_INET6)
		at = put_addr_slow(o, at, e);
	else
		put_octets(&at, e->addr + 12);
	text_pad(&at, start, width);
	return at;
}

/* The same, or its name. */
static inline char *put_named_field(struct output *o, char *at, const struct endpoint *e, int width)
{
	const char *start = at, *name = output_name(o, e);

	if (!name)
		return put_addr_field(o, at, e, width);
	put_raw(&at, name, strlen(name));
	text_pad(&at, start, width);
	return at;
}

static inline char *put_real_field(struct output *o, char *at, const struct endpoint *e, int width)
{
	const char *start = at;

	if (!e->family)
		put_one(&at, '-');
	else
		at = put_addr_port_slow(o, at, e);
	text_pad(&at, start, width);
	return at;
}

/* For names with escapes or multi-byte characters: they may have fewer columns than bytes. */
static char *text_put_comm_slow(char *at, const char comm[16], const struct text_widths *w)
{
	char safe[80];
	int columns = 0;

	output_comm(safe, sizeof(safe), comm, w->comm_cut);
	for (const char *s = safe; *s; s++) {
		put_one(&at, *s);
		columns += (*s & 0xc0) != 0x80;
	}
	for (; columns < w->comm; columns++)
		put_one(&at, ' ');
	put_one(&at, ' ');
	return at;
}

static inline char *put_comm_field(char *at, const char comm[16], const struct text_widths *w)
{
	const char *start = at;
	int plain = 0;

	/* Nearly every name has only plain characters. */
	while (plain < w->comm_cut && comm[plain] > ' ' && comm[plain] < 0x7f && comm[plain] != '\\')
		plain++;
	if (plain != w->comm_cut && comm[plain])
		return text_put_comm_slow(at, comm, w);
	memcpy(at, comm, 16);
	at += plain;
	text_pad(&at, start, w->comm);
	return at;
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
	if (o->settings.extended) {
		put_field(o, "REASON", REASON_WIDTH);
		put_field(o, "METHOD", 6);
		put_field(o, "NETNS", 10);
		put_field(o, "UID", 5);
		put_field(o, "AGE-MS", 8);
		put_field(o, "GONE-MS", 8);
		if (o->settings.director) {
			put_field(o, "PACKETS", 8);
			put_field(o, "EXPIRES-MS", 10);
			put_field(o, "CONNECT-MS", 10);
		}
		put_field(o, "CONTAINER", CONTAINER_WIDTH);
		put_text(o, "POD\n");
	} else {
		put_text(o, "REASON\n");
	}
}

static void text_put_optional(struct output *o, int64_t n, int width)
{
	if (n < 0)
		put_field(o, "-", width);
	else
		put_number_field(&o->at, (uint64_t)n, width);
}

/* The columns of forwarded connections. */
static void put_forwarded(struct output *o, const struct row *r)
{
	if (!r->forwarded) {
		put_field(o, "-", 8);
		put_field(o, "-", 10);
		put_field(o, "-", 10);
		return;
	}
	text_put_optional(o, r->packets, 8);
	text_put_optional(o, r->expires_ms, 10);
	if (r->connect_us < 0) {
		put_field(o, "-", 10);
	} else {
		const char *start = o->at;

		put_ms(o, (uint64_t)r->connect_us * 1000);
		text_pad(&o->at, start, 10);
	}
}

static void put_container(struct output *o, const struct container *c)
{
	const char *start = o->at;

	if (c && *c->id)
		put_raw(&o->at, c->id, CONTAINER_WIDTH);
	else
		put_char(o, '-');
	text_pad(&o->at, start, CONTAINER_WIDTH);
	put_text(o, c && *c->pod ? c->pod : "-");
}

void text_end(struct output *o, const struct row *r)
{
	int reason = (int)strlen(r->reason ? r->reason : "-");

	if (o->settings.extended) {
		for (; reason < REASON_WIDTH; reason++)
			put_char(o, ' ');
		put_char(o, ' ');
		put_field(o, r->method ? r->method : "-", 6);
		text_put_optional(o, r->netns ? (int64_t)r->netns : -1, 10);
		text_put_optional(o, row_has_process(r) ? (int64_t)r->uid : -1, 5);
		text_put_optional(o, r->age_ms, 8);
		text_put_optional(o, r->gone_ms, 8);
		if (o->settings.director)
			put_forwarded(o, r);
		put_container(o, r->container);
	}
	put_char(o, '\n');
}

static inline void columns(struct output *o, const struct row *r, const struct text_widths *w)
{
	const char *start;
	char *at;

	put_times(o, r, ' ');
	at = o->at;
	put_hex_field(&at, r->skaddr, 16);
	if (!row_has_process(r)) {
		o->at = at;
		put_field(o, "-", 5);
		put_field(o, "-", w->comm);
		at = o->at;
	} else {
		put_number_field(&at, r->pid, 5);
		at = put_comm_field(at, r->comm, w);
	}
	if (w->ip) {
		start = at;
		put_one(&at, r->local.family == AF_INET6 ? '6' : '4');
		text_pad(&at, start, w->ip);
	}
	at = put_addr_field(o, at, &r->local, w->addr);
	put_number_field(&at, r->local.port, 5);
	at = put_named_field(o, at, &r->remote, w->addr);
	put_number_field(&at, r->remote.port, w->rport);
	put_state_field(&at, r->oldstate, 11);
	put_raw(&at, "-> ", 3);
	put_state_field(&at, r->newstate, 11);
	start = at;
	put_milliseconds(&at, r->span_ns);
	text_pad(&at, start, w->ms);
	o->at = put_real_field(o, at, &r->real, w->real);
}

void text_columns(struct output *o, const struct row *r, const struct text_widths *w)
{
	columns(o, r, w);
}

/* Inline, so that the compiler knows the widths. */
static inline void text_row(struct output *o, const struct row *r, const struct text_widths *w)
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
	text_row(o, r, &output_widths_narrow);
}

static void wide_header(struct output *o)
{
	text_header(o, &output_widths_wide);
}

static void wide_row(struct output *o, const struct row *r)
{
	text_row(o, r, &output_widths_wide);
}

const struct output_format output_text = { .header = narrow_header, .row = narrow_row };
const struct output_format output_wide = { .header = wide_header, .row = wide_row };
