/* SPDX-License-Identifier: Apache-2.0 */
#include "output/output_counts.h"

void counts_header(struct output *o)
{
	if (o->settings.json || !o->settings.csv)
		return;
	if (o->settings.histogram)
		histogram_header_csv(o);
	else
		summary_header_csv(o);
}

/* Clears the screen if the table replaces the last one, and prints the time. */
static void begin_text(struct output *o, const struct counts *c)
{
	if (c->lines)
		put_text(o, "\033[H\033[2J");
	if (!c->lines && !o->settings.time)
		return;
	put_clock(o, c->ts_ns);
	put_char(o, '\n');
}

void counts_print(struct output *o, const struct counts *c)
{
	bool histogram = o->settings.histogram;

	output_room(o);
	if (o->settings.json) {
		(histogram ? histogram_json : summary_json)(o, c);
	} else if (o->settings.csv) {
		(histogram ? histogram_csv : summary_csv)(o, c);
	} else {
		begin_text(o, c);
		(histogram ? histogram_text : summary_text)(o, c);
	}
}

void counts_head_csv(struct output *o)
{
	if (o->settings.time)
		put_text(o, "TIME,");
	put_text(o, "VIP,VPORT,REALADDR,REALPORT,");
}

static void put_endpoint_csv(struct output *o, const struct endpoint *e)
{
	if (e->family)
		put_addr(o, e);
	put_char(o, ',');
	if (e->family)
		put_u64(o, e->port);
	put_char(o, ',');
}

void counts_place_csv(struct output *o, const struct counts *c, const struct stats_real *r, bool total)
{
	if (o->settings.time) {
		put_clock(o, c->ts_ns);
		put_char(o, ',');
	}
	put_endpoint_csv(o, &r->vip);
	if (total)
		put_text(o, "total,,");
	else
		put_endpoint_csv(o, &r->real);
}

static void put_endpoint_json(struct output *o, const struct endpoint *e)
{
	if (!e->family) {
		put_text(o, "null");
		return;
	}
	put_text(o, "{\"addr\":\"");
	put_addr(o, e);
	put_text(o, "\",\"port\":");
	put_u64(o, e->port);
	if (o->settings.names) {
		put_text(o, ",\"name\":");
		put_json(o, output_name(o, e));
	}
	put_char(o, '}');
}

void counts_place_json(struct output *o, const struct counts *c, const struct stats_real *r, const char *event)
{
	put_text(o, "{\"time\":\"");
	put_stamp(o, c->ts_ns);
	put_text(o, "\",\"event\":\"");
	put_text(o, event);
	put_text(o, "\",\"vip\":");
	put_endpoint_json(o, &r->vip);
	put_text(o, ",\"real\":");
	put_endpoint_json(o, &r->real);
}

const char *counts_source(const struct stats_real *r)
{
	static const char *const words[] = { [STATS_SOCKETS] = "sockets", [STATS_IPVS] = "ipvs", [STATS_SERVER] = "server" };

	return words[r->source];
}

void counts_head_end_csv(struct output *o)
{
	put_text(o, o->settings.director ? ",SOURCE" : "");
	put_text(o, o->settings.names ? ",VIP-NAME,REAL-NAME\n" : "\n");
}

static void put_name_csv(struct output *o, const struct endpoint *e)
{
	const char *name = output_name(o, e);

	put_char(o, ',');
	put_text(o, name ? name : "");
}

void counts_end_csv(struct output *o, const struct stats_real *r)
{
	if (o->settings.director) {
		put_char(o, ',');
		put_text(o, counts_source(r));
	}
	if (o->settings.names) {
		put_name_csv(o, &r->vip);
		put_name_csv(o, &r->real);
	}
	put_char(o, '\n');
}

void counts_end_json(struct output *o, const struct stats_real *r)
{
	if (r->source != STATS_SOCKETS) {
		put_text(o, ",\"source\":");
		put_json(o, counts_source(r));
	}
	put_text(o, "}\n");
}
