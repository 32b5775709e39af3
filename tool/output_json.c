/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON object a line; the man page and tests/replay/row.schema.json describe it. */
#include "output.h"

#include <string.h>
#include <sys/socket.h>

/*
 * A row is written by way of a copy of o->at, as in output_text.c. The words of a row are ours and need no escape; the
 * name of a process may.
 */
static inline char *put_word(char *at, const char *word)
{
	if (!word) {
		PUT(&at, "null");
		return at;
	}
	put_one(&at, '"');
	put_raw(&at, word, strlen(word));
	put_one(&at, '"');
	return at;
}

static inline char *put_optional(char *at, int64_t n)
{
	if (n < 0)
		PUT(&at, "null");
	else
		put_number(&at, (uint64_t)n);
	return at;
}

static char *put_real(char *at, const struct row *r)
{
	if (!r->real.family) {
		PUT(&at, "null");
		return at;
	}
	PUT(&at, "{\"addr\":\"");
	at = put_addr_at(at, &r->real);
	PUT(&at, "\",\"port\":");
	put_number(&at, r->real.port);
	PUT(&at, ",\"method\":");
	at = put_word(at, r->method);
	put_one(&at, '}');
	return at;
}

static char *put_comm(struct output *o, char *at, const char comm[16])
{
	char safe[80];

	put_one(&at, '"');
	if (put_plain_comm(&at, comm)) {
		put_one(&at, '"');
		return at;
	}
	o->at = at - 1;
	output_comm(safe, sizeof(safe), comm, 64);
	put_json(o, safe);
	return o->at;
}

static void header(struct output *o)
{
	(void)o;	/* each line names its own values */
}

static void row(struct output *o, const struct row *r)
{
	char *at;

	put_text(o, "{\"time\":\"");
	put_stamp(o, r->ts_ns);
	at = o->at;
	PUT(&at, "\",\"event\":\"");
	put_raw(&at, r->event, strlen(r->event));
	PUT(&at, "\",\"skaddr\":\"");
	put_base16(&at, r->skaddr);
	PUT(&at, "\",\"pid\":");
	put_number(&at, r->pid);
	PUT(&at, ",\"comm\":");
	at = put_comm(o, at, r->comm);
	PUT(&at, ",\"uid\":");
	put_number(&at, r->uid);
	PUT(&at, ",\"netns\":");
	at = put_optional(at, r->netns ? (int64_t)r->netns : -1);
	PUT(&at, ",\"ip\":");
	put_one(&at, r->local.family == AF_INET6 ? '6' : '4');
	PUT(&at, ",\"laddr\":\"");
	at = put_addr_at(at, &r->local);
	PUT(&at, "\",\"lport\":");
	put_number(&at, r->local.port);
	PUT(&at, ",\"raddr\":\"");
	at = put_addr_at(at, &r->remote);
	PUT(&at, "\",\"rport\":");
	put_number(&at, r->remote.port);
	PUT(&at, ",\"oldstate\":\"");
	put_state(&at, r->oldstate);
	PUT(&at, "\",\"newstate\":\"");
	put_state(&at, r->newstate);
	PUT(&at, "\",\"ms\":");
	put_milliseconds(&at, r->span_ns);
	PUT(&at, ",\"real\":");
	at = put_real(at, r);
	PUT(&at, ",\"reason\":");
	at = put_word(at, r->reason);
	PUT(&at, ",\"age_ms\":");
	at = put_optional(at, r->age_ms);
	PUT(&at, ",\"gone_ms\":");
	at = put_optional(at, r->gone_ms);
	PUT(&at, "}\n");
	o->at = at;
}

/* The same keys as at the end, which is the sum of these lines. */
static void put_losses(struct output *o, const struct output_losses *lost)
{
	put_text(o, ",\"lost_buffer_full\":");
	put_u64(o, lost->buffer_full);
	put_text(o, ",\"lost_missed\":");
	put_u64(o, lost->missed);
	put_text(o, ",\"sockets_not_followed\":");
	put_u64(o, lost->socks_full);
	put_text(o, ",\"connects_without_real\":");
	put_u64(o, lost->tuples_full);
	put_text(o, ",\"reasons_missed\":");
	put_u64(o, lost->reasons);
	if (options_counts(o->options)) {
		put_text(o, ",\"connections_not_counted\":");
		put_u64(o, lost->tallies_full);
		put_text(o, ",\"times_not_counted\":");
		put_u64(o, lost->buckets_full);
	}
}

static void lost_since(struct output *o, uint64_t ts_ns, const struct output_losses *since)
{
	put_text(o, "{\"time\":\"");
	put_stamp(o, ts_ns);
	put_text(o, "\",\"event\":\"lost\"");
	put_losses(o, since);
	put_text(o, "}\n");
}

static void end(struct output *o, const struct output_losses *lost)
{
	put_text(o, "{\"event\":\"end\",\"rows\":");
	put_u64(o, o->rows);
	put_text(o, ",\"lost\":");
	put_u64(o, output_all_lost(lost));
	put_losses(o, lost);
	put_text(o, ",\"lost_damaged\":");
	put_u64(o, lost->damaged);
	put_text(o, ",\"filtered\":");
	put_u64(o, output_filtered(o, lost));
	put_text(o, ",\"sent\":");
	put_u64(o, o->rows + output_filtered(o, lost) + output_all_lost(lost));
	put_text(o, "}\n");
}

const struct output_format output_json = { .header = header, .row = row, .lost = lost_since, .end = end };
