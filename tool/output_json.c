/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON object a line; the man page and tests/replay/row.schema.json describe it. */
#include "output.h"

#include <sys/socket.h>

static void put_endpoint(struct output *o, const char *addr_key, const char *port_key,
			 const struct endpoint *e)
{
	put_text(o, addr_key);
	put_addr(o, e);
	put_text(o, port_key);
	put_u64(o, e->port);
}

static void put_optional(struct output *o, const char *key, int64_t n)
{
	put_text(o, key);
	if (n < 0)
		put_text(o, "null");
	else
		put_u64(o, (uint64_t)n);
}

static void put_real(struct output *o, const struct row *r)
{
	if (!r->real.family) {
		put_text(o, "null");
		return;
	}
	put_endpoint(o, "{\"addr\":\"", "\",\"port\":", &r->real);
	put_text(o, ",\"method\":");
	put_json(o, r->method);
	put_char(o, '}');
}

static void header(struct output *o)
{
	(void)o;	/* each line names its own values */
}

static void row(struct output *o, const struct row *r)
{
	char comm[80];

	output_comm(comm, sizeof(comm), r->comm, 64);
	put_text(o, "{\"time\":\"");
	put_stamp(o, r->ts_ns);
	put_text(o, "\",\"event\":\"");
	put_text(o, r->event);
	put_text(o, "\",\"skaddr\":\"");
	put_hex(o, r->skaddr);
	put_text(o, "\",\"pid\":");
	put_u64(o, r->pid);
	put_text(o, ",\"comm\":");
	put_json(o, comm);
	put_text(o, ",\"uid\":");
	put_u64(o, r->uid);
	put_text(o, ",\"netns\":");
	if (r->netns)
		put_u64(o, r->netns);
	else
		put_text(o, "null");
	put_text(o, r->local.family == AF_INET6 ? ",\"ip\":6" : ",\"ip\":4");
	put_endpoint(o, ",\"laddr\":\"", "\",\"lport\":", &r->local);
	put_endpoint(o, ",\"raddr\":\"", "\",\"rport\":", &r->remote);
	put_text(o, ",\"oldstate\":\"");
	put_text(o, output_state(r->oldstate));
	put_text(o, "\",\"newstate\":\"");
	put_text(o, output_state(r->newstate));
	put_text(o, "\",\"ms\":");
	put_ms(o, r->span_ns);
	put_text(o, ",\"real\":");
	put_real(o, r);
	put_text(o, ",\"reason\":");
	put_json(o, r->reason);
	put_optional(o, ",\"age_ms\":", r->age_ms);
	put_optional(o, ",\"gone_ms\":", r->gone_ms);
	put_text(o, "}\n");
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
