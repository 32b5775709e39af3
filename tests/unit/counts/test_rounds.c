/* SPDX-License-Identifier: Apache-2.0 */
/* Events of several CPUs in random order, in rounds: none is lost, early or late. tests/fuzz has other random input. */
#include "../unit.h"

#include "rows/correlate.h"

#include <stdlib.h>
#include <sys/socket.h>

/* xorshift64*, Vigna 2016 */
static uint64_t seed;

static uint64_t any(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1d;
}

static unsigned below(unsigned n)
{
	return (unsigned)(any() >> 33) % n;
}

enum { EVENTS = 60000 };

/* Every event of the run, in the order of sending; skaddr is its index. */
struct run {
	uint64_t ts_ns[EVENTS];
	uint8_t seen[EVENTS];
	unsigned sent, taken;
	uint64_t last_ts_ns, last;
};

static void send_some(struct run *r, struct correlate *c, uint64_t from_ns, uint64_t to_ns)
{
	unsigned cpus = 1 + below(8);

	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		uint64_t now_ns = from_ns;

		for (unsigned n = below(60); n && r->sent < EVENTS; n--) {
			struct event ev = { .type = EVENT_STATE, .conn = { .family = AF_INET } };

			/* An interrupt may put a later event before an earlier one. */
			now_ns += below(3) ? below(20) : 0;
			ev.ts_ns = below(10) || now_ns < from_ns + 5 ? now_ns : now_ns - below(5);
			if (ev.ts_ns >= to_ns)
				break;
			ev.skaddr = r->sent;
			r->ts_ns[r->sent++] = ev.ts_ns;
			assert_int_equal(correlate_add(c, &ev, sizeof(ev)), 0);
		}
	}
}

static void take_rows(struct run *r, struct correlate *c, uint64_t before_ns)
{
	struct row row;

	correlate_sort(c);
	while (correlate_next(c, before_ns, &row)) {
		assert_in_range(row.skaddr, 0, r->sent - 1);
		assert_int_equal(row.ts_ns, r->ts_ns[row.skaddr]);
		assert_true(row.ts_ns < before_ns);
		assert_int_equal(r->seen[row.skaddr]++, 0);
		assert_true(row.ts_ns >= r->last_ts_ns);
		/* Rows with the same time are in the order of sending. */
		if (r->taken && row.ts_ns == r->last_ts_ns)
			assert_true(row.skaddr > r->last);
		r->last_ts_ns = row.ts_ns;
		r->last = row.skaddr;
		r->taken++;
	}
	correlate_keep(c, before_ns);
}

static void random_rounds(void **state)
{
	struct run *r = calloc(1, sizeof(*r));
	struct correlate c;
	uint64_t now_ns = 1000;

	(void)state;
	seed = 0x9e3779b97f4a7c15;
	assert_non_null(r);
	assert_int_equal(correlate_init(&c), 0);
	while (r->sent < EVENTS) {
		uint64_t before_ns = now_ns + below(300), due = 0;

		send_some(r, &c, now_ns, now_ns + 600);
		take_rows(r, &c, before_ns);
		for (unsigned i = 0; i < r->sent; i++)
			due += r->ts_ns[i] < before_ns;
		assert_int_equal(r->taken, due);	/* no row is held back */
		now_ns = before_ns;			/* no older event will come */
	}
	take_rows(r, &c, UINT64_MAX);
	assert_int_equal(r->taken, EVENTS);
	for (unsigned i = 0; i < EVENTS; i++)
		assert_int_equal(r->seen[i], 1);
	correlate_fini(&c);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
