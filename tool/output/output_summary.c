/* SPDX-License-Identifier: Apache-2.0 */
/* The table of --summary: for each virtual service a line with its sum, then a line for each real server; worst first. */
#include "output/output_counts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum cell_kind { COUNTER, OPEN, CONNECT, CONNECT_MAX, LIFE };

/* Times are in milliseconds. */
static const struct cell {
	const char *head, *csv, *key;	/* name in text, CSV, JSON */
	enum cell_kind kind;
	unsigned which;			/* counter or percentile */
} cells[] = {
	{ "CONN", "CONNECTS", "connects", COUNTER, STATS_CONNECTS },
	{ "ESTAB", "ESTABLISHED", "established", COUNTER, STATS_ESTABLISHED },
	{ "REFUSED", "REFUSED", "refused", COUNTER, STATS_REFUSED },
	{ "TIMEOUT", "TIMEOUT", "timeout", COUNTER, STATS_TIMED_OUT },
	{ "UNREACH", "UNREACHABLE", "unreachable", COUNTER, STATS_UNREACHABLE },
	{ "ABORT", "ABORTED", "aborted", COUNTER, STATS_ABORTED },
	{ "NODEST", "NO-DESTINATION", "no_destination", COUNTER, STATS_NO_DESTINATION },
	{ "ERROR", "ERROR", "error", COUNTER, STATS_FAILED },
	{ "SYNRTX", "SYN-RETRANSMITS", "syn_retransmits", COUNTER, STATS_SYN_RETRANSMITS },
	{ "RESET", "RESETS", "resets", COUNTER, STATS_RESETS },
	{ "OPEN", "OPEN", "open", OPEN, 0 },
	{ "P50", "CONNECT-P50-MS", "connect_p50_ms", CONNECT, 50 },
	{ "P90", "CONNECT-P90-MS", "connect_p90_ms", CONNECT, 90 },
	{ "P99", "CONNECT-P99-MS", "connect_p99_ms", CONNECT, 99 },
	{ "MAX", "CONNECT-MAX-MS", "connect_max_ms", CONNECT_MAX, 0 },
	{ "LIFE50", "LIFE-P50-MS", "life_p50_ms", LIFE, 50 },
};

enum { N_CELLS = sizeof(cells) / sizeof(cells[0]) };

#define CELL_MAX 32

/* @none: printed if there is no time to show */
static int format_cell(char text[CELL_MAX], const struct stats_real *r, const struct cell *cell, const char *none)
{
	struct stats_histogram h;
	uint64_t us;

	switch (cell->kind) {
	case COUNTER:
		return snprintf(text, CELL_MAX, "%" PRIu64, r->counter[cell->which]);
	case OPEN:
		return snprintf(text, CELL_MAX, "%" PRIu64, stats_open(r));
	default:
		h = stats_histogram(r, cell->kind == LIFE ? STATS_LIFE : STATS_CONNECT);
		if (!h.count)
			return snprintf(text, CELL_MAX, "%s", none);
		us = cell->kind == CONNECT_MAX ? h.max_us : stats_percentile(&h, cell->which);
		return snprintf(text, CELL_MAX, "%" PRIu64 ".%03" PRIu64, us / 1000, us % 1000);
	}
}

/* Widths of the columns: each is as wide as its longest value. */
struct widths {
	int vip, real, cell[N_CELLS];
};

static void widen(int *width, int len)
{
	if (*width < len)
		*width = len;
}

static int addr_port_len(const struct output *o, const struct endpoint *e)
{
	char text[NAMES_LEN_MAX + 8];
	struct output to = { .at = text, .settings = o->settings };

	put_addr_port(&to, e);
	return (int)(to.at - text);
}

static void widen_row(struct widths *w, const struct output *o, const struct stats_real *r)
{
	char text[CELL_MAX];

	widen(&w->vip, addr_port_len(o, &r->vip));
	widen(&w->real, addr_port_len(o, &r->real));
	for (int i = 0; i < N_CELLS; i++)
		widen(&w->cell[i], format_cell(text, r, &cells[i], "-"));
}

static void measure(struct widths *w, const struct output *o, const struct counts *c)
{
	w->vip = (int)strlen("VIP");
	w->real = (int)strlen("total");
	for (int i = 0; i < N_CELLS; i++)
		w->cell[i] = (int)strlen(cells[i].head);
	for (size_t i = 0; i < c->ranking->n; i++) {
		const struct stats_service *service = &c->ranking->service[i];

		widen_row(w, o, &service->total);
		for (size_t k = 0; k < service->n; k++)
			widen_row(w, o, c->ranking->order[service->first + k]);
	}
}

static void summary_pad(struct output *o, const char *start, int width)
{
	while (o->at - start < width)
		put_pad(o, start, width);
	put_char(o, ' ');
}

static void summary_put_heading(struct output *o, const struct widths *w)
{
	const char *start = o->at;

	put_text(o, "VIP");
	summary_pad(o, start, w->vip);
	start = o->at;
	put_text(o, "REAL");
	summary_pad(o, start, w->real);
	for (int i = 0; i < N_CELLS; i++) {
		start = o->at;
		put_text(o, cells[i].head);
		if (i < N_CELLS - 1 || o->settings.director)
			summary_pad(o, start, w->cell[i]);
	}
	put_text(o, o->settings.director ? "SOURCE\n" : "\n");
}

static void put_line(struct output *o, const struct widths *w, const struct stats_real *r, bool total)
{
	const char *start;

	output_room(o);
	start = o->at;
	put_addr_port(o, &r->vip);
	summary_pad(o, start, w->vip);
	start = o->at;
	if (total)
		put_text(o, "total");
	else
		put_addr_port(o, &r->real);
	summary_pad(o, start, w->real);
	for (int i = 0; i < N_CELLS; i++) {
		char text[CELL_MAX];

		format_cell(text, r, &cells[i], "-");
		start = o->at;
		put_text(o, text);
		if (i < N_CELLS - 1 || o->settings.director)
			summary_pad(o, start, w->cell[i]);
	}
	if (o->settings.director)
		put_text(o, counts_source(r));
	put_char(o, '\n');
}

/* Prints how many lines do not fit on the screen. */
static void put_more(struct output *o, size_t n)
{
	output_room(o);
	put_text(o, "... ");
	put_u64(o, n);
	put_text(o, " more lines\n");
}

void summary_text(struct output *o, const struct counts *c)
{
	const struct stats_ranking *ranking = c->ranking;
	size_t lines = 0, room = c->lines > 4 ? (size_t)c->lines - 4 : 1, all = ranking->n;
	struct widths w;

	for (size_t i = 0; i < ranking->n; i++)
		all += ranking->service[i].n;
	if (!c->lines || all <= room)
		room = all;
	measure(&w, o, c);
	summary_put_heading(o, &w);
	for (size_t i = 0; i < ranking->n; i++) {
		const struct stats_service *service = &ranking->service[i];

		if (lines++ < room)
			put_line(o, &w, &service->total, true);
		for (size_t k = 0; k < service->n; k++)
			if (lines++ < room)
				put_line(o, &w, ranking->order[service->first + k], false);
	}
	if (room < all)
		put_more(o, all - room);
}

void summary_header_csv(struct output *o)
{
	counts_head_csv(o);
	for (int i = 0; i < N_CELLS; i++) {
		put_text(o, i ? "," : "");
		put_text(o, cells[i].csv);
	}
	counts_head_end_csv(o);
}

static void put_line_csv(struct output *o, const struct counts *c, const struct stats_real *r, bool total)
{
	output_room(o);
	counts_place_csv(o, c, r, total);
	for (int i = 0; i < N_CELLS; i++) {
		char text[CELL_MAX];

		format_cell(text, r, &cells[i], "");
		put_text(o, i ? "," : "");
		put_text(o, text);
	}
	counts_end_csv(o, r);
}

static void put_line_json(struct output *o, const struct counts *c, const struct stats_real *r, bool total)
{
	output_room(o);
	counts_place_json(o, c, r, total ? "total" : "summary");
	for (int i = 0; i < N_CELLS; i++) {
		char text[CELL_MAX];

		format_cell(text, r, &cells[i], "null");
		put_text(o, ",\"");
		put_text(o, cells[i].key);
		put_text(o, "\":");
		put_text(o, text);
	}
	counts_end_json(o, r);
}

static void put_lines(struct output *o, const struct counts *c,
		      void (*put)(struct output *, const struct counts *, const struct stats_real *, bool))
{
	for (size_t i = 0; i < c->ranking->n; i++) {
		const struct stats_service *service = &c->ranking->service[i];

		put(o, c, &service->total, true);
		for (size_t k = 0; k < service->n; k++)
			put(o, c, c->ranking->order[service->first + k], false);
	}
}

void summary_csv(struct output *o, const struct counts *c)
{
	put_lines(o, c, put_line_csv);
}

void summary_json(struct output *o, const struct counts *c)
{
	put_lines(o, c, put_line_json);
}
