/* SPDX-License-Identifier: Apache-2.0 */
/* tcpstates' CSV columns, then ours; quoted by RFC 4180 where a value needs it. */
#include "output.h"

#include <string.h>
#include <sys/socket.h>

static void put_comm(struct output *o, const char comm[16])
{
	char safe[80];

	output_comm(safe, sizeof(safe), comm, 64);
	if (!strpbrk(safe, ",\"")) {
		put_text(o, safe);
		return;
	}
	put_char(o, '"');
	for (const char *s = safe; *s; s++) {
		if (*s == '"')
			put_char(o, '"');
		put_char(o, *s);
	}
	put_char(o, '"');
}

static void put_endpoint(struct output *o, const struct endpoint *e)
{
	put_addr(o, e);
	put_char(o, ',');
	put_u64(o, e->port);
	put_char(o, ',');
}

static void header(struct output *o)
{
	put_time_heads(o, ',');
	put_text(o, "SKADDR,C-PID,C-COMM,IP,LADDR,LPORT,RADDR,RPORT,OLDSTATE,NEWSTATE,MS,"
		    "REALADDR,REALPORT,METHOD,REASON");
	put_text(o, o->options->extended ? ",NETNS,UID,AGE-MS,GONE-MS\n" : "\n");
}

static void put_known(struct output *o, int64_t n)
{
	put_char(o, ',');
	if (n >= 0)
		put_u64(o, (uint64_t)n);
}

static void put_extended(struct output *o, const struct row *r)
{
	put_known(o, r->netns ? (int64_t)r->netns : -1);
	put_known(o, r->uid);
	put_known(o, r->age_ms);
	put_known(o, r->gone_ms);
}

static void row(struct output *o, const struct row *r)
{
	put_times(o, r, ',');
	put_hex(o, r->skaddr);
	put_char(o, ',');
	put_u64(o, r->pid);
	put_char(o, ',');
	put_comm(o, r->comm);
	put_char(o, ',');
	put_char(o, r->local.family == AF_INET6 ? '6' : '4');
	put_char(o, ',');
	put_endpoint(o, &r->local);
	put_endpoint(o, &r->remote);
	put_text(o, output_state(r->oldstate));
	put_char(o, ',');
	put_text(o, output_state(r->newstate));
	put_char(o, ',');
	put_ms(o, r->span_ns);
	put_char(o, ',');
	if (r->real.family)
		put_endpoint(o, &r->real);
	else
		put_text(o, ",,");
	put_text(o, r->method ? r->method : "");
	put_char(o, ',');
	put_text(o, r->reason ? r->reason : "");
	if (o->options->extended)
		put_extended(o, r);
	put_char(o, '\n');
}

const struct output_format output_csv = { .header = header, .row = row };
