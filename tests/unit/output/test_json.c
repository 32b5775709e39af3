/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as JSON, an object a line. */
#include "../unit.h"

#include "output/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct output_settings json = { .json = true, .wide = true, .time = true };

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD "01234567-89ab-cdef-0123-456789abcdef"

static const struct row sample = {
	.ts_ns = 5000001234, .skaddr = 0xffff8f3a12345678, .span_ns = 12345678, .pid = 1234,
	.uid = 1000, .netns = 4026531840, .comm = "curl",
	.local = { { [10] = 0xff, 0xff, 10, 0, 0, 5 }, 45678, AF_INET },
	.remote = { { [10] = 0xff, 0xff, 10, 96, 0, 1 }, 80, AF_INET },
	.real = { { [10] = 0xff, 0xff, 10, 244, 1, 7 }, 8080, AF_INET },
	.oldstate = 7, .newstate = 2, .method = "masq",
	.event = "state", .age_ms = 8, .gone_ms = -1,
};

/* Returns header, row, and the end if @lost is given; the caller frees it. */
static char *written(const struct row *row, const struct losses *lost)
{
	int fd = memfd_create("rows", 0);
	struct output out;
	off_t len;
	char *text;

	assert_true(fd >= 0);
	assert_int_equal(output_open(&out, &json, fd), 0);
	out.wall.realtime_ns = 1000000000000000000;	/* 2001-09-09 01:46:40 UTC */
	output_header(&out);
	if (row)
		output_row(&out, row);
	if (lost) {
		out.events = lost->n[LOSS_DAMAGED] ? out.rows + lost->n[LOSS_DAMAGED] + 50000 : out.rows;
		output_end(&out, lost);
	}
	assert_int_equal(output_flush(&out), 0);
	output_close(&out);
	len = lseek(fd, 0, SEEK_END);
	text = calloc(1, (size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	close(fd);
	return text;
}

static void check(const struct row *row, const char *expected)
{
	char *text = written(row, NULL);

	assert_string_equal(text, expected);
	free(text);
}

static void state_change(void **state)
{
	(void)state;
	check(&sample,
	      "{\"time\":\"2001-09-09T01:46:45.000001Z\",\"event\":\"state\",\"skaddr\":\"ffff8f3a12345678\","
	      "\"pid\":1234,\"comm\":\"curl\",\"uid\":1000,\"netns\":4026531840,\"ip\":4,"
	      "\"laddr\":\"10.0.0.5\",\"lport\":45678,\"raddr\":\"10.96.0.1\",\"rport\":80,"
	      "\"oldstate\":\"CLOSE\",\"newstate\":\"SYN_SENT\",\"ms\":12.345,"
	      "\"real\":{\"addr\":\"10.244.1.7\",\"port\":8080,\"method\":\"masq\"},\"reason\":null,\"age_ms\":8,\"gone_ms\":null,\"container\":null,\"pod\":null}\n");
}

static void retransmit_and_unknowns(void **state)
{
	struct row r = sample;

	(void)state;
	r.event = "retransmit";
	r.netns = 0;
	r.method = NULL;
	r.reason = "retransmit";
	r.oldstate = 2;
	r.local = r.remote = (struct endpoint){ { 0xfd, [15] = 1 }, 65535, AF_INET6 };
	r.real = r.local;
	check(&r,
	      "{\"time\":\"2001-09-09T01:46:45.000001Z\",\"event\":\"retransmit\",\"skaddr\":\"ffff8f3a12345678\","
	      "\"pid\":1234,\"comm\":\"curl\",\"uid\":1000,\"netns\":null,\"ip\":6,"
	      "\"laddr\":\"fd00::1\",\"lport\":65535,\"raddr\":\"fd00::1\",\"rport\":65535,"
	      "\"oldstate\":\"SYN_SENT\",\"newstate\":\"SYN_SENT\",\"ms\":12.345,"
	      "\"real\":{\"addr\":\"fd00::1\",\"port\":65535,\"method\":null},\"reason\":\"retransmit\",\"age_ms\":8,\"gone_ms\":null,\"container\":null,\"pod\":null}\n");
}

static void forwarded(void **state)
{
	struct row r = sample;

	(void)state;
	r.forwarded = true;
	r.pid = r.uid = 0;
	memset(r.comm, 0, sizeof(r.comm));
	r.oldstate = ROW_IPVS + 3;
	r.newstate = ROW_IPVS + 1;
	r.packets = 2;
	r.expires_ms = 900000;
	r.connect_us = 1234;
	r.connect_to = "syn-ack";
	check(&r,
	      "{\"time\":\"2001-09-09T01:46:45.000001Z\",\"event\":\"state\",\"skaddr\":\"ffff8f3a12345678\","
	      "\"source\":\"ipvs\",\"pid\":null,\"comm\":null,\"uid\":null,\"netns\":4026531840,\"ip\":4,"
	      "\"laddr\":\"10.0.0.5\",\"lport\":45678,\"raddr\":\"10.96.0.1\",\"rport\":80,"
	      "\"oldstate\":\"SYN_RECV\",\"newstate\":\"ESTABLISHED\",\"ms\":12.345,"
	      "\"real\":{\"addr\":\"10.244.1.7\",\"port\":8080,\"method\":\"masq\"},\"reason\":null,\"age_ms\":8,"
	      "\"gone_ms\":null,\"container\":null,\"pod\":null,\"packets\":2,\"expires_ms\":900000,\"connect_ms\":1.234,\"connect_to\":\"syn-ack\"}\n");
	r.expires_ms = r.connect_us = -1;
	r.connect_to = NULL;
	r.newstate = ROW_IPVS;
	r.reason = "no-answer";
	check(&r,
	      "{\"time\":\"2001-09-09T01:46:45.000001Z\",\"event\":\"state\",\"skaddr\":\"ffff8f3a12345678\","
	      "\"source\":\"ipvs\",\"pid\":null,\"comm\":null,\"uid\":null,\"netns\":4026531840,\"ip\":4,"
	      "\"laddr\":\"10.0.0.5\",\"lport\":45678,\"raddr\":\"10.96.0.1\",\"rport\":80,"
	      "\"oldstate\":\"SYN_RECV\",\"newstate\":\"NONE\",\"ms\":12.345,"
	      "\"real\":{\"addr\":\"10.244.1.7\",\"port\":8080,\"method\":\"masq\"},\"reason\":\"no-answer\",\"age_ms\":8,"
	      "\"gone_ms\":null,\"container\":null,\"pod\":null,\"packets\":2,\"expires_ms\":null,\"connect_ms\":null,\"connect_to\":null}\n");
}

static void no_real_server(void **state)
{
	struct row r = sample;
	char *text;

	(void)state;
	r.real.family = 0;
	r.method = NULL;
	r.reason = "refused";
	text = written(&r, NULL);
	assert_non_null(strstr(text, ",\"real\":null,\"reason\":\"refused\",\"age_ms\":8,\"gone_ms\":null,\"container\":null,\"pod\":null}\n"));
	free(text);
}

static void time_runs_on(void **state)
{
	static const struct {
		uint64_t ts_ns;
		const char *time;
	} times[] = {
		{ 0, "2001-09-09T01:46:40.000000Z" },
		{ 999, "2001-09-09T01:46:40.000000Z" },
		{ 999999999, "2001-09-09T01:46:40.999999Z" },
		{ 1000000000, "2001-09-09T01:46:41.000000Z" },
		{ 80000000000000, "2001-09-10T00:00:00.000000Z" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(times); i++) {
		struct row r = sample;
		char start[64], *text;

		r.ts_ns = times[i].ts_ns;
		text = written(&r, NULL);
		snprintf(start, sizeof(start), "{\"time\":\"%s\",\"event\"", times[i].time);
		assert_int_equal(strncmp(text, start, strlen(start)), 0);
		free(text);
	}
}

static void hostile_names(void **state)
{
	static const struct {
		const char *comm, *json;
	} names[] = {
		{ "", "\"\"" },
		{ "say \"hi\", ok", "\"say \\\"hi\\\", ok\"" },
		{ "a\nb\x1b[m", "\"a\\\\x0ab\\\\x1b[m\"" },
		{ "\\n", "\"\\\\x5cn\"" },
		{ "\xff\xc3", "\"\\\\xff\\\\xc3\"" },
		{ "\xc2\x85\x7f", "\"\\\\xc2\\\\x85\\\\x7f\"" },
		{ "caf\xc3\xa9 \xe6\x97\xa5", "\"caf\xc3\xa9 \xe6\x97\xa5\"" },
		{ "</script>", "\"</script>\"" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(names); i++) {
		struct row r = sample;
		char field[128], *text;

		memset(r.comm, 0, sizeof(r.comm));
		strcpy(r.comm, names[i].comm);
		text = written(&r, NULL);
		snprintf(field, sizeof(field), ",\"comm\":%s,\"uid\":1000,", names[i].json);
		assert_non_null(strstr(text, field));
		free(text);
	}
}

static const struct container in_pod = { .id = ID, .pod = POD };

static void longest_row(void **state)
{
	struct row r = sample;
	char *text;

	(void)state;
	r.skaddr = r.span_ns = UINT64_MAX;
	r.pid = r.uid = r.netns = UINT32_MAX;
	memset(r.comm, 0xff, sizeof(r.comm) - 1);
	memset(r.local.addr, 0xfe, 16);
	r.local.family = AF_INET6;
	r.local.port = 65535;
	r.remote = r.real = r.local;
	r.oldstate = r.newstate = 13;
	r.reason = "no-destination";
	r.event = "retransmit";
	r.age_ms = r.gone_ms = INT64_MAX;
	r.container = &in_pod;
	text = written(&r, NULL);
	assert_in_range(strlen(text), 500, OUTPUT_ROW_MAX - 100);
	assert_non_null(strstr(text, ",\"reason\":\"no-destination\",\"age_ms\":9223372036854775807,"
				     "\"gone_ms\":9223372036854775807,\"container\":\"" ID "\",\"pod\":\"" POD "\"}\n"));
	free(text);
}

static void containers(void **state)
{
	static const struct container no_pod = { .id = ID }, no_id = { .pod = POD };
	struct row r = sample;
	char *text;

	(void)state;
	r.container = &no_pod;
	text = written(&r, NULL);
	assert_non_null(strstr(text, ",\"container\":\"" ID "\",\"pod\":null}\n"));
	free(text);
	r.container = &no_id;
	text = written(&r, NULL);
	assert_non_null(strstr(text, ",\"container\":null,\"pod\":\"" POD "\"}\n"));
	free(text);
}

static void strings(void **state)
{
	char buffer[64] = "";
	struct output o = { .at = buffer };

	(void)state;
	put_json(&o, "\x01\x1f\t\"\\/\x7f");
	put_json(&o, NULL);
	assert_string_equal(buffer, "\"\\u0001\\u001f\\u0009\\\"\\\\/\x7f\"null");
}

static void last_line(void **state)
{
	static const struct losses none, some = { {
		[LOSS_BUFFER_FULL] = 1, [LOSS_MISSED] = 20, [LOSS_SOCKETS_FULL] = 300, [LOSS_CONNECTS_FULL] = UINT64_MAX,
		[LOSS_REASONS] = 50, [LOSS_UNREAD] = 60, [LOSS_DAMAGED] = 4000,
	} };
	char *text = written(NULL, &none);

	(void)state;
	assert_string_equal(text, "{\"event\":\"end\",\"rows\":0,\"lost\":0,\"lost_buffer_full\":0,"
		"\"lost_missed\":0,\"sockets_not_followed\":0,\"connects_without_real\":0,\"reasons_missed\":0,"
		"\"connections_not_read\":0,\"lost_damaged\":0,\"filtered\":0,\"sent\":0}\n");
	free(text);
	text = written(&sample, &some);
	assert_non_null(strstr(text, "}\n{\"event\":\"end\",\"rows\":1,\"lost\":4021,\"lost_buffer_full\":1,"
		"\"lost_missed\":20,\"sockets_not_followed\":300,"
		"\"connects_without_real\":18446744073709551615,\"reasons_missed\":50,\"connections_not_read\":60,\"lost_damaged\":4000,"
		"\"filtered\":50000,\"sent\":54022}\n"));
	free(text);
}

static void line_of_losses(void **state)
{
	static const struct losses since = { {
		[LOSS_BUFFER_FULL] = 1, [LOSS_MISSED] = 20, [LOSS_SOCKETS_FULL] = UINT64_MAX, [LOSS_CONNECTS_FULL] = 300,
		[LOSS_REASONS] = 7,
	} };
	char text[OUTPUT_ROW_MAX] = "";
	struct output out = { .settings = json, .at = text, .end = text + sizeof(text), .stamp_s = -1 };

	(void)state;
	out.format = &output_json;
	out.wall.realtime_ns = 1000000000000000000;
	output_lost(&out, 5000001234, &since, true);
	assert_string_equal(text, "{\"time\":\"2001-09-09T01:46:45.000001Z\",\"event\":\"lost\","
		"\"lost_buffer_full\":1,\"lost_missed\":20,"
		"\"sockets_not_followed\":18446744073709551615,\"connects_without_real\":300,\"reasons_missed\":7}\n");
	for (int i = 0; i < LOSSES; i++)
		assert_false(out.told[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwarded),
		cmocka_unit_test(state_change),
		cmocka_unit_test(retransmit_and_unknowns),
		cmocka_unit_test(no_real_server),
		cmocka_unit_test(time_runs_on),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(longest_row),
		cmocka_unit_test(containers),
		cmocka_unit_test(strings),
		cmocka_unit_test(last_line),
		cmocka_unit_test(line_of_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
