/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: tcpstates' columns, then ours. A value that needs it is quoted as in RFC 4180. */
#include "output/output.h"

#include <string.h>
#include <sys/socket.h>

/* A row is written through a local copy of o->at, for the reason given in output_text.c. */

static char *csv_put_comm_slow(char *at, const char comm[16])
{
	char safe[80];
	bool quoted;

	output_comm(safe, sizeof(safe), comm, 64);
	quoted = strpbrk(safe, ",\"");
	if (quoted)
		put_one(&at, '"');
	for (const char *s = safe; *s; s++) {
		if (*s == '"')
			put_one(&at, '"');
		put_one(&at, *s);
	}
	if (quoted)
		put_one(&at, '"');
	return at;
}

static inline char *csv_put_endpoint(char *at, const struct endpoint *e)
{
	at = put_addr_at(at, e);
	put_one(&at, ',');
	put_number(&at, e->port);
	put_one(&at, ',');
	return at;
}

static void csv_header(struct output *o)
{
	put_time_heads(o, ',');
	put_text(o, "SKADDR,C-PID,C-COMM,IP,LADDR,LPORT,RADDR,RPORT,OLDSTATE,NEWSTATE,MS,"
		    "REALADDR,REALPORT,METHOD,REASON");
	if (o->settings.extended)
		put_text(o, o->settings.director ? ",NETNS,UID,AGE-MS,GONE-MS,PACKETS,EXPIRES-MS,CONNECT-MS,CONTAINER,POD" :
						   ",NETNS,UID,AGE-MS,GONE-MS,CONTAINER,POD");
	if (o->settings.names)
		put_text(o, ",RADDR-NAME,REAL-NAME");
	put_char(o, '\n');
}

static char *csv_put_optional(char *at, int64_t n)
{
	put_one(&at, ',');
	if (n >= 0)
		put_number(&at, (uint64_t)n);
	return at;
}

static char *put_extended(char *at, const struct row *r)
{
	at = csv_put_optional(at, r->netns ? (int64_t)r->netns : -1);
	at = csv_put_optional(at, row_has_process(r) ? (int64_t)r->uid : -1);
	at = csv_put_optional(at, r->age_ms);
	return csv_put_optional(at, r->gone_ms);
}

/* The columns of forwarded connections. */
static char *csv_put_forwarded(char *at, const struct row *r)
{
	at = csv_put_optional(at, r->forwarded ? (int64_t)r->packets : -1);
	at = csv_put_optional(at, r->forwarded ? r->expires_ms : -1);
	put_one(&at, ',');
	if (r->forwarded && r->connect_us >= 0)
		put_milliseconds(&at, (uint64_t)r->connect_us * 1000);
	return at;
}

static char *csv_put_name(const struct output *o, char *at, const struct endpoint *e)
{
	const char *name = output_name(o, e);

	put_one(&at, ',');
	if (name)
		put_raw(&at, name, strlen(name));
	return at;
}

static char *csv_put_container(char *at, const struct container *c)
{
	put_one(&at, ',');
	if (c)
		put_raw(&at, c->id, strlen(c->id));
	put_one(&at, ',');
	if (c)
		put_raw(&at, c->pod, strlen(c->pod));
	return at;
}

static void csv_row(struct output *o, const struct row *r)
{
	char *at;

	put_times(o, r, ',');
	at = o->at;
	put_base16(&at, r->skaddr);
	put_one(&at, ',');
	if (row_has_process(r))
		put_number(&at, r->pid);
	put_one(&at, ',');
	if (!put_plain_comm(&at, r->comm))
		at = csv_put_comm_slow(at, r->comm);
	PUT(&at, ",4,");
	if (r->local.family == AF_INET6)
		at[-2] = '6';
	at = csv_put_endpoint(at, &r->local);
	at = csv_put_endpoint(at, &r->remote);
	put_state(&at, r->oldstate);
	put_one(&at, ',');
	put_state(&at, r->newstate);
	put_one(&at, ',');
	put_milliseconds(&at, r->span_ns);
	put_one(&at, ',');
	if (r->real.family)
		at = csv_put_endpoint(at, &r->real);
	else
		PUT(&at, ",,");
	if (r->method)
		put_raw(&at, r->method, strlen(r->method));
	put_one(&at, ',');
	if (r->reason)
		put_raw(&at, r->reason, strlen(r->reason));
	if (o->settings.extended)
		at = put_extended(at, r);
	if (o->settings.extended && o->settings.director)
		at = csv_put_forwarded(at, r);
	if (o->settings.extended)
		at = csv_put_container(at, r->container);
	if (o->settings.names) {
		at = csv_put_name(o, at, &r->remote);
		at = csv_put_name(o, at, &r->real);
	}
	put_one(&at, '\n');
	o->at = at;
}

const struct output_format output_csv = { .header = csv_header, .row = csv_row };
