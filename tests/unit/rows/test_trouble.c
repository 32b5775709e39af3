/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows --failures and --slow let pass, and in what order. */
#include "../unit.h"

#include "probes/tcp_state.h"
#include "rows/trouble.h"

#include <stdlib.h>
#include <string.h>

/* What was shown: the ts_ns of each row. */
struct shown {
	uint64_t ts_ns[16];
	size_t n;
};

static void show(void *cookie, const struct row *row)
{
	struct shown *s = cookie;

	assert_true(s->n < N_OF(s->ts_ns));
	s->ts_ns[s->n++] = row->ts_ns;
}

static struct row row_at(uint64_t ts_ns, uint64_t skaddr, uint8_t oldstate, uint8_t newstate, bool trouble)
{
	return (struct row){ .ts_ns = ts_ns, .skaddr = skaddr, .oldstate = oldstate, .newstate = newstate, .trouble = trouble };
}

static void pass(struct trouble *t, struct shown *s, uint64_t ts_ns, uint64_t skaddr, uint8_t oldstate, uint8_t newstate, bool trouble)
{
	struct row row = row_at(ts_ns, skaddr, oldstate, newstate, trouble);

	trouble_row(t, &row, show, s);
}

static void pass_ipvs(struct trouble *t, struct shown *s, uint64_t ts_ns, uint64_t cp, uint8_t oldstate, uint8_t newstate, bool trouble)
{
	struct row row = row_at(ts_ns, cp, (uint8_t)(ROW_IPVS + oldstate), (uint8_t)(ROW_IPVS + newstate), trouble);

	row.forwarded = true;
	trouble_row(t, &row, show, s);
}

/* Checks what was shown since the last call. */
#define CHECK_SHOWN(s, ...) check_shown(s, (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

static void check_shown(struct shown *s, const uint64_t *ts_ns, size_t n)
{
	assert_int_equal(s->n, n);
	assert_memory_equal(s->ts_ns, ts_ns, n * sizeof(*ts_ns));
	s->n = 0;
}

static void check_nothing(const struct shown *s)
{
	assert_int_equal(s->n, 0);
}

static void expect_container(void *cookie, const struct row *row)
{
	const char *const *id = cookie;

	assert_non_null(row->container);
	assert_string_equal(row->container->id, *id);
}

/* The caller's container changes with each row. */
static void waiting_rows_keep_their_container(void **state)
{
	struct container now = { .id = "first" }, at_last = { .id = "first" };
	struct row row = row_at(1, 7, TCP_CLOSE, TCP_SYN_SENT, false);
	const char *id = "first";
	struct trouble t;

	(void)state;
	assert_int_equal(trouble_init(&t, true, true), 0);
	row.container = &now;
	trouble_row(&t, &row, expect_container, &id);
	now = (struct container){ .id = "second" };
	row = row_at(2, 7, TCP_SYN_SENT, TCP_CLOSE, true);
	row.container = &at_last;
	trouble_row(&t, &row, expect_container, &id);
	trouble_fini(&t);
}

static void switched_off(void **state)
{
	struct shown s = { .n = 0 };
	struct trouble t;

	(void)state;
	assert_int_equal(trouble_init(&t, false, true), 0);
	pass(&t, &s, 1, 7, TCP_CLOSE, TCP_SYN_SENT, false);
	pass(&t, &s, 2, 7, TCP_SYN_SENT, TCP_CLOSE, true);
	CHECK_SHOWN(&s, 1, 2);
	trouble_fini(&t);
	trouble_fini(&t);
}

static void only_trouble(void **state)
{
	struct shown s = { .n = 0 };
	struct trouble t;

	(void)state;
	assert_int_equal(trouble_init(&t, true, false), 0);
	pass(&t, &s, 1, 7, TCP_CLOSE, TCP_SYN_SENT, false);
	pass(&t, &s, 2, 7, TCP_SYN_SENT, TCP_SYN_SENT, true);
	pass(&t, &s, 3, 7, TCP_SYN_SENT, TCP_ESTABLISHED, false);
	pass(&t, &s, 4, 7, TCP_ESTABLISHED, TCP_CLOSE, true);
	CHECK_SHOWN(&s, 2, 4);
	trouble_fini(&t);
}

static int begin(void **state)
{
	struct trouble *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	assert_int_equal(trouble_init(t, true, true), 0);
	*state = t;
	return 0;
}

static int end(void **state)
{
	trouble_fini(*state);
	free(*state);
	return 0;
}

/* Two connections at a time: the bad one is shown from its first row on, the good one never. */
static void whole(void **state)
{
	struct trouble *t = *state;
	struct shown s = { .n = 0 };

	pass(t, &s, 1, 7, TCP_CLOSE, TCP_SYN_SENT, false);
	pass(t, &s, 2, 8, TCP_CLOSE, TCP_SYN_SENT, false);
	pass(t, &s, 3, 7, TCP_SYN_SENT, TCP_ESTABLISHED, false);
	pass(t, &s, 4, 8, TCP_SYN_SENT, TCP_ESTABLISHED, false);
	pass(t, &s, 5, 7, TCP_ESTABLISHED, TCP_FIN_WAIT1, false);
	pass(t, &s, 6, 8, TCP_ESTABLISHED, TCP_FIN_WAIT1, false);
	check_nothing(&s);
	pass(t, &s, 7, 8, TCP_FIN_WAIT1, TCP_CLOSE, true);
	CHECK_SHOWN(&s, 2, 4, 6, 7);
	pass(t, &s, 8, 7, TCP_FIN_WAIT1, TCP_FIN_WAIT2, false);
	pass(t, &s, 9, 7, TCP_FIN_WAIT2, TCP_CLOSE, false);
	pass(t, &s, 10, 7, TCP_CLOSE, TCP_SYN_SENT, false);	/* the next one has the same address */
	pass(t, &s, 11, 7, TCP_SYN_SENT, TCP_CLOSE, true);
	CHECK_SHOWN(&s, 10, 11);
	assert_int_equal(t->forgotten, 0);
}

/* From the first trouble on, each row is shown when it comes. */
static void goes_on(void **state)
{
	struct trouble *t = *state;
	struct shown s = { .n = 0 };

	pass(t, &s, 1, 7, TCP_CLOSE, TCP_SYN_SENT, false);
	pass(t, &s, 2, 7, TCP_SYN_SENT, TCP_SYN_SENT, true);
	CHECK_SHOWN(&s, 1, 2);
	pass(t, &s, 3, 7, TCP_SYN_SENT, TCP_ESTABLISHED, false);
	pass(t, &s, 4, 7, TCP_ESTABLISHED, TCP_CLOSE_WAIT, false);
	CHECK_SHOWN(&s, 3, 4);
	pass(t, &s, 5, 7, TCP_CLOSE_WAIT, TCP_LAST_ACK, false);
	pass(t, &s, 6, 7, TCP_LAST_ACK, TCP_CLOSE, false);
	CHECK_SHOWN(&s, 5, 6);
	pass(t, &s, 7, 7, TCP_CLOSE, TCP_SYN_SENT, false);
	pass(t, &s, 8, 7, TCP_SYN_SENT, TCP_ESTABLISHED, false);
	check_nothing(&s);
	pass(t, &s, 9, 9, TCP_ESTABLISHED, TCP_ESTABLISHED, true);	/* no row of it was seen before */
	pass(t, &s, 10, 9, TCP_ESTABLISHED, TCP_FIN_WAIT1, false);
	CHECK_SHOWN(&s, 9, 10);
}

/* The end of a connection was not seen: the next one at its address begins anew. */
static void end_not_seen(void **state)
{
	struct trouble *t = *state;
	struct shown s = { .n = 0 };

	pass(t, &s, 1, 7, TCP_CLOSE, TCP_SYN_SENT, false);
	pass(t, &s, 2, 7, TCP_SYN_SENT, TCP_ESTABLISHED, false);
	pass(t, &s, 3, 7, TCP_LISTEN, TCP_SYN_RECV, false);
	pass(t, &s, 4, 7, TCP_SYN_RECV, TCP_CLOSE, true);
	CHECK_SHOWN(&s, 3, 4);
}

static void forwarded(void **state)
{
	struct trouble *t = *state;
	struct shown s = { .n = 0 };

	pass_ipvs(t, &s, 1, 7, IPVS_NONE, IPVS_SYN_RECV, false);
	pass_ipvs(t, &s, 2, 7, IPVS_SYN_RECV, IPVS_ESTABLISHED, false);
	pass_ipvs(t, &s, 3, 7, IPVS_ESTABLISHED, IPVS_NONE, true);
	CHECK_SHOWN(&s, 1, 2, 3);
	pass_ipvs(t, &s, 4, 7, IPVS_NONE, IPVS_SYN_RECV, false);
	pass_ipvs(t, &s, 5, 7, IPVS_SYN_RECV, IPVS_ESTABLISHED, false);
	pass_ipvs(t, &s, 6, 7, IPVS_ESTABLISHED, IPVS_FIN_WAIT, false);
	pass_ipvs(t, &s, 7, 7, IPVS_FIN_WAIT, IPVS_TIME_WAIT, false);	/* nothing waits any more */
	assert_int_equal(t->oldest, 0);
	pass_ipvs(t, &s, 8, 7, IPVS_TIME_WAIT, IPVS_SYN_RECV, false);	/* IPVS uses the entry again */
	pass_ipvs(t, &s, 9, 7, IPVS_SYN_RECV, IPVS_CLOSE, true);
	CHECK_SHOWN(&s, 8, 9);
	pass_ipvs(t, &s, 10, 0, IPVS_NONE, IPVS_NONE, false);	/* a new entry, without its address */
	pass_ipvs(t, &s, 11, 0, IPVS_NONE, IPVS_NONE, true);	/* no destination */
	CHECK_SHOWN(&s, 11);
	assert_int_equal(t->oldest, 0);
}

/* If there is no room, the oldest connections are forgotten, and only they. */
static void bounded(void **state)
{
	struct trouble *t = *state;
	struct shown s = { .n = 0 };

	for (uint64_t sk = 1; sk <= TROUBLE_CONNS + 1000; sk++)
		pass(t, &s, sk, sk, TCP_CLOSE, TCP_SYN_SENT, false);
	assert_int_equal(t->forgotten, 1000);
	pass(t, &s, 1, 1000, TCP_SYN_SENT, TCP_CLOSE, true);
	CHECK_SHOWN(&s, 1);
	pass(t, &s, 2, 1001, TCP_SYN_SENT, TCP_CLOSE, true);
	CHECK_SHOWN(&s, 1001, 2);
	/* One connection takes the room of all rows, and of one more. */
	for (uint64_t i = 0; i <= TROUBLE_ROWS; i++)
		pass(t, &s, 3, TROUBLE_CONNS + 1000, TCP_SYN_SENT, i % 2 ? TCP_ESTABLISHED : TCP_SYN_RECV, false);
	/* That made room by all the others, and at last by its own rows. */
	assert_int_equal(t->forgotten, 1000 + TROUBLE_CONNS - 2 + TROUBLE_ROWS);
	check_nothing(&s);
	pass(t, &s, 4, TROUBLE_CONNS + 1000, TCP_ESTABLISHED, TCP_CLOSE, true);
	CHECK_SHOWN(&s, 3, 3, 4);
	assert_int_equal(t->oldest, 0);
}

/* Compares with plain arrays: many thousand random rows. */
static void as_plain_arrays(void **state)
{
	enum { CONNS = 50, STEPS = 200000 };
	static const uint8_t path[] = { TCP_CLOSE, TCP_SYN_SENT, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_CLOSE };
	struct { uint64_t ts_ns[8]; size_t n; unsigned int step; bool shown; } conn[CONNS] = { 0 };
	struct trouble *t = *state;
	struct shown s = { .n = 0 };
	uint32_t seed = 1;

	for (uint64_t now = 1; now < STEPS; now++) {
		unsigned int i, step;
		bool trouble;

		seed = seed * 1103515245 + 12345;
		i = (seed >> 8) % CONNS;
		trouble = (seed >> 20) % 10 == 0;
		step = conn[i].step;
		conn[i].ts_ns[conn[i].n++] = now;
		pass(t, &s, now, i + 1, path[step], path[step + 1], trouble);
		conn[i].shown |= trouble;
		if (conn[i].shown) {
			check_shown(&s, conn[i].ts_ns, conn[i].n);
			conn[i].n = 0;
		}
		check_nothing(&s);
		conn[i].step = (step + 1) % 5;
		if (!conn[i].step) {
			conn[i].n = 0;
			conn[i].shown = false;
		}
	}
	assert_int_equal(t->forgotten, 0);
	assert_true(t->conns <= CONNS);
	assert_true(t->rows <= CONNS * 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(switched_off),
		cmocka_unit_test(waiting_rows_keep_their_container),
		cmocka_unit_test(only_trouble),
		cmocka_unit_test_setup_teardown(whole, begin, end),
		cmocka_unit_test_setup_teardown(goes_on, begin, end),
		cmocka_unit_test_setup_teardown(end_not_seen, begin, end),
		cmocka_unit_test_setup_teardown(forwarded, begin, end),
		cmocka_unit_test_setup_teardown(bounded, begin, end),
		cmocka_unit_test_setup_teardown(as_plain_arrays, begin, end),
	};

	return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
