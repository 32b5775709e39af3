/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows mark a real server as down and up, and the rows that report it. */
#include "../unit.h"

#include "../endpoint.h"
#include "rows/health.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ESTABLISHED = 1, SYN_SENT, CLOSE = 7 };

#define MS 1000000ULL
#define SECOND 1000000000ULL
#define REAL_A 1
#define REAL_B 2

/* A connect to 10.0.0.99:80 that IPVS sent to real server @real. It ended at @at_ns, after @span_ns. */
static struct row connect_row(uint32_t real, uint8_t newstate, uint64_t at_ns, uint64_t span_ns, const char *reason)
{
	struct row row = {
		.ts_ns = at_ns, .span_ns = span_ns, .skaddr = 0xabc, .pid = 7, .comm = "curl",
		.local = ipv4(5, 40000), .remote = ipv4(99, 80), .real = ipv4(real, 8080),
		.oldstate = SYN_SENT, .newstate = newstate, .event = "state", .reason = reason, .method = "masq",
		.age_ms = -1, .gone_ms = -1,
	};

	return row;
}

static bool refused(struct health *h, uint32_t real, uint64_t at_ns, struct row *event)
{
	struct row row = connect_row(real, CLOSE, at_ns, 2 * MS, "refused");

	return health_row(h, &row, event);
}

static bool established(struct health *h, uint32_t real, uint64_t at_ns, struct row *event)
{
	struct row row = connect_row(real, ESTABLISHED, at_ns, MS, NULL);

	return health_row(h, &row, event);
}

static int begin(void **state)
{
	struct health *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	assert_int_equal(health_init(h, 3), 0);
	*state = h;
	return 0;
}

static int end(void **state)
{
	health_fini(*state);
	free(*state);
	return 0;
}

static void down_and_up(void **state)
{
	struct health *h = *state;
	struct row event;

	assert_false(refused(h, REAL_A, 10 * SECOND, &event));
	assert_false(refused(h, REAL_A, 20 * SECOND, &event));
	assert_true(refused(h, REAL_A, 30 * SECOND, &event));
	assert_string_equal(event.event, "real-server-down");
	assert_string_equal(event.reason, "real-server-down");
	assert_int_equal(event.ts_ns, 30 * SECOND);
	assert_int_equal(event.span_ns, 20 * SECOND + 2 * MS);
	assert_int_equal(event.oldstate, CLOSE);
	assert_int_equal(event.newstate, CLOSE);
	assert_int_equal(event.real.addr[15], REAL_A);
	assert_int_equal(event.real.port, 8080);
	assert_int_equal(event.remote.addr[15], 99);
	assert_int_equal(event.remote.port, 80);
	assert_string_equal(event.method, "masq");
	assert_string_equal(event.comm, "curl");

	for (uint64_t i = 0; i < 10; i++)	/* reported once */
		assert_false(refused(h, REAL_A, (31 + i) * SECOND, &event));
	assert_true(established(h, REAL_A, 50 * SECOND, &event));
	assert_string_equal(event.event, "real-server-up");
	assert_string_equal(event.reason, "real-server-up");
	assert_int_equal(event.span_ns, 20 * SECOND);
	assert_int_equal(event.oldstate, ESTABLISHED);
	assert_int_equal(event.newstate, ESTABLISHED);

	assert_false(established(h, REAL_A, 51 * SECOND, &event));
	assert_false(refused(h, REAL_A, 60 * SECOND, &event));
	assert_false(refused(h, REAL_A, 61 * SECOND, &event));
	assert_true(refused(h, REAL_A, 62 * SECOND, &event));
	assert_int_equal(event.span_ns, 2 * SECOND + 2 * MS);
}

static void success_between(void **state)
{
	struct health *h = *state;
	struct row event;

	for (uint64_t i = 0; i < 30; i += 3) {
		assert_false(refused(h, REAL_A, i * SECOND + SECOND, &event));
		assert_false(refused(h, REAL_A, i * SECOND + 2 * SECOND, &event));
		assert_false(established(h, REAL_A, i * SECOND + 3 * SECOND, &event));
	}
}

/* Each real server of each service is judged on its own. */
static void apart(void **state)
{
	struct health *h = *state;
	struct row row = connect_row(REAL_A, CLOSE, SECOND, MS, "refused"), event;

	assert_false(refused(h, REAL_A, SECOND, &event));
	assert_false(refused(h, REAL_A, SECOND, &event));
	assert_false(refused(h, REAL_B, SECOND, &event));
	assert_false(refused(h, REAL_B, SECOND, &event));
	assert_false(established(h, REAL_B, SECOND, &event));
	row.remote.port = 81;
	assert_false(health_row(h, &row, &event));
	row.remote.port = 80;
	row.real.port = 8081;
	assert_false(health_row(h, &row, &event));
	assert_true(refused(h, REAL_A, SECOND, &event));
	assert_int_equal(event.real.addr[15], REAL_A);
	assert_false(refused(h, REAL_B, SECOND, &event));
}

static void which_have_failed(void **state)
{
	static const struct {
		const char *reason;
		uint64_t span_ns;
		bool failed;
	} ends[] = {
		{ "refused", MS, true }, { "timeout", MS, true }, { "unreachable", MS, true }, { "error", MS, true },
		{ "aborted", MS, false }, { "aborted", SECOND - 1, false }, { "aborted", SECOND, true },
		{ "no-port", 0, false }, { NULL, MS, false }, { NULL, SECOND, true },
	};
	struct row event;

	(void)state;
	for (size_t i = 0; i < N_OF(ends); i++) {
		struct row row = connect_row(REAL_A, CLOSE, 9 * SECOND, ends[i].span_ns, ends[i].reason);
		struct health h;

		assert_int_equal(health_init(&h, 1), 0);
		assert_int_equal(health_row(&h, &row, &event), ends[i].failed);
		health_fini(&h);
	}
}

static void other_rows(void **state)
{
	struct health *h = *state;
	struct row row = connect_row(REAL_A, CLOSE, SECOND, MS, "reset"), event;

	for (int i = 0; i < 5; i++) {
		row.oldstate = ESTABLISHED;
		assert_false(health_row(h, &row, &event));
		row.reason = "no-destination";
		row.oldstate = SYN_SENT;
		row.real.family = 0;
		assert_false(health_row(h, &row, &event));
		row = connect_row(REAL_A, SYN_SENT, SECOND, 2 * SECOND, "retransmit");
		row.event = "retransmit";
		assert_false(health_row(h, &row, &event));
	}
}

/* An IPv6 socket that is connected to ::ffff:10.0.0.99 belongs to the same service. */
static void mapped(void **state)
{
	struct health *h = *state;
	struct row row = connect_row(REAL_A, CLOSE, SECOND, MS, "refused"), event;

	assert_false(refused(h, REAL_A, SECOND, &event));
	assert_false(refused(h, REAL_A, SECOND, &event));
	row.local.family = row.remote.family = AF_INET6;
	assert_true(health_row(h, &row, &event));
	assert_int_equal(event.remote.family, AF_INET);
	assert_int_equal(event.local.family, AF_INET);
	row = connect_row(REAL_A, ESTABLISHED, SECOND, MS, NULL);
	memset(&row.remote.addr[8], 0x55, 4);	/* not IPv4 */
	row.remote.family = AF_INET6;
	assert_false(health_row(h, &row, &event));
	memcpy(row.remote.addr, ipv4(99, 80).addr, 16);
	assert_true(health_row(h, &row, &event));
}

static void switched_off(void **state)
{
	struct health h;
	struct row event;

	(void)state;
	assert_int_equal(health_init(&h, 0), 0);
	for (int i = 0; i < 10; i++)
		assert_false(refused(&h, REAL_A, SECOND, &event));
	assert_false(established(&h, REAL_A, SECOND, &event));
	health_fini(&h);
}

/* The table is full: the oldest failures make room; a real server that is down makes room only for one that is down. */
/* Forwarded connects count as those of sockets do; once there are some, sockets do not count any more. */
static void forwarded(void **state)
{
	struct health *h = *state;
	struct row event, row = connect_row(REAL_A, CLOSE, SECOND, 2 * MS, "refused");

	row.forwarded = true;
	row.oldstate = ROW_IPVS + 3;
	row.newstate = ROW_IPVS + 6;
	assert_false(health_row(h, &row, &event));
	assert_false(refused(h, REAL_A, SECOND, &event));
	assert_false(refused(h, REAL_A, SECOND, &event));
	row.newstate = ROW_IPVS;
	row.reason = "no-answer";
	assert_false(health_row(h, &row, &event));
	row.reason = "rescheduled";	/* no failure */
	assert_false(health_row(h, &row, &event));
	row.reason = "refused";
	assert_true(health_row(h, &row, &event));
	assert_string_equal(event.event, "real-server-down");
	assert_true(event.forwarded);
	assert_int_equal(event.oldstate, ROW_IPVS);
	row.newstate = ROW_IPVS + 1;
	row.reason = NULL;
	assert_true(health_row(h, &row, &event));
	assert_string_equal(event.event, "real-server-up");
}

static void bounded(void **state)
{
	struct health *h = *state;
	struct row event;
	uint32_t real;

	for (real = 0; real < 2; real++)	/* down, and the oldest */
		for (uint64_t i = 0; i < 3; i++)
			assert_int_equal(refused(h, real, SECOND, &event), i == 2);
	for (; real < HEALTH_PAIRS; real++)
		assert_false(refused(h, real, real * SECOND, &event));
	assert_int_equal(h->forgotten, 0);
	for (; real < HEALTH_PAIRS + 1000; real++)
		assert_false(refused(h, real, real * SECOND, &event));
	assert_int_equal(h->forgotten, 1000);
	assert_true(established(h, 0, 9000 * SECOND, &event));		/* it was still known */
	assert_true(established(h, 1, 9000 * SECOND, &event));
	assert_false(refused(h, 1002, 9001 * SECOND, &event));		/* still known */
	assert_true(refused(h, 1002, 9001 * SECOND, &event));
	assert_false(refused(h, 2, 9002 * SECOND, &event));		/* starts again from zero */
	assert_false(refused(h, 2, 9002 * SECOND, &event));
	assert_true(refused(h, 2, 9002 * SECOND, &event));
	assert_int_equal(h->forgotten, 1000);
	for (real = 0; real < HEALTH_PAIRS + 1000; real++)
		established(h, real, 9999 * SECOND, &event);
	for (real = 0; real < HEALTH_PAIRS; real++)			/* every slot is free again */
		assert_false(refused(h, real, 10000 * SECOND, &event));
	assert_int_equal(h->forgotten, 1000);
}

/* Compares with a plain array: many thousand random rows. */
static void as_a_plain_table(void **state)
{
	enum { REALS = 200 };
	struct health *h = *state;
	uint32_t failures[REALS] = { 0 }, seed = 1;
	struct row event;

	for (int i = 0; i < 100000; i++) {
		uint32_t real, kind;

		seed = seed * 1103515245 + 12345;
		real = seed >> 8 & 0xff;
		kind = seed >> 16 & 3;
		if (real >= REALS)
			continue;
		if (kind) {
			assert_int_equal(refused(h, real, SECOND, &event), ++failures[real] == 3);
		} else {
			assert_int_equal(established(h, real, SECOND, &event), failures[real] >= 3);
			failures[real] = 0;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(down_and_up, begin, end),
		cmocka_unit_test_setup_teardown(success_between, begin, end),
		cmocka_unit_test_setup_teardown(apart, begin, end),
		cmocka_unit_test(which_have_failed),
		cmocka_unit_test_setup_teardown(other_rows, begin, end),
		cmocka_unit_test_setup_teardown(mapped, begin, end),
		cmocka_unit_test(switched_off),
		cmocka_unit_test_setup_teardown(forwarded, begin, end),
		cmocka_unit_test_setup_teardown(bounded, begin, end),
		cmocka_unit_test_setup_teardown(as_a_plain_table, begin, end),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
