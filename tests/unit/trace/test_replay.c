/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings to rows: their order and number, filters, and what ends a replay. */
#include "../unit.h"

#include "rows/decode.h"
#include "rows/recording.h"
#include "trace/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

struct place {
	char path[32];
	struct recording r;
	struct options o;
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	char errmsg[192];

	assert_non_null(p);
	strcpy(p->path, "/tmp/test_replay.XXXXXX");
	close(mkstemp(p->path));
	assert_int_equal(recording_create(&p->r, p->path, 1000000000000000000, errmsg, sizeof(errmsg)), 0);
	p->o = (struct options){ .csv = true, .replay = p->path };
	stop = 0;
	signal(SIGPIPE, SIG_IGN);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;

	recording_close(&p->r);
	unlink(p->path);
	free(p);
	return 0;
}

/* Makes an event with time @ts; the socket's address is the same number, and identifies the event. */
static struct event event(uint64_t ts)
{
	struct event ev = {
		.ts_ns = ts, .skaddr = ts, .type = EVENT_STATE, .oldstate = 1, .newstate = 4,
		.conn = {
			.tuple = { { 0, 0, 0xffff0000, 0x0100000a }, { 0, 0, 0xffff0000, 0x0200000a },
				   40000, 80, 0 },
			.owner = { .pid = 42, .comm = "curl" }, .family = AF_INET,
		},
	};

	return ev;
}

static void add(struct place *p, uint64_t ts)
{
	struct event ev = event(ts);

	recording_sample(&p->r, &ev, sizeof(ev));
}

static void round_of(struct place *p, uint64_t before, uint64_t rows)
{
	assert_int_equal(recording_round(&p->r, before, rows), 0);
}

static void finish(struct place *p)
{
	static const struct losses lost = { {
		[LOSS_BUFFER_FULL] = 1, [LOSS_MISSED] = 2, [LOSS_SOCKETS_FULL] = 3, [LOSS_CONNECTS_FULL] = 4, [LOSS_REASONS] = 5,
	} };

	assert_int_equal(recording_end(&p->r, &lost), 0);
}

/* Returns what is printed; the caller frees it. */
static char *replayed(const struct place *p, int expected)
{
	int fd = memfd_create("rows", 0);
	char *text;
	off_t len;

	assert_true(fd >= 0);
	assert_int_equal(replay_run(&p->o, fd, &stop), expected);
	len = lseek(fd, 0, SEEK_END);
	text = calloc(1, (size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	close(fd);
	return text;
}

/* Checks the first field of each line except the heading, in hexadecimal: "a,b,". */
static void check_order(const struct place *p, int expected, const char *order)
{
	char *text = replayed(p, expected), *line = strchr(text, '\n'), found[256] = "";

	assert_non_null(line);
	for (line++; *line; line = strchr(line, '\n') + 1)
		strncat(found, line, strcspn(line, ",") + 1);
	assert_string_equal(found, order);
	free(text);
}

/* A row that came too late for its round is late in the replay too. */
static void order_of_rounds(void **state)
{
	struct place *p = *state;

	add(p, 3);
	add(p, 1);
	add(p, 9);
	add(p, 2);
	round_of(p, 5, 3);
	add(p, 4);
	add(p, 10);
	round_of(p, 10, 2);
	round_of(p, 20, 1);
	finish(p);
	check_order(p, 0, "1,2,3,4,9,a,");
}

/* -n has ended the recorded run in the middle of a round. */
static void rows_not_printed(void **state)
{
	struct place *p = *state;

	for (uint64_t ts = 1; ts < 6; ts++)
		add(p, ts);
	round_of(p, 5, 2);
	round_of(p, 9, 0);
	finish(p);
	check_order(p, 0, "1,2,");
}

static void cut_off(void **state)
{
	struct place *p = *state;

	add(p, 2);
	add(p, 7);
	add(p, 1);
	round_of(p, 5, 2);
	check_order(p, -EBADMSG, "1,2,7,");
	p->o.csv = false;
	p->o.json = true;
	free(replayed(p, -EBADMSG));
}

static void not_understood(void **state)
{
	struct place *p = *state;
	struct event ev = event(2);

	add(p, 1);
	recording_sample(&p->r, &ev, sizeof(ev) - 1);
	ev.type = 77;
	recording_sample(&p->r, &ev, sizeof(ev));
	recording_sample(&p->r, &ev, 0);
	round_of(p, 5, 1);
	finish(p);
	check_order(p, 0, "1,");
}

static void filters(void **state)
{
	struct place *p = *state;
	struct event ev;

	add(p, 1);
	ev = event(2);
	ev.conn.tuple.lport = 40001;
	recording_sample(&p->r, &ev, sizeof(ev));
	ev = event(3);
	ev.conn.tuple.rport = 443;
	recording_sample(&p->r, &ev, sizeof(ev));
	ev = event(4);
	ev.conn.family = AF_INET6;
	recording_sample(&p->r, &ev, sizeof(ev));
	round_of(p, 10, 4);
	finish(p);

	check_order(p, 0, "1,2,3,4,");
	p->o.ipv4 = true;
	check_order(p, 0, "1,2,3,");
	p->o.ipv4 = false;
	p->o.ipv6 = true;
	check_order(p, 0, "4,");
	p->o.ipv6 = false;
	p->o.lports = (struct port_list){ 2, { 9, 40001 } };
	check_order(p, 0, "2,");
	p->o.lports.n = 0;
	p->o.rports = (struct port_list){ 2, { 443, 80 } };
	check_order(p, 0, "1,2,3,4,");
	p->o.rports.n = 1;
	check_order(p, 0, "3,");
	p->o.lports.n = 2;
	check_order(p, 0, "");
	p->o.lports.n = p->o.rports.n = 0;
	p->o.vips.n = 1;
	memcpy(p->o.vips.end[0].addr, &ev.conn.tuple.raddr, 16);
	check_order(p, 0, "1,2,3,4,");
	p->o.vips.end[0].port = 443;
	check_order(p, 0, "3,");
	p->o.vips.end[0].addr[15]++;
	check_order(p, 0, "");
	p->o.vips.end[1].port = 80;
	memcpy(p->o.vips.end[1].addr, &ev.conn.tuple.raddr, 16);
	p->o.vips.n = 2;
	check_order(p, 0, "1,2,4,");
	p->o.vips.n = 0;
	p->o.count = 3;
	check_order(p, 0, "1,2,3,");
	p->o.ipv6 = true;
	check_order(p, 0, "4,");
}

/* The time of day is that of the recording; its last line reports the losses. */
static void clock_and_losses(void **state)
{
	struct place *p = *state;
	struct event ev = event(5000001234);
	char *text;

	ev.conn.real = (struct real){ { 0, 0, 0xffff0000, 0x0300000a }, 8080, AF_INET, METHOD_MASQ };
	ev.newstate = 7;
	ev.err_known = 1;
	ev.err = ECONNRESET;
	recording_sample(&p->r, &ev, sizeof(ev));
	round_of(p, UINT64_MAX, 1);
	finish(p);
	p->o.csv = false;
	p->o.json = true;
	text = replayed(p, 0);
	assert_non_null(strstr(text, "{\"time\":\"2001-09-09T01:46:45.000001Z\",\"event\":\"state\""));
	assert_non_null(strstr(text, "\"real\":{\"addr\":\"10.0.0.3\",\"port\":8080,\"method\":\"masq\"},"
				     "\"reason\":\"reset\",\"age_ms\":null,\"gone_ms\":null,\"container\":null,\"pod\":null}\n"));
	assert_non_null(strstr(text, "\n{\"event\":\"end\",\"rows\":1,\"lost\":3,\"lost_buffer_full\":1,"
				     "\"lost_missed\":2,\"sockets_not_followed\":3,"
				     "\"connects_without_real\":4,\"reasons_missed\":5,\"connections_not_read\":0,\"lost_damaged\":0,"
				     "\"filtered\":0,\"sent\":4}\n"));
	free(text);
}

/* Adds the time of day of the row that begins at @line, as JSON has it. */
static const char *take_time(const char *line, char *times)
{
	strncat(times, line + strlen("{\"time\":\"2001-09-09T"), strlen("01:46:45.000000Z"));
	strcat(times, ",");
	return strchr(line, '\n') + 1;
}

/* The wall clock was stepped twice: each row has the time of day that the host had. */
static void clock_stepped(void **state)
{
	struct place *p = *state;
	char *text, times[256] = "";
	const char *line;

	add(p, 5000000000);
	round_of(p, 5500000000, 1);
	add(p, 6000000000);
	add(p, 7000000000);
	assert_int_equal(recording_clock(&p->r, 6500000000, 1000000000000000000 + 7200000000000), 0);
	round_of(p, UINT64_MAX, 2);
	add(p, 8000000000);
	assert_int_equal(recording_clock(&p->r, 7500000000, 1000000000000000000), 0);
	round_of(p, UINT64_MAX, 1);
	finish(p);
	p->o.csv = false;
	p->o.json = true;
	line = text = replayed(p, 0);
	for (int i = 0; i < 4; i++)
		line = take_time(line, times);
	assert_string_equal(times, "01:46:45.000000Z,01:46:46.000000Z,03:46:47.000000Z,01:46:48.000000Z,");
	free(text);
}

/* For any recording, each format prints the same number of rows. The random numbers are the same in each run. */
static void any_events(void **state)
{
	struct place *p = *state;
	uint64_t seed = 0x9e3779b97f4a7c15;

	recording_close(&p->r);
	for (int64_t realtime = INT64_MIN; ; realtime = INT64_MAX) {
		char errmsg[192];

		assert_int_equal(recording_create(&p->r, p->path, realtime, errmsg, sizeof(errmsg)), 0);
		for (int i = 0; i < 500; i++) {
			struct event ev;

			for (size_t at = 0; at < sizeof(ev); at += 8) {
				seed ^= seed << 13;
				seed ^= seed >> 7;
				seed ^= seed << 17;
				memcpy((char *)&ev + at, &seed, 8);
			}
			ev.type = (uint8_t)(1 + ev.type % 2);
			ev.oldstate %= 16;
			ev.newstate %= 16;
			ev.conn.family = ev.conn.family % 2 ? AF_INET : AF_INET6;
			ev.conn.real.family = ev.conn.real.family % 2 ? 0 : AF_INET6;
			recording_sample(&p->r, &ev, sizeof(ev));
			if (i % 7 == 0)
				round_of(p, seed, seed % 10);
		}
		round_of(p, UINT64_MAX, UINT64_MAX);
		finish(p);
		for (int format = 0; format < 16; format++) {
			size_t lines = 0;
			char *text;

			p->o.csv = format % 4 == 1;
			p->o.json = format % 4 == 2;
			p->o.wide = format % 4 == 3;
			p->o.time = format & 4;
			p->o.timestamp = format & 8;
			text = replayed(p, 0);
			for (const char *s = text; (s = strchr(s, '\n')); s++)
				lines++;
			assert_in_range(lines, 100, 501);
			free(text);
		}
		recording_close(&p->r);
		if (realtime == INT64_MAX)
			break;
	}
}

static void no_recording(void **state)
{
	struct place *p = *state;
	char *text;

	p->o.replay = "/proc/self/maps";
	text = replayed(p, -EBADMSG);
	assert_string_equal(text, "");
	free(text);
	p->o.replay = "/nowhere/at/all";
	text = replayed(p, -ENOENT);
	assert_string_equal(text, "");
	free(text);
}

static void reader_that_left(void **state)
{
	struct place *p = *state;
	int ends[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	add(p, 1);
	round_of(p, 5, 1);
	finish(p);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(replay_run(&p->o, ends[1], &stop), 0);
	close(ends[1]);
	assert_int_equal(replay_run(&p->o, full, &stop), -ENOSPC);
	close(full);
}

static void stopped(void **state)
{
	struct place *p = *state;

	add(p, 1);
	round_of(p, 5, 1);
	stop = 1;
	check_order(p, 0, "");
}

#define at_a_place(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		at_a_place(order_of_rounds),
		at_a_place(rows_not_printed),
		at_a_place(cut_off),
		at_a_place(not_understood),
		at_a_place(filters),
		at_a_place(clock_and_losses),
		at_a_place(clock_stepped),
		at_a_place(any_events),
		at_a_place(no_recording),
		at_a_place(reader_that_left),
		at_a_place(stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
