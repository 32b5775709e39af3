/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms of connect times, or with --states of times in a state, for each real server. Text shows powers of two, as
 * BCC's tools do; CSV and JSON show each bucket. */
#include "output/output_counts.h"

#include <stdio.h>

#define STARS 40
#define POWERS 48		/* the last bucket begins below 2^42 us */

/* Sums up the buckets by powers of two: slot i has the values of i bits, slot 1 also has 0. Returns the last slot in use. */
static int sum_by_powers(uint64_t slot[POWERS], const struct stats_histogram *h, unsigned unit_us)
{
	int last = 0;

	for (int i = 0; i < POWERS; i++)
		slot[i] = 0;
	for (size_t i = 0; i < h->n; i++) {
		uint64_t value = stats_bucket_low(stats_number(&h->bucket[i])) / unit_us;
		int bits = value ? 64 - __builtin_clzll(value) : 1;

		slot[bits] += h->bucket[i].n;
		if (bits > last)
			last = bits;
	}
	return last;
}

static void put_bar(struct output *o, uint64_t n, uint64_t most)
{
	uint64_t stars = most > UINT64_MAX / STARS ? n / (most / STARS) : n * STARS / most;

	put_char(o, '|');
	for (uint64_t i = 0; i < STARS; i++)
		put_char(o, i < stars ? '*' : ' ');
	put_text(o, "|\n");
}

static void put_powers(struct output *o, const struct stats_histogram *h, bool ms)
{
	uint64_t slot[POWERS], most = 1;
	int last = sum_by_powers(slot, h, ms ? 1000 : 1);

	for (int i = 1; i <= last; i++)
		if (slot[i] > most)
			most = slot[i];
	o->at += sprintf(o->at, "     %-19s : count     distribution\n", ms ? "msecs" : "usecs");
	for (int i = 1; i <= last; i++) {
		unsigned long long low = i == 1 ? 0 : 1ULL << (i - 1), high = (1ULL << i) - 1;

		output_room(o);
		o->at += sprintf(o->at, "%10llu -> %-10llu : %-8llu ", low, high, (unsigned long long)slot[i]);
		put_bar(o, slot[i], most);
	}
}

/* One histogram: connect times, or with --states the times in one state. */
struct times {
	const struct stats_real *real;
	struct stats_histogram histogram;
	const char *state;		/* NULL: connect times */
};

typedef void (*put_histogram)(struct output *, const struct counts *, const struct times *);

/* Prints the states in the order in which a connection goes through them. Their numbers: include/net/tcp_states.h; enum
 * ipvs_state. */
static void each_state(struct output *o, const struct counts *c, const struct stats_real *r, put_histogram put)
{
	static const uint8_t orders[STATS_SOURCES][STATS_STATES] = {
		{ 2, 3, 12, 1, 4, 5, 8, 9, 11, 6, 0, 7, 10, 13, 14, 15 },
		{ 0, 2, 10, 3, 1, 4, 7, 8, 5, 6, 9, 11, 12, 13, 14, 15 },
	};
	const uint8_t *order = orders[r->source];
	uint8_t first = r->source == STATS_IPVS ? ROW_IPVS : 0;

	for (unsigned i = 0; i < STATS_STATES; i++) {
		const struct times t = { r, stats_histogram(r, STATS_STATE + order[i]), output_state(first + order[i]) };

		if (t.histogram.count)
			put(o, c, &t);
	}
}

/* Prints each real server that has connect times or, with --states, times in a state. */
static void each_real(struct output *o, const struct counts *c, put_histogram put)
{
	for (size_t i = 0; i < c->ranking->n; i++) {
		const struct stats_service *service = &c->ranking->service[i];

		for (size_t k = 0; k < service->n; k++) {
			const struct stats_real *r = c->ranking->order[service->first + k];
			const struct times connects = { r, stats_histogram(r, STATS_CONNECT), NULL };

			if (o->settings.states)
				each_state(o, c, r, put);
			else if (connects.histogram.count)
				put(o, c, &connects);
		}
	}
}

static void put_times_text(struct output *o, const struct counts *c, const struct times *t)
{
	(void)c;
	output_room(o);
	put_text(o, "\nvip = ");
	put_addr_port(o, &t->real->vip);
	put_text(o, ", real = ");
	put_addr_port(o, &t->real->real);
	put_text(o, t->state ? ", state = " : "");
	put_text(o, t->state ? t->state : "");
	if (o->settings.director) {
		put_text(o, ", source = ");
		put_text(o, counts_source(t->real));
	}
	put_char(o, '\n');
	put_powers(o, &t->histogram, o->settings.milliseconds);
}

void histogram_text(struct output *o, const struct counts *c)
{
	each_real(o, c, put_times_text);
}

void histogram_header_csv(struct output *o)
{
	counts_head_csv(o);
	put_text(o, o->settings.states ? "STATE,FROM-US,TO-US,COUNT" : "FROM-US,TO-US,COUNT");
	counts_head_end_csv(o);
}

static void put_times_csv(struct output *o, const struct counts *c, const struct times *t)
{
	for (size_t i = 0; i < t->histogram.n; i++) {
		const struct stats_bucket *b = &t->histogram.bucket[i];

		output_room(o);
		counts_place_csv(o, c, t->real, false);
		put_text(o, t->state ? t->state : "");
		put_text(o, t->state ? "," : "");
		put_u64(o, stats_bucket_low(stats_number(b)));
		put_char(o, ',');
		put_u64(o, stats_bucket_high(stats_number(b)));
		put_char(o, ',');
		put_u64(o, b->n);
		counts_end_csv(o, t->real);
	}
}

void histogram_csv(struct output *o, const struct counts *c)
{
	each_real(o, c, put_times_csv);
}

static void put_times_json(struct output *o, const struct counts *c, const struct times *t)
{
	output_room(o);
	counts_place_json(o, c, t->real, "histogram");
	if (t->state) {
		put_text(o, ",\"state\":\"");
		put_text(o, t->state);
		put_char(o, '"');
	}
	put_text(o, t->state ? ",\"state_us\":[" : ",\"connect_us\":[");
	for (size_t i = 0; i < t->histogram.n; i++) {
		const struct stats_bucket *b = &t->histogram.bucket[i];

		output_room(o);
		put_text(o, !i ? "{\"from\":" : ",{\"from\":");
		put_u64(o, stats_bucket_low(stats_number(b)));
		put_text(o, ",\"to\":");
		put_u64(o, stats_bucket_high(stats_number(b)));
		put_text(o, ",\"count\":");
		put_u64(o, b->n);
		put_char(o, '}');
	}
	put_char(o, ']');
	counts_end_json(o, t->real);
}

void histogram_json(struct output *o, const struct counts *c)
{
	each_real(o, c, put_times_json);
}
