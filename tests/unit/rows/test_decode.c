/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a perf buffer: complete events, and everything else. */
#include "../unit.h"

#include "rows/decode.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct event valid(void)
{
	struct event ev = {
		.ts_ns = 5000000000, .skaddr = 0xffff888012345678, .span_ns = 1234567,
		.type = EVENT_STATE, .oldstate = 7, .newstate = 2, .err_known = 1, .err = 111,
		.conn = {
			.tuple = { { 0, 0, 0xffff0000, 0x0100000a }, { 0, 0, 0xffff0000, 0x0200000a },
				   40000, 80, 4026531840 },
			.real = { { 0, 0, 0xffff0000, 0x0300000a }, 8080, AF_INET, METHOD_MASQ },
			.owner = { .pid = 42, .uid = 1000, .comm = "curl" }, .family = AF_INET,
			.flags = CONN_OWNED,
		},
		.cgroup = 0x12345678,
	};

	return ev;
}

static void check_refused(const struct event *ev)
{
	struct event out, before;

	memset(&out, 0x5a, sizeof(out));
	before = out;
	assert_int_equal(decode(&out, ev, sizeof(*ev)), -EBADMSG);
	assert_memory_equal(&out, &before, sizeof(out));
}

static void check_taken(const struct event *ev)
{
	struct event out;

	memset(&out, 0x5a, sizeof(out));
	assert_int_equal(decode(&out, ev, sizeof(*ev)), 0);
	assert_memory_equal(&out, ev, sizeof(out));
}

/* Other machines and recordings rely on these offsets. */
static void wire_layout(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct event), 136);
	assert_int_equal(offsetof(struct event, type), 24);
	assert_int_equal(offsetof(struct event, err), 28);
	assert_int_equal(offsetof(struct event, conn), 32);
	assert_int_equal(offsetof(struct conn, real), 40);
	assert_int_equal(offsetof(struct conn, owner.pid), 60);
	assert_int_equal(offsetof(struct conn, owner.comm), 68);
	assert_int_equal(offsetof(struct conn, forwarded.packets), 60);
	assert_int_equal(offsetof(struct conn, forwarded.flags), 73);
	assert_int_equal(offsetof(struct conn, family), 84);
	assert_int_equal(offsetof(struct event, cgroup), 128);
	assert_int_equal(EVENT_SIZE_OLD, 128);
}

static void whole_event(void **state)
{
	struct event ev = valid();

	(void)state;
	check_taken(&ev);
	ev.type = EVENT_RETRANSMIT;
	check_taken(&ev);
	ev.conn.family = AF_INET6;
	ev.conn.real.family = AF_INET6;
	check_taken(&ev);
	memset(&ev.conn.real, 0, sizeof(ev.conn.real));
	check_taken(&ev);
}

static void every_length(void **state)
{
	struct event ev = valid();

	(void)state;
	for (size_t len = 0; len < 300; len++) {
		char *bytes = calloc(1, len + !len);	/* the sanitizer watches its end */
		struct event out, before;

		assert_non_null(bytes);
		memcpy(bytes, &ev, len < sizeof(ev) ? len : sizeof(ev));
		memset(&out, 0x5a, sizeof(out));
		before = out;
		if (len >= EVENT_SIZE_OLD && len < sizeof(ev) + 8) {	/* the kernel pads to 8 bytes */
			assert_int_equal(decode(&out, bytes, len), 0);
			assert_memory_equal(&out, &ev, EVENT_SIZE_OLD);
			assert_int_equal(out.cgroup, len < sizeof(ev) ? 0 : 0x12345678);
		} else {
			assert_int_equal(decode(&out, bytes, len), -EBADMSG);
			assert_memory_equal(&out, &before, sizeof(out));
		}
		free(bytes);
	}
}

static void every_alignment(void **state)
{
	struct event ev = valid(), out;
	char bytes[sizeof(ev) + 8];

	(void)state;
	for (size_t shift = 0; shift < 8; shift++) {
		memcpy(bytes + shift, &ev, sizeof(ev));
		memset(&out, 0, sizeof(out));
		assert_int_equal(decode(&out, bytes + shift, sizeof(ev)), 0);
		assert_memory_equal(&out, &ev, sizeof(ev));
	}
}

static void every_type(void **state)
{
	struct event ev = valid();

	(void)state;
	for (int type = 0; type < 256; type++) {
		ev.type = (uint8_t)type;
		if (type >= EVENT_STATE && type <= EVENT_SERVER_QUEUE_FULL)
			check_taken(&ev);
		else
			check_refused(&ev);
	}
}

static void every_state(void **state)
{
	(void)state;
	for (int s = 0; s < 256; s++) {
		struct event old = valid(), new = valid();

		old.oldstate = (uint8_t)s;
		new.newstate = (uint8_t)s;
		if (s < 16) {
			check_taken(&old);
			check_taken(&new);
		} else {
			check_refused(&old);
			check_refused(&new);
		}
	}
}

static void every_family(void **state)
{
	(void)state;
	for (int family = 0; family < 256; family++) {
		struct event socket = valid(), real = valid();
		bool known = family == 2 || family == 10;

		socket.conn.family = (uint8_t)family;
		real.conn.real.family = (uint8_t)family;
		if (known)
			check_taken(&socket);
		else
			check_refused(&socket);
		if (known || !family)
			check_taken(&real);
		else
			check_refused(&real);
	}
}

static void comm_gets_its_end(void **state)
{
	struct event ev = valid(), out;

	(void)state;
	memset(ev.conn.owner.comm, 'x', sizeof(ev.conn.owner.comm));
	assert_int_equal(decode(&out, &ev, sizeof(ev)), 0);
	assert_string_equal(out.conn.owner.comm, "xxxxxxxxxxxxxxx");
	assert_int_equal(out.conn.family, AF_INET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_layout),
		cmocka_unit_test(whole_event),
		cmocka_unit_test(every_length),
		cmocka_unit_test(every_alignment),
		cmocka_unit_test(every_type),
		cmocka_unit_test(every_state),
		cmocka_unit_test(every_family),
		cmocka_unit_test(comm_gets_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
