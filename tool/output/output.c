/* SPDX-License-Identifier: Apache-2.0 */
#include "output/output.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE (128 * 1024)

static const struct output_format *choose_format(const struct output_settings *s, int fd)
{
	if (s->json)
		return &output_json;
	if (s->csv)
		return &output_csv;
	if (isatty(fd))
		return &output_terminal;
	return s->wide ? &output_wide : &output_text;
}

int output_open(struct output *o, const struct output_settings *settings, int fd)
{
	memset(o, 0, sizeof(*o));
	o->settings = *settings;
	o->fd = fd;
	o->format = choose_format(settings, fd);
	if (o->format == &output_terminal)
		output_terminal_init(o);
	o->buffer = o->at = malloc(BUFFER_SIZE);
	if (!o->buffer)
		return -ENOMEM;
	o->end = o->buffer + BUFFER_SIZE;
	wall_clock_look(&o->wall);
	o->clock_s = -1;
	o->stamp_s = -1;
	return 0;
}

void output_header(struct output *o)
{
	o->format->header(o);
}

void output_row(struct output *o, const struct row *row)
{
	output_room(o);
	if (!o->first_ts_ns)
		o->first_ts_ns = row->ts_ns;
	o->format->row(o, row);
	o->rows++;
}

void output_end(struct output *o, const struct losses *lost)
{
	output_room(o);
	if (o->format->end)
		o->format->end(o, lost);
}

void output_warn_uncounted(const struct losses *lost)
{
	for (int i = 0; i < LOSSES; i++)
		if (loss_causes[i].of_counts && lost->n[i])
			log_warning("%" PRIu64 " %s", lost->n[i], loss_causes[i].at_end);
}

uint64_t output_filtered(const struct output *o, const struct losses *lost)
{
	uint64_t used = o->rows + lost->n[LOSS_DAMAGED];

	return o->events > used ? o->events - used : 0;
}

void output_lost(struct output *o, uint64_t ts_ns, const struct losses *since, bool last)
{
	if (o->end - o->at < OUTPUT_ROW_MAX)
		output_flush(o);
	if (o->format->lost)
		o->format->lost(o, ts_ns, since);
	for (int i = 0; i < LOSSES && !last; i++) {
		if (!since->n[i] || o->told[i] || !loss_causes[i].at_once)
			continue;
		log_warning("%s", loss_causes[i].at_once);
		o->told[i] = true;
	}
}

void output_print_end(const struct output *o, const struct losses *lost)
{
	uint64_t filtered = output_filtered(o, lost);

	for (int i = 0; i < LOSSES; i++)
		if (lost->n[i])
			log_warning("%" PRIu64 " %s", lost->n[i], loss_causes[i].at_end);
	if (o->settings.counts && lost->n[LOSS_TALLIES_FULL])
		log_info("%" PRIu64 " not counted, %" PRIu64 " lost", lost->n[LOSS_TALLIES_FULL], losses_rows(lost));
	else if (o->settings.counts)
		log_info("%" PRIu64 " lost", losses_rows(lost));
	else if (filtered)
		log_info("%" PRIu64 " rows, %" PRIu64 " filtered, %" PRIu64 " lost", o->rows, filtered,
			 losses_rows(lost));
	else
		log_info("%" PRIu64 " rows, %" PRIu64 " lost", o->rows, losses_rows(lost));
}

int output_flush(struct output *o)
{
	if (!o->err)
		o->err = file_write(o->fd, o->buffer, (size_t)(o->at - o->buffer));
	o->at = o->buffer;
	return o->err;
}

void output_close(struct output *o)
{
	free(o->buffer);
	memset(o, 0, sizeof(*o));
}

void put_json(struct output *o, const char *text)
{
	if (!text) {
		put_text(o, "null");
		return;
	}
	put_char(o, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			put_char(o, '\\');
			put_char(o, *text);
		} else if (c < 0x20) {
			put_text(o, "\\u00");
			put_char(o, "01"[c >> 4]);
			put_char(o, "0123456789abcdef"[c & 15]);
		} else {
			put_char(o, *text);
		}
	}
	put_char(o, '"');
}

void put_addr_port(struct output *o, const struct endpoint *e)
{
	const char *name = output_name(o, e);

	if (!e->family) {
		put_char(o, '-');
		return;
	}
	if (name) {
		put_text(o, name);
	} else {
		if (e->family == AF_INET6)
			put_char(o, '[');
		put_addr(o, e);
		if (e->family == AF_INET6)
			put_char(o, ']');
	}
	put_char(o, ':');
	put_u64(o, e->port);
}

void put_clock(struct output *o, uint64_t ts_ns)
{
	int64_t now_s = wall_clock_ns(&o->wall, ts_ns) / 1000000000;

	if (now_s != o->clock_s) {
		time_t when = (time_t)now_s;
		struct tm tm;

		strftime(o->clock, sizeof(o->clock), "%H:%M:%S", localtime_r(&when, &tm));
		o->clock_s = now_s;
	}
	put_text(o, o->clock);
}

void put_stamp(struct output *o, uint64_t ts_ns)
{
	int64_t ns = wall_clock_ns(&o->wall, ts_ns);
	int64_t us = ns / 1000 % 1000000;
	time_t when = (time_t)(ns / 1000000000);

	if (us < 0) {	/* before 1970: possible in a damaged recording */
		us += 1000000;
		when--;
	}
	if (when != o->stamp_s) {
		struct tm tm;

		strftime(o->stamp, sizeof(o->stamp), "%Y-%m-%dT%H:%M:%S", gmtime_r(&when, &tm));
		o->stamp_s = when;
	}
	put_text(o, o->stamp);
	put_char(o, '.');
	put_microseconds(&o->at, (unsigned)us);
	put_char(o, 'Z');
}

void put_times(struct output *o, const struct row *row, char separator)
{
	bool pad = separator == ' ';

	if (o->settings.time) {
		put_clock(o, row->ts_ns);
		put_char(o, separator);
	}
	if (o->settings.timestamp) {
		const char *start = o->at;
		bool earlier = row->ts_ns < o->first_ts_ns;
		uint64_t us = (earlier ? o->first_ts_ns - row->ts_ns : row->ts_ns - o->first_ts_ns) / 1000;

		if (earlier)	/* arrived after the first row, but is older */
			put_char(o, '-');

		put_u64(o, us / 1000000);
		put_char(o, '.');
		put_microseconds(&o->at, (unsigned)(us % 1000000));
		put_pad(o, start, pad ? 9 : 0);
		put_char(o, separator);
	}
}

void put_time_heads(struct output *o, char separator)
{
	bool pad = separator == ' ';
	const char *start = o->at;

	if (o->settings.time) {
		put_text(o, "TIME");
		put_pad(o, start, pad ? 8 : 0);
		put_char(o, separator);
	}
	start = o->at;
	if (o->settings.timestamp) {
		put_text(o, "TIME(s)");
		put_pad(o, start, pad ? 9 : 0);
		put_char(o, separator);
	}
}

/* Returns the length in bytes of the UTF-8 character at @s, or 0 if the bytes are not valid; RFC 3629. */
static int utf8_len(const unsigned char *s)
{
	int len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3
		  : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (int i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* True if the character at @s is a control character. C1 controls are two bytes in UTF-8. */
static bool is_control(const unsigned char *s)
{
	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void output_comm(char *to, size_t size, const char comm[16], int max)
{
	const unsigned char *s = (const unsigned char *)comm;
	char *end = to + size - 1;

	for (int columns = 0; *s;) {
		int len = utf8_len(s);
		bool plain = len && !is_control(s) && *s != '\\';
		int bytes = plain ? len : 4;

		columns += plain ? 1 : 4;
		if (columns > max || to + bytes > end)
			break;
		if (plain) {
			memcpy(to, s, (size_t)len);
			s += len;
		} else {
			to[0] = '\\';
			to[1] = 'x';
			to[2] = "0123456789abcdef"[*s >> 4];
			to[3] = "0123456789abcdef"[*s & 15];
			s++;
		}
		to += bytes;
	}
	*to = '\0';
}

#define STATE(name) { name, sizeof(name) - 1 }

/* include/net/tcp_states.h; tcp_state_name_table[], net/netfilter/ipvs/ip_vs_proto_tcp.c */
const struct output_state output_states[32] = {
	STATE("0"),	    STATE("ESTABLISHED"), STATE("SYN_SENT"),	 STATE("SYN_RECV"),
	STATE("FIN_WAIT1"), STATE("FIN_WAIT2"),	  STATE("TIME_WAIT"),	 STATE("CLOSE"),
	STATE("CLOSE_WAIT"), STATE("LAST_ACK"),	  STATE("LISTEN"),	 STATE("CLOSING"),
	STATE("NEW_SYN_RECV"), STATE("BOUND_INACTIVE"), STATE("14"),	 STATE("15"),
	STATE("NONE"),	    STATE("ESTABLISHED"), STATE("SYN_SENT"),	 STATE("SYN_RECV"),
	STATE("FIN_WAIT"),  STATE("TIME_WAIT"),	  STATE("CLOSE"),	 STATE("CLOSE_WAIT"),
	STATE("LAST_ACK"),  STATE("LISTEN"),	  STATE("SYNACK"),	 STATE("11"),
	STATE("12"),	    STATE("13"),	  STATE("14"),		 STATE("15"),
};
