/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, one object per line; the man page and tests/replay/row.schema.json describe it. */
#include "output/output.h"

#include <string.h>
#include <sys/socket.h>

/*
 * A row is written through a local copy of o->at, for the reason given in output_text.c. The words of a row are our own,
 * and names are checked: they need no escape. The name of a process may need one.
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

static inline char *json_put_optional(char *at, int64_t n)
{
	if (n < 0)
		PUT(&at, "null");
	else
		put_number(&at, (uint64_t)n);
	return at;
}

static char *put_real(const struct output *o, char *at, const struct row *r)
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
	if (o->settings.names) {
		PUT(&at, ",\"name\":");
		at = put_word(at, output_name(o, &r->real));
	}
	put_one(&at, '}');
	return at;
}

static char *json_put_forwarded(char *at, const struct row *r)
{
	PUT(&at, ",\"packets\":");
	put_number(&at, r->packets);
	PUT(&at, ",\"expires_ms\":");
	at = json_put_optional(at, r->expires_ms);
	PUT(&at, ",\"connect_ms\":");
	if (r->connect_us < 0)
		PUT(&at, "null");
	else
		put_milliseconds(&at, (uint64_t)r->connect_us * 1000);
	PUT(&at, ",\"connect_to\":");
	return put_word(at, r->connect_to);
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

static void json_header(struct output *o)
{
	(void)o;	/* no heading: each line names its own values */
}

static void json_row(struct output *o, const struct row *r)
{
	char *at;

	put_text(o, "{\"time\":\"");
	put_stamp(o, r->ts_ns);
	at = o->at;
	PUT(&at, "\",\"event\":\"");
	put_raw(&at, r->event, strlen(r->event));
	PUT(&at, "\",\"skaddr\":\"");
	put_base16(&at, r->skaddr);
	if (!row_has_process(r)) {
		PUT(&at, "\",\"source\":\"");
		put_raw(&at, r->server ? "server" : "ipvs", r->server ? 6 : 4);
		PUT(&at, "\",\"pid\":null,\"comm\":null,\"uid\":null");
	} else {
		PUT(&at, "\",\"pid\":");
		put_number(&at, r->pid);
		PUT(&at, ",\"comm\":");
		at = put_comm(o, at, r->comm);
		PUT(&at, ",\"uid\":");
		put_number(&at, r->uid);
	}
	PUT(&at, ",\"netns\":");
	at = json_put_optional(at, r->netns ? (int64_t)r->netns : -1);
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
	at = put_real(o, at, r);
	PUT(&at, ",\"reason\":");
	at = put_word(at, r->reason);
	PUT(&at, ",\"age_ms\":");
	at = json_put_optional(at, r->age_ms);
	PUT(&at, ",\"gone_ms\":");
	at = json_put_optional(at, r->gone_ms);
	if (o->settings.names) {
		PUT(&at, ",\"raddr_name\":");
		at = put_word(at, output_name(o, &r->remote));
	}
	PUT(&at, ",\"container\":");
	at = put_word(at, r->container && *r->container->id ? r->container->id : NULL);
	PUT(&at, ",\"pod\":");
	at = put_word(at, r->container && *r->container->pod ? r->container->pod : NULL);
	if (r->forwarded)
		at = json_put_forwarded(at, r);
	PUT(&at, "}\n");
	o->at = at;
}

/* @end: for the last line, which has the sums of the others */
static void put_losses(struct output *o, const struct losses *lost, bool end)
{
	for (int i = 0; i < LOSSES; i++) {
		const struct loss_cause *loss = &loss_causes[i];

		if ((loss->at_end_only && !end) || (loss->of_counts && !o->settings.counts))
			continue;
		put_text(o, ",\"");
		put_text(o, loss->key);
		put_text(o, "\":");
		put_u64(o, lost->n[i]);
	}
}

static void lost_since(struct output *o, uint64_t ts_ns, const struct losses *since)
{
	put_text(o, "{\"time\":\"");
	put_stamp(o, ts_ns);
	put_text(o, "\",\"event\":\"lost\"");
	put_losses(o, since, false);
	put_text(o, "}\n");
}

static void end(struct output *o, const struct losses *lost)
{
	put_text(o, "{\"event\":\"end\",\"rows\":");
	put_u64(o, o->rows);
	put_text(o, ",\"lost\":");
	put_u64(o, losses_rows(lost));
	put_losses(o, lost, true);
	put_text(o, ",\"filtered\":");
	put_u64(o, output_filtered(o, lost));
	put_text(o, ",\"sent\":");
	put_u64(o, o->rows + output_filtered(o, lost) + losses_rows(lost));
	put_text(o, "}\n");
}

const struct output_format output_json = { .header = json_header, .row = json_row, .lost = lost_since, .end = end };
