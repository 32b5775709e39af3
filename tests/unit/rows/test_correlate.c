/* SPDX-License-Identifier: Apache-2.0 */
/* Events of several CPUs to rows: their order, held-back events, reasons. */
#include "../unit.h"

#include "probes/tcp_state.h"
#include "rows/correlate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT,
       LAST_ACK, LISTEN, CLOSING };

static struct event event_at(uint64_t ts_ns, uint64_t skaddr)
{
	struct event ev = { .ts_ns = ts_ns, .skaddr = skaddr, .type = EVENT_STATE,
			    .oldstate = SYN_SENT, .newstate = ESTABLISHED,
			    .conn = { .family = AF_INET } };

	return ev;
}

static void add(struct correlate *c, const struct event *ev)
{
	assert_int_equal(correlate_add(c, ev, sizeof(*ev)), 0);
}

static void add_at(struct correlate *c, uint64_t ts_ns, uint64_t skaddr)
{
	struct event ev = event_at(ts_ns, skaddr);

	add(c, &ev);
}

/* Takes the rows before @before_ns and checks that their sockets are @skaddrs. */
static void check_rows(struct correlate *c, uint64_t before_ns, const uint64_t *skaddrs, size_t n)
{
	struct row row;

	for (size_t i = 0; i < n; i++) {
		assert_true(correlate_next(c, before_ns, &row));
		assert_int_equal(row.skaddr, skaddrs[i]);
	}
	memset(&row, 0x5a, sizeof(row));
	assert_false(correlate_next(c, before_ns, &row));
	assert_int_equal(row.skaddr, 0x5a5a5a5a5a5a5a5a);
}

static void no_event_no_row(void **state)
{
	struct correlate c;

	(void)state;
	assert_int_equal(correlate_init(&c), 0);
	for (int i = 0; i < 3; i++) {
		correlate_sort(&c);
		check_rows(&c, UINT64_MAX, NULL, 0);
		correlate_keep(&c, UINT64_MAX);
	}
	correlate_fini(&c);
	correlate_fini(&c);
}

static void every_field(void **state)
{
	static const struct event ev = {
		.ts_ns = 1111, .skaddr = 2222, .span_ns = 3333, .type = EVENT_STATE,
		.oldstate = CLOSE, .newstate = SYN_SENT, .err_known = 1,
		.conn = {
			.tuple = { { 1, 2, 3, 4 }, { 5, 6, 7, 8 }, 40000, 80, 4026531840 },
			.real = { { 9, 10, 11, 12 }, 8080, AF_INET6, METHOD_TUNNEL },
			.owner = { .pid = 42, .uid = 1000, .comm = "curl" }, .family = AF_INET6,
		},
	};
	struct correlate c;
	struct row row;

	(void)state;
	assert_int_equal(correlate_init(&c), 0);
	add(&c, &ev);
	correlate_sort(&c);
	memset(&row, 0x5a, sizeof(row));
	assert_true(correlate_next(&c, 1112, &row));
	assert_int_equal(row.ts_ns, 1111);
	assert_int_equal(row.skaddr, 2222);
	assert_int_equal(row.span_ns, 3333);
	assert_int_equal(row.pid, 42);
	assert_int_equal(row.uid, 1000);
	assert_int_equal(row.netns, 4026531840);
	assert_memory_equal(row.comm, ev.conn.owner.comm, 16);
	assert_memory_equal(row.local.addr, ev.conn.tuple.laddr, 16);
	assert_int_equal(row.local.port, 40000);
	assert_int_equal(row.local.family, AF_INET6);
	assert_memory_equal(row.remote.addr, ev.conn.tuple.raddr, 16);
	assert_int_equal(row.remote.port, 80);
	assert_int_equal(row.remote.family, AF_INET6);
	assert_memory_equal(row.real.addr, ev.conn.real.addr, 16);
	assert_int_equal(row.real.port, 8080);
	assert_int_equal(row.real.family, AF_INET6);
	assert_int_equal(row.oldstate, CLOSE);
	assert_int_equal(row.newstate, SYN_SENT);
	assert_string_equal(row.method, "tunnel");
	assert_null(row.reason);
	correlate_fini(&c);
}

static void bytes_that_are_no_event(void **state)
{
	struct event ev = event_at(5, 1);
	struct correlate c;

	(void)state;
	assert_int_equal(correlate_init(&c), 0);
	assert_int_equal(correlate_add(&c, &ev, EVENT_SIZE_OLD - 1), -EBADMSG);
	ev.type = EVENT_TYPES;
	assert_int_equal(correlate_add(&c, &ev, sizeof(ev)), -EBADMSG);
	add_at(&c, 4, 2);
	assert_int_equal(correlate_add(&c, &ev, sizeof(ev)), -EBADMSG);
	correlate_sort(&c);
	check_rows(&c, 10, (uint64_t[]){ 2 }, 1);
	correlate_fini(&c);
}

static void order_of_time(void **state)
{
	struct correlate c;

	(void)state;
	assert_int_equal(correlate_init(&c), 0);
	/* The buffers of three CPUs, one after another. */
	add_at(&c, 10, 1);
	add_at(&c, 40, 4);
	add_at(&c, 50, 5);
	add_at(&c, 20, 2);
	add_at(&c, 60, 6);
	add_at(&c, 30, 3);
	correlate_sort(&c);
	check_rows(&c, 100, (uint64_t[]){ 1, 2, 3, 4, 5, 6 }, 6);
	correlate_fini(&c);
}

static void backwards(void **state)
{
	struct correlate c;
	uint64_t expected[1000];

	(void)state;
	assert_int_equal(correlate_init(&c), 0);
	for (uint64_t i = 0; i < N_OF(expected); i++) {
		add_at(&c, 2000 - i, i);
		expected[i] = N_OF(expected) - 1 - i;
	}
	correlate_sort(&c);
	check_rows(&c, 5000, expected, N_OF(expected));
	correlate_fini(&c);
}

/* Two events of a socket in the same nanosecond must keep their order. */
static void equal_times_keep_their_order(void **state)
{
	struct correlate c;

	(void)state;
	assert_int_equal(correlate_init(&c), 0);
	add_at(&c, 10, 1);
	add_at(&c, 10, 2);
	add_at(&c, 5, 3);
	add_at(&c, 10, 4);
	add_at(&c, 5, 5);
	add_at(&c, 10, 6);
	correlate_sort(&c);
	check_rows(&c, 11, (uint64_t[]){ 3, 5, 1, 2, 4, 6 }, 6);
	correlate_fini(&c);
}

static void late_events_wait(void **state)
{
	struct correlate c;

	(void)state;
	assert_int_equal(correlate_init(&c), 0);
	add_at(&c, 10, 1);
	add_at(&c, 30, 3);
	add_at(&c, 20, 2);
	correlate_sort(&c);
	check_rows(&c, 20, (uint64_t[]){ 1 }, 1);	/* more events at 20 itself may still come */
	correlate_keep(&c, 20);
	add_at(&c, 25, 4);
	add_at(&c, 20, 5);
	correlate_sort(&c);
	check_rows(&c, 30, (uint64_t[]){ 2, 5, 4 }, 3);
	correlate_keep(&c, 30);
	correlate_sort(&c);
	check_rows(&c, 30, NULL, 0);
	correlate_keep(&c, 30);
	correlate_sort(&c);
	check_rows(&c, UINT64_MAX, (uint64_t[]){ 3 }, 1);
	correlate_keep(&c, UINT64_MAX);
	correlate_sort(&c);
	check_rows(&c, UINT64_MAX, NULL, 0);
	correlate_fini(&c);
}

static void grows_beyond_its_first_room(void **state)
{
	enum { N = 5000, ROUNDS = 3 };
	struct correlate c;
	struct row row;

	(void)state;
	assert_int_equal(correlate_init(&c), 0);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		for (uint64_t i = 0; i < N; i++)
			add_at(&c, round * N + i + 1, round * N + i);
		correlate_sort(&c);
		for (uint64_t i = 0; i < N; i++) {
			assert_true(correlate_next(&c, (round + 1) * N + 1, &row));
			assert_int_equal(row.skaddr, round * N + i);
		}
		correlate_keep(&c, (round + 1) * N + 1);
	}
	correlate_sort(&c);
	assert_false(correlate_next(&c, UINT64_MAX, &row));
	correlate_fini(&c);
}

static struct row row_of(const struct event *ev)
{
	struct correlate c;
	struct row row;

	assert_int_equal(correlate_init(&c), 0);
	add(&c, ev);
	correlate_sort(&c);
	assert_true(correlate_next(&c, UINT64_MAX, &row));
	correlate_fini(&c);
	return row;
}

static bool is_trouble(const struct event *ev, bool failures, uint64_t slow_ns)
{
	struct correlate c;
	struct row row;

	assert_int_equal(correlate_init(&c), 0);
	c.failures = failures;
	c.slow_ns = slow_ns;
	add(&c, ev);
	correlate_sort(&c);
	assert_true(correlate_next(&c, UINT64_MAX, &row));
	correlate_fini(&c);
	return row.trouble;
}

static void check_reason(uint8_t oldstate, int err, const char *reason)
{
	struct event ev = event_at(1, 1);
	struct row row;

	ev.oldstate = oldstate;
	ev.newstate = CLOSE;
	ev.err_known = 1;
	ev.err = (uint32_t)err;
	ev.conn.tuple.lport = 40000;
	row = row_of(&ev);
	if (reason) {
		assert_non_null(row.reason);
		assert_string_equal(row.reason, reason);
	} else {
		assert_null(row.reason);
	}
	assert_int_equal(is_trouble(&ev, true, 0), reason != NULL);	/* every end with a reason is a failure */
	assert_false(is_trouble(&ev, false, 0));
	ev.err_known = 0;	/* then there is no reason */
	assert_null(row_of(&ev).reason);
	ev.err_known = 1;
	ev.newstate = FIN_WAIT1;	/* not an end, so no reason */
	assert_null(row_of(&ev).reason);
	assert_false(is_trouble(&ev, true, 0));
}

static void failures_without_an_error(void **state)
{
	static const uint8_t bad[] = { SYN_SENT, SYN_RECV, ESTABLISHED, CLOSE_WAIT };
	struct event ev = event_at(1, 1);

	(void)state;
	ev.newstate = CLOSE;	/* the error is not known */
	for (uint8_t old = ESTABLISHED; old <= CLOSING; old++) {
		ev.oldstate = old;
		assert_int_equal(is_trouble(&ev, true, 0), memchr(bad, old, sizeof(bad)) != NULL);
	}
	ev.oldstate = SYN_SENT;
	ev.conn.flags = CONN_NO_DESTINATION;
	assert_true(is_trouble(&ev, true, 0));
}

static void failures_before_the_end(void **state)
{
	struct event ev = event_at(1, 1);

	(void)state;
	ev.type = EVENT_RETRANSMIT;
	ev.oldstate = ev.newstate = SYN_SENT;
	assert_true(is_trouble(&ev, true, 0));
	assert_false(is_trouble(&ev, false, 1));
	ev.type = EVENT_MOVED;
	assert_true(is_trouble(&ev, true, 0));
	ev = event_at(1, 1);
	ev.oldstate = CLOSE;
	ev.newstate = SYN_SENT;
	assert_false(is_trouble(&ev, true, 0));
	ev.conn.flags = CONN_SYN_LOST;
	assert_true(is_trouble(&ev, true, 0));
	assert_false(is_trouble(&ev, false, 1));
}

static void slow_connects(void **state)
{
	struct event ev = event_at(1, 1);	/* SYN_SENT -> ESTABLISHED */

	(void)state;
	ev.span_ns = 9999999;
	assert_false(is_trouble(&ev, false, 10000000));
	assert_false(is_trouble(&ev, true, 10000000));
	ev.span_ns = 10000000;
	assert_true(is_trouble(&ev, false, 10000000));
	assert_false(is_trouble(&ev, true, 0));
	ev.newstate = CLOSE;
	assert_true(is_trouble(&ev, false, 10000000));
	ev.oldstate = ESTABLISHED;	/* a long life is no slow connect */
	ev.newstate = FIN_WAIT1;
	assert_false(is_trouble(&ev, false, 10000000));
	ev.oldstate = SYN_RECV;		/* nor is that of a server */
	ev.newstate = ESTABLISHED;
	assert_false(is_trouble(&ev, false, 10000000));
}

/* With gone_at: a row that was held back until after the end of its entry. */
static void older_than_the_end_of_the_entry(void **state)
{
	struct event ev = event_at(5000 * 1048576ULL, 1);
	struct row row;

	(void)state;
	ev.conn.entry_at = ENTRY_TIME(2000 * 1048576ULL);
	ev.conn.gone_at = ENTRY_TIME(4000 * 1048576ULL);
	row = row_of(&ev);
	assert_int_equal(row.age_ms, 2000 * 1048576 / 1000000);
	assert_int_equal(row.gone_ms, 1000 * 1048576 / 1000000);
	ev.ts_ns = 3000 * 1048576ULL;
	row = row_of(&ev);
	assert_int_equal(row.age_ms, 1000 * 1048576 / 1000000);
	assert_int_equal(row.gone_ms, -1);
}

static void reasons_of_an_end(void **state)
{
	(void)state;
	check_reason(SYN_SENT, ECONNREFUSED, "refused");
	check_reason(SYN_SENT, ETIMEDOUT, "timeout");
	check_reason(ESTABLISHED, ETIMEDOUT, "timeout");
	check_reason(ESTABLISHED, ECONNRESET, "reset");
	check_reason(CLOSE_WAIT, EPIPE, "reset");
	check_reason(SYN_SENT, EHOSTUNREACH, "unreachable");
	check_reason(SYN_SENT, ENETUNREACH, "unreachable");
	check_reason(SYN_SENT, EHOSTDOWN, "unreachable");
	check_reason(SYN_SENT, ENETDOWN, "unreachable");
	check_reason(SYN_SENT, ENONET, "unreachable");
	check_reason(SYN_SENT, ENOPROTOOPT, "unreachable");
	check_reason(SYN_SENT, EACCES, "unreachable");
	check_reason(SYN_SENT, EPROTO, "unreachable");
	check_reason(ESTABLISHED, ECONNABORTED, "aborted");
	check_reason(ESTABLISHED, EIO, "error");
	check_reason(ESTABLISHED, 4095, "error");
}

static void ends_without_an_error(void **state)
{
	(void)state;
	check_reason(SYN_SENT, 0, "aborted");
	check_reason(SYN_RECV, 0, "aborted");
	check_reason(ESTABLISHED, 0, "aborted");
	check_reason(CLOSE_WAIT, 0, "aborted");
	/* Orderly ends of connections and listeners. */
	check_reason(LAST_ACK, 0, NULL);
	check_reason(FIN_WAIT2, 0, NULL);
	check_reason(TIME_WAIT, 0, NULL);
	check_reason(CLOSING, 0, NULL);
	check_reason(LISTEN, 0, NULL);
}

static void connect_without_a_port(void **state)
{
	struct event ev = event_at(1, 1);

	(void)state;
	ev.newstate = CLOSE;
	ev.err_known = 1;
	assert_string_equal(row_of(&ev).reason, "no-port");
	ev.err = ECONNREFUSED;
	assert_string_equal(row_of(&ev).reason, "refused");
	ev.err = 0;
	ev.oldstate = ESTABLISHED;
	assert_string_equal(row_of(&ev).reason, "aborted");
}

static void retransmits(void **state)
{
	struct event ev = event_at(1, 1);
	struct row row;

	(void)state;
	ev.type = EVENT_RETRANSMIT;
	ev.oldstate = ev.newstate = SYN_SENT;
	ev.span_ns = 1003000000;
	row = row_of(&ev);
	assert_string_equal(row.reason, "retransmit");
	assert_int_equal(row.oldstate, SYN_SENT);
	assert_int_equal(row.newstate, SYN_SENT);
	assert_int_equal(row.span_ns, 1003000000);
}

static void moved(void **state)
{
	struct event ev = event_at(1, 1);

	(void)state;
	ev.type = EVENT_MOVED;
	ev.oldstate = ev.newstate = ESTABLISHED;
	assert_string_equal(row_of(&ev).reason, "moved");
	assert_string_equal(row_of(&ev).event, "moved");
}

static void idle_expired(void **state)
{
	struct event ev = event_at(1, 1);
	struct row row;

	(void)state;
	ev.type = EVENT_IDLE_EXPIRED;
	ev.oldstate = ev.newstate = ESTABLISHED;
	ev.span_ns = 900000000000;
	row = row_of(&ev);
	assert_string_equal(row.reason, "idle-expired");
	assert_string_equal(row.event, "idle-expired");
	assert_false(row.forwarded);
	assert_int_equal(row.pid, ev.conn.owner.pid);
	assert_int_equal(row.oldstate, ESTABLISHED);
	assert_int_equal(row.span_ns, 900000000000);
	assert_true(is_trouble(&ev, true, 0));
	assert_false(is_trouble(&ev, false, 1));
}

/* The first row with the real server reports it, whatever kind of row it is. */
static void syn_lost(void **state)
{
	struct event ev = event_at(1, 1);

	(void)state;
	ev.conn.flags = CONN_SYN_LOST;
	assert_string_equal(row_of(&ev).reason, "syn-lost");
	assert_string_equal(row_of(&ev).event, "state");
	ev.type = EVENT_RETRANSMIT;
	assert_string_equal(row_of(&ev).reason, "syn-lost");
	assert_string_equal(row_of(&ev).event, "retransmit");
	ev.type = EVENT_STATE;
	ev.newstate = CLOSE;	/* the reason of the end is more important */
	ev.err_known = 1;
	ev.err = ECONNREFUSED;
	assert_string_equal(row_of(&ev).reason, "refused");
}

static void no_destination(void **state)
{
	struct event ev = event_at(1, 1);

	(void)state;
	ev.conn.flags = CONN_NO_DESTINATION;
	ev.oldstate = SYN_SENT;
	assert_null(row_of(&ev).reason);
	ev.newstate = CLOSE;
	assert_string_equal(row_of(&ev).reason, "no-destination");
	ev.oldstate = ESTABLISHED;	/* IPVS found a real server after all */
	ev.err_known = 1;
	ev.err = ECONNRESET;
	assert_string_equal(row_of(&ev).reason, "reset");
}

static void expired(void **state)
{
	struct event ev = event_at(1, 1);
	struct row row;

	(void)state;
	ev.oldstate = ESTABLISHED;
	ev.newstate = CLOSE;
	ev.err_known = 1;
	ev.err = ECONNRESET;
	ev.ts_ns = 100ULL << 20;
	row = row_of(&ev);
	assert_string_equal(row.reason, "reset");
	assert_int_equal(row.age_ms, -1);
	assert_int_equal(row.gone_ms, -1);
	ev.conn.entry_at = 1;
	row = row_of(&ev);
	assert_int_equal(row.age_ms, 100 * 1048576 / 1000000);
	assert_int_equal(row.gone_ms, -1);
	ev.conn.gone_at = 91;
	row = row_of(&ev);
	assert_string_equal(row.reason, "expired");
	assert_int_equal(row.age_ms, 90 * 1048576 / 1000000);
	assert_int_equal(row.gone_ms, 10 * 1048576 / 1000000);
	ev.err = EPIPE;
	assert_string_equal(row_of(&ev).reason, "expired");
	ev.err = ETIMEDOUT;	/* nobody answers what is sent after that */
	assert_string_equal(row_of(&ev).reason, "expired");
	ev.err = EHOSTUNREACH;	/* not an effect of a missing entry */
	assert_string_equal(row_of(&ev).reason, "unreachable");
	ev.conn.gone_at = 0;
	ev.err = ETIMEDOUT;
	assert_string_equal(row_of(&ev).reason, "timeout");
}

/* The row of the connect may be older than IPVS's entry; the clock of entries wraps. */
static void ages_at_the_edges(void **state)
{
	struct event ev = event_at(1, 1);

	(void)state;
	ev.ts_ns = 10ULL << 20;
	ev.conn.entry_at = 13;
	assert_int_equal(row_of(&ev).age_ms, 0);
	ev.ts_ns = ((1ULL << 32) + 100) << 20;
	ev.conn.entry_at = UINT32_MAX - 100;
	assert_int_equal(row_of(&ev).age_ms, 202 * 1048576 / 1000000);
}

/* Every cause in the states in which it occurs. */
static void reasons_of_forwarded(void **state)
{
	enum { REMOVED = FORWARDED_REMOVED, SYN_ACK = FORWARDED_SYN_ACK };
	static const struct {
		uint8_t oldstate, newstate, cause, flags, method;
		uint32_t packets;
		const char *reason;
		bool failure;
	} cases[] = {
		{ IPVS_NONE, IPVS_SYN_RECV, CAUSE_NONE, 0, METHOD_MASQ, 1, NULL, false },
		{ IPVS_NONE, IPVS_SYN_RECV, CAUSE_NONE, REMOVED, METHOD_MASQ, 1, "removed", false },
		{ IPVS_SYN_RECV, IPVS_ESTABLISHED, CAUSE_NONE, SYN_ACK, METHOD_MASQ, 2, NULL, false },
		{ IPVS_ESTABLISHED, IPVS_CLOSE_WAIT, CAUSE_CLIENT_FIN, 0, METHOD_MASQ, 3, "client-fin", false },
		{ IPVS_ESTABLISHED, IPVS_FIN_WAIT, CAUSE_SERVER_FIN, 0, METHOD_MASQ, 3, "server-fin", false },
		{ IPVS_ESTABLISHED, IPVS_CLOSE, CAUSE_CLIENT_RESET, REMOVED, METHOD_MASQ, 3, "client-reset", true },
		{ IPVS_ESTABLISHED, IPVS_CLOSE, CAUSE_SERVER_RESET, 0, METHOD_MASQ, 3, "server-reset", true },
		{ IPVS_TIME_WAIT, IPVS_CLOSE, CAUSE_SERVER_RESET, 0, METHOD_MASQ, 5, "server-reset", false },
		{ IPVS_LAST_ACK, IPVS_CLOSE, CAUSE_CLIENT_RESET, 0, METHOD_MASQ, 5, "client-reset", false },
		{ IPVS_SYN_RECV, IPVS_CLOSE, CAUSE_SERVER_RESET, 0, METHOD_MASQ, 1, "refused", true },
		{ IPVS_SYN_RECV, IPVS_NONE, CAUSE_EXPIRED, 0, METHOD_MASQ, 3, "no-answer", true },
		{ IPVS_SYN_RECV, IPVS_NONE, CAUSE_EXPIRED, 0, METHOD_MASQ, 1, "no-answer", true },
		{ IPVS_SYN_RECV, IPVS_NONE, CAUSE_EXPIRED, SYN_ACK, METHOD_MASQ, 1, "no-ack", true },
		{ IPVS_SYN_RECV, IPVS_NONE, CAUSE_EXPIRED, 0, METHOD_ROUTE, 1, "refused", true },
		{ IPVS_SYN_RECV, IPVS_NONE, CAUSE_EXPIRED, 0, METHOD_TUNNEL, 2, "no-answer", true },
		{ IPVS_ESTABLISHED, IPVS_NONE, CAUSE_EXPIRED, 0, METHOD_ROUTE, 9, "idle", true },
		{ IPVS_ESTABLISHED, IPVS_NONE, CAUSE_EXPIRED, REMOVED, METHOD_ROUTE, 9, "removed", true },
		{ IPVS_TIME_WAIT, IPVS_NONE, CAUSE_EXPIRED, 0, METHOD_MASQ, 9, NULL, false },
		{ IPVS_TIME_WAIT, IPVS_NONE, CAUSE_EXPIRED, REMOVED, METHOD_MASQ, 9, NULL, false },
		{ IPVS_TIME_WAIT, IPVS_NONE, CAUSE_THROWN_OUT, 0, METHOD_MASQ, 9, "rescheduled", false },
		{ IPVS_ESTABLISHED, IPVS_NONE, CAUSE_THROWN_OUT, REMOVED, METHOD_MASQ, 9, "rescheduled", true },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct event ev = event_at(1, 1);
		struct row row;

		ev.type = EVENT_FORWARDED;
		ev.oldstate = cases[i].oldstate;
		ev.newstate = cases[i].newstate;
		ev.conn.real.family = AF_INET;
		ev.conn.real.method = cases[i].method;
		ev.conn.forwarded = (struct forwarded){ .packets = cases[i].packets, .cause = cases[i].cause,
							.flags = cases[i].flags };
		row = row_of(&ev);
		assert_true(row.forwarded);
		assert_string_equal(row.event, "state");
		assert_int_equal(row.oldstate, ROW_IPVS + cases[i].oldstate);
		assert_int_equal(row.newstate, ROW_IPVS + cases[i].newstate);
		if (cases[i].reason)
			assert_string_equal(row.reason, cases[i].reason);
		else
			assert_null(row.reason);
		assert_int_equal(is_trouble(&ev, true, 0), cases[i].failure);
	}
}

static void forwarded_trouble(void **state)
{
	struct event ev = event_at(1, 1);

	(void)state;
	ev.type = EVENT_FORWARDED_SYN;
	ev.oldstate = ev.newstate = IPVS_SYN_RECV;
	assert_true(is_trouble(&ev, true, 0));
	ev.type = EVENT_FORWARDED_REFUSED;
	ev.oldstate = ev.newstate = IPVS_NONE;
	assert_true(is_trouble(&ev, true, 0));
	ev.type = EVENT_FORWARDED_NEW;
	ev.conn.forwarded.flags = FORWARDED_REMOVED;
	assert_false(is_trouble(&ev, true, 1));
	ev.type = EVENT_FORWARDED;
	ev.conn.forwarded.flags = 0;
	ev.oldstate = IPVS_SYN_RECV;
	ev.newstate = IPVS_ESTABLISHED;
	ev.span_ns = 20000000;
	assert_true(is_trouble(&ev, false, 20000000));
	ev.conn.forwarded.connect_us = 19999;	/* the SYN-ACK came before that, only the client was late */
	assert_false(is_trouble(&ev, false, 20000000));
	ev.newstate = IPVS_NONE;
	assert_true(is_trouble(&ev, false, 20000000));
	assert_false(is_trouble(&ev, false, 20000001));
	ev.oldstate = IPVS_ESTABLISHED;
	ev.newstate = IPVS_FIN_WAIT;
	assert_false(is_trouble(&ev, false, 1));
}

static void fields_of_forwarded(void **state)
{
	struct event ev = event_at(1, 1);
	struct row row;

	(void)state;
	ev.type = EVENT_FORWARDED;
	ev.oldstate = IPVS_SYN_RECV;
	ev.newstate = IPVS_ESTABLISHED;
	ev.conn.forwarded = (struct forwarded){ .packets = 2, .expires_ms = 900000, .connect_us = 1500,
						.flags = FORWARDED_SYN_ACK };
	row = row_of(&ev);
	assert_int_equal(row.packets, 2);
	assert_int_equal(row.expires_ms, 900000);
	assert_int_equal(row.connect_us, 1500);
	assert_string_equal(row.connect_to, "syn-ack");
	assert_int_equal(row.pid, 0);
	assert_int_equal(row.uid, 0);
	assert_string_equal(row.comm, "");
	ev.conn.forwarded.flags = 0;
	assert_string_equal(row_of(&ev).connect_to, "ack");
	ev.conn.forwarded.connect_us = 0;
	row = row_of(&ev);
	assert_int_equal(row.connect_us, -1);
	assert_null(row.connect_to);
	ev.newstate = IPVS_NONE;	/* the end: it does not expire any more */
	assert_int_equal(row_of(&ev).expires_ms, -1);
	ev.type = EVENT_FORWARDED_SYN;
	ev.conn.forwarded.flags = FORWARDED_REMOVED;
	assert_string_equal(row_of(&ev).event, "retransmit");
	assert_string_equal(row_of(&ev).reason, "retransmit");
	ev.type = EVENT_FORWARDED_NEW;
	assert_string_equal(row_of(&ev).event, "new");
	assert_string_equal(row_of(&ev).reason, "removed");
	ev.conn.forwarded.flags = 0;
	assert_string_equal(row_of(&ev).reason, "new");
	ev.type = EVENT_FORWARDED_REFUSED;
	assert_string_equal(row_of(&ev).event, "no-destination");
	assert_string_equal(row_of(&ev).reason, "no-destination");
	ev.type = EVENT_STATE;
	assert_false(row_of(&ev).forwarded);
	assert_int_equal(row_of(&ev).oldstate, IPVS_SYN_RECV);
}

/* There is no process; the states are TCP's, and each tells of a failure. */
static void server_events(void **state)
{
	static const char *const words[] = { "syn-ack-again", "no-listener", "accept-queue-full" };

	(void)state;
	for (int i = 0; i < (int)N_OF(words); i++) {
		struct event ev = event_at(1, 1);
		struct row row;

		ev.type = (uint8_t)(EVENT_SERVER_SYN_ACK + i);
		ev.oldstate = ev.newstate = TCP_SYN_RECV;
		ev.conn.owner.pid = 7;
		row = row_of(&ev);
		assert_true(row.server);
		assert_false(row.forwarded);
		assert_false(row_has_process(&row));
		assert_string_equal(row.event, words[i]);
		assert_string_equal(row.reason, words[i]);
		assert_int_equal(row.newstate, TCP_SYN_RECV);
		assert_int_equal(row.pid, 0);
		assert_string_equal(row.comm, "");
		assert_true(is_trouble(&ev, true, 0));
		assert_false(is_trouble(&ev, false, 1));
	}
	assert_int_equal(EVENT_SERVER_SYN_ACK + N_OF(words), EVENT_TYPES);
}

static void methods(void **state)
{
	static const char *const words[] = { "masq", "local", "tunnel", "route", "bypass" };

	(void)state;
	for (int method = 0; method < 256; method++) {
		struct event ev = event_at(1, 1);

		ev.conn.real.method = (uint8_t)method;
		assert_null(row_of(&ev).method);	/* no real server */
		ev.conn.real.family = AF_INET;
		if (method < (int)N_OF(words))
			assert_string_equal(row_of(&ev).method, words[method]);
		else
			assert_null(row_of(&ev).method);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_event_no_row),
		cmocka_unit_test(every_field),
		cmocka_unit_test(bytes_that_are_no_event),
		cmocka_unit_test(order_of_time),
		cmocka_unit_test(backwards),
		cmocka_unit_test(equal_times_keep_their_order),
		cmocka_unit_test(late_events_wait),
		cmocka_unit_test(grows_beyond_its_first_room),
		cmocka_unit_test(reasons_of_an_end),
		cmocka_unit_test(ends_without_an_error),
		cmocka_unit_test(failures_without_an_error),
		cmocka_unit_test(failures_before_the_end),
		cmocka_unit_test(slow_connects),
		cmocka_unit_test(older_than_the_end_of_the_entry),
		cmocka_unit_test(connect_without_a_port),
		cmocka_unit_test(retransmits),
		cmocka_unit_test(moved),
		cmocka_unit_test(idle_expired),
		cmocka_unit_test(syn_lost),
		cmocka_unit_test(no_destination),
		cmocka_unit_test(expired),
		cmocka_unit_test(ages_at_the_edges),
		cmocka_unit_test(methods),
		cmocka_unit_test(reasons_of_forwarded),
		cmocka_unit_test(forwarded_trouble),
		cmocka_unit_test(fields_of_forwarded),
		cmocka_unit_test(server_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
