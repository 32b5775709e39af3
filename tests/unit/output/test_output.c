/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as text, wide text and CSV, compared with tcpstates' own format strings; escaped names. */
#include "../unit.h"

#include "../endpoint.h"
#include "output/output.h"

#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE };

/* fd00::X:Y, and an address of full length */
#define IPV6(x, y, port_) \
	{ .addr = { 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, x, 0, y }, .port = (port_), \
	  .family = AF_INET6 }
#define IPV6_LONG(port_) \
	{ .addr = { 0x20, 0x01, 0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, \
		    0x55, 0x66, 0x66 }, .port = (port_), .family = AF_INET6 }

static const struct row behind_ipvs = {
	.ts_ns = 5000000000, .skaddr = 0xffff8f3a12345678, .span_ns = 12345678, .pid = 1234,
	.uid = 1000, .netns = 4026531840, .comm = "curl", .local = IPV4(10, 0, 0, 5, 45678),
	.remote = IPV4(10, 96, 0, 1, 80), .real = IPV4(10, 244, 1, 7, 8080), .oldstate = CLOSE,
	.newstate = SYN_SENT, .method = "masq",
};

static const struct row direct_v6 = {
	.ts_ns = 6234567891, .skaddr = 0xabc, .span_ns = 0, .pid = 7, .comm = "a",
	.local = IPV6(1, 2, 1), .remote = IPV6_LONG(65535), .oldstate = SYN_SENT,
	.newstate = CLOSE, .reason = "refused",
};

static const struct row behind_ipvs_v6 = {
	.ts_ns = 7000000000, .skaddr = 0xffff8f3a12345678, .span_ns = 3600000000000, .pid = 123456,
	.comm = "fifteen-letters", .local = IPV6(1, 2, 45678), .remote = IPV6(1, 3, 443),
	.real = IPV6(1, 4, 8443), .oldstate = ESTABLISHED, .newstate = FIN_WAIT1, .method = "route",
	.reason = "reset",
};

/* Returns what the output writes for @rows with @o; the caller frees it. */
static char *written(const struct output_settings *o, bool header, const struct row *rows, size_t n)
{
	int fd = memfd_create("rows", 0);
	struct output out;
	off_t len;
	char *text;

	assert_true(fd >= 0);
	assert_int_equal(output_open(&out, o, fd), 0);
	out.wall.realtime_ns = 1000000000000000000;	/* 2001-09-09 01:46:40 UTC */
	if (header)
		output_header(&out);
	for (size_t i = 0; i < n; i++)
		output_row(&out, &rows[i]);
	assert_int_equal(out.rows, n);
	assert_int_equal(output_flush(&out), 0);
	output_close(&out);
	len = lseek(fd, 0, SEEK_END);
	text = calloc(1, (size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	assert_int_equal(strlen(text), len);
	close(fd);
	return text;
}

static void check(const struct output_settings *o, bool header, const struct row *rows, size_t n,
		  const char *expected)
{
	char *text = written(o, header, rows, n);

	assert_string_equal(text, expected);
	free(text);
}

static void text_golden(void **state)
{
	static const struct output_settings o = { 0 };
	const struct row rows[] = { behind_ipvs, direct_v6, behind_ipvs_v6 };

	(void)state;
	check(&o, true, rows, 3,
	      "SKADDR           C-PID C-COMM     LADDR           LPORT RADDR           RPORT OLDSTATE    -> NEWSTATE    MS          REAL                  REASON\n"
	      "ffff8f3a12345678 1234  curl       10.0.0.5        45678 10.96.0.1       80    CLOSE       -> SYN_SENT    12.345      10.244.1.7:8080       -\n"
	      "abc              7     a          fd00::1:2       1     2001:db8:1111:2222:3333:4444:5555:6666 65535 SYN_SENT    -> CLOSE       0.000       -                     refused\n"
	      "ffff8f3a12345678 123456 fifteen-le fd00::1:2       45678 fd00::1:3       443   ESTABLISHED -> FIN_WAIT1   3600000.000 [fd00::1:4]:8443      reset\n");
}

static void wide_golden(void **state)
{
	static const struct output_settings o = { .wide = true };
	const struct row rows[] = { behind_ipvs, direct_v6, behind_ipvs_v6 };

	(void)state;
	check(&o, true, rows, 3,
	      "SKADDR           C-PID C-COMM           IP LADDR                      LPORT RADDR                      RPORT OLDSTATE    -> NEWSTATE    MS          REAL                             REASON\n"
	      "ffff8f3a12345678 1234  curl             4  10.0.0.5                   45678 10.96.0.1                  80    CLOSE       -> SYN_SENT    12.345      10.244.1.7:8080                  -\n"
	      "abc              7     a                6  fd00::1:2                  1     2001:db8:1111:2222:3333:4444:5555:6666 65535 SYN_SENT    -> CLOSE       0.000       -                                refused\n"
	      "ffff8f3a12345678 123456 fifteen-letters  6  fd00::1:2                  45678 fd00::1:3                  443   ESTABLISHED -> FIN_WAIT1   3600000.000 [fd00::1:4]:8443                 reset\n");
}

static void csv_golden(void **state)
{
	static const struct output_settings o = { .csv = true, .wide = true };	/* -w changes nothing */
	const struct row rows[] = { behind_ipvs, direct_v6, behind_ipvs_v6 };

	(void)state;
	check(&o, true, rows, 3,
	      "SKADDR,C-PID,C-COMM,IP,LADDR,LPORT,RADDR,RPORT,OLDSTATE,NEWSTATE,MS,REALADDR,REALPORT,METHOD,REASON\n"
	      "ffff8f3a12345678,1234,curl,4,10.0.0.5,45678,10.96.0.1,80,CLOSE,SYN_SENT,12.345,10.244.1.7,8080,masq,\n"
	      "abc,7,a,6,fd00::1:2,1,2001:db8:1111:2222:3333:4444:5555:6666,65535,SYN_SENT,CLOSE,0.000,,,,refused\n"
	      "ffff8f3a12345678,123456,fifteen-letters,6,fd00::1:2,45678,fd00::1:3,443,ESTABLISHED,FIN_WAIT1,3600000.000,fd00::1:4,8443,route,reset\n");
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD "01234567-89ab-cdef-0123-456789abcdef"

/* Rows of forwarded connections have no process; a socket's row has "-" in the columns that are for them. */
static void forwarded_golden(void **state)
{
	static const struct output_settings plain = { .director = true }, o = { .extended = true, .director = true },
					    csv = { .csv = true, .extended = true, .director = true };
	static const struct container in = { .id = ID, .pod = POD };
	struct row rows[] = { behind_ipvs, behind_ipvs };

	(void)state;
	rows[1].container = &in;
	rows[0].forwarded = true;
	rows[0].pid = rows[0].uid = 0;
	memset(rows[0].comm, 0, sizeof(rows[0].comm));
	rows[0].oldstate = ROW_IPVS + 4;
	rows[0].newstate = ROW_IPVS + 7;
	rows[0].packets = 12;
	rows[0].expires_ms = 60000;
	rows[0].connect_us = 1500;
	rows[0].reason = "client-fin";
	rows[0].gone_ms = rows[1].gone_ms = -1;
	check(&plain, true, rows, 1,
	      "SKADDR           C-PID C-COMM     LADDR           LPORT RADDR           RPORT OLDSTATE    -> NEWSTATE    MS          REAL                  REASON\n"
	      "ffff8f3a12345678 -     -          10.0.0.5        45678 10.96.0.1       80    FIN_WAIT    -> CLOSE_WAIT  12.345      10.244.1.7:8080       client-fin\n");
	check(&o, true, rows, 2,
	      "SKADDR           C-PID C-COMM     LADDR           LPORT RADDR           RPORT OLDSTATE    -> NEWSTATE    MS          REAL                  "
	      "REASON         METHOD NETNS      UID   AGE-MS   GONE-MS  PACKETS  EXPIRES-MS CONNECT-MS CONTAINER    POD\n"
	      "ffff8f3a12345678 -     -          10.0.0.5        45678 10.96.0.1       80    FIN_WAIT    -> CLOSE_WAIT  12.345      10.244.1.7:8080       "
	      "client-fin     masq   4026531840 -     0        -        12       60000      1.500      -            -\n"
	      "ffff8f3a12345678 1234  curl       10.0.0.5        45678 10.96.0.1       80    CLOSE       -> SYN_SENT    12.345      10.244.1.7:8080       "
	      "-              masq   4026531840 1000  0        -        -        -          -          0123456789ab " POD "\n");
	check(&csv, true, rows, 2,
	      "SKADDR,C-PID,C-COMM,IP,LADDR,LPORT,RADDR,RPORT,OLDSTATE,NEWSTATE,MS,REALADDR,REALPORT,METHOD,REASON,NETNS,UID,AGE-MS,GONE-MS,"
	      "PACKETS,EXPIRES-MS,CONNECT-MS,CONTAINER,POD\n"
	      "ffff8f3a12345678,,,4,10.0.0.5,45678,10.96.0.1,80,FIN_WAIT,CLOSE_WAIT,12.345,10.244.1.7,8080,masq,client-fin,4026531840,,0,,"
	      "12,60000,1.500,,\n"
	      "ffff8f3a12345678,1234,curl,4,10.0.0.5,45678,10.96.0.1,80,CLOSE,SYN_SENT,12.345,10.244.1.7,8080,masq,,4026531840,1000,0,,,,," ID "," POD "\n");
}

static void times_golden(void **state)
{
	static const struct output_settings narrow = { .time = true, .timestamp = true };
	static const struct output_settings csv = { .time = true, .timestamp = true, .csv = true };
	const struct row rows[] = { behind_ipvs, direct_v6 };

	(void)state;
	check(&narrow, true, rows, 2,
	      "TIME     TIME(s)   SKADDR           C-PID C-COMM     LADDR           LPORT RADDR           RPORT OLDSTATE    -> NEWSTATE    MS          REAL                  REASON\n"
	      "01:46:45 0.000000  ffff8f3a12345678 1234  curl       10.0.0.5        45678 10.96.0.1       80    CLOSE       -> SYN_SENT    12.345      10.244.1.7:8080       -\n"
	      "01:46:46 1.234567  abc              7     a          fd00::1:2       1     2001:db8:1111:2222:3333:4444:5555:6666 65535 SYN_SENT    -> CLOSE       0.000       -                     refused\n");
	check(&csv, true, rows, 2,
	      "TIME,TIME(s),SKADDR,C-PID,C-COMM,IP,LADDR,LPORT,RADDR,RPORT,OLDSTATE,NEWSTATE,MS,REALADDR,REALPORT,METHOD,REASON\n"
	      "01:46:45,0.000000,ffff8f3a12345678,1234,curl,4,10.0.0.5,45678,10.96.0.1,80,CLOSE,SYN_SENT,12.345,10.244.1.7,8080,masq,\n"
	      "01:46:46,1.234567,abc,7,a,6,fd00::1:2,1,2001:db8:1111:2222:3333:4444:5555:6666,65535,SYN_SENT,CLOSE,0.000,,,,refused\n");
}

/* Checks that @text begins with what tcpstates would print. */
static void check_prefix(const char *text, const char *tcpstates)
{
	char *start = strndup(text, strlen(tcpstates));

	assert_non_null(start);
	assert_string_equal(start, tcpstates);
	free(start);
}

/* Values that fill, overflow or underfill each column. */
static const struct {
	uint64_t skaddr, span_us;
	uint32_t pid;
	const char *comm;
	struct endpoint local, remote;
	const char *laddr, *raddr;
} columns[] = {
	{ 0xffff8f3a12345678, 123456, 12345, "kubelet", IPV4(192, 168, 100, 200, 65535),
	  IPV4(1, 2, 3, 4, 1), "192.168.100.200", "1.2.3.4" },
	{ 0, 0, 0, "0123456789abcde", IPV4(0, 0, 0, 0, 0), IPV4(255, 255, 255, 255, 0), "0.0.0.0",
	  "255.255.255.255" },
	{ 1, 999, 4194304, "ten-chars!", IPV4(127, 0, 0, 1, 10), IPV4(127, 0, 0, 1, 99), "127.0.0.1",
	  "127.0.0.1" },
	{ 0xf, 18446744073709551, 1, "Web Content", IPV6(0, 1, 22), IPV6_LONG(443), "fd00::1",
	  "2001:db8:1111:2222:3333:4444:5555:6666" },
};

static struct row row_of_columns(size_t i)
{
	struct row r = { .ts_ns = 1, .skaddr = columns[i].skaddr, .pid = columns[i].pid,
			 .span_ns = columns[i].span_us * 1000, .local = columns[i].local,
			 .remote = columns[i].remote, .oldstate = ESTABLISHED,
			 .newstate = TIME_WAIT };

	strcpy(r.comm, columns[i].comm);
	return r;
}

/* tcpstates prints "%.3f" of microseconds / 1000; this function does it without floating point. */
static void ms_of(char ms[32], uint64_t us)
{
	snprintf(ms, 32, "%llu.%03u", (unsigned long long)(us / 1000), (unsigned)(us % 1000));
}

/* The format strings are from tools/tcpstates.py. */
static void narrow_columns_of_tcpstates(void **state)
{
	static const struct output_settings o = { 0 };
	char line[256];
	char *text = written(&o, true, NULL, 0);

	(void)state;
	snprintf(line, sizeof(line), "%-16s %-5s %-10.10s %s%-15s %-5s %-15s %-5s %-11s -> %-11s %s",
		 "SKADDR", "C-PID", "C-COMM", "", "LADDR", "LPORT", "RADDR", "RPORT", "OLDSTATE",
		 "NEWSTATE", "MS");
	check_prefix(text, line);
	free(text);
	for (size_t i = 0; i < N_OF(columns); i++) {
		struct row r = row_of_columns(i);
		char ms[32];

		ms_of(ms, columns[i].span_us);
		text = written(&o, false, &r, 1);
		snprintf(line, sizeof(line),
			 "%-16llx %-5u %-10.10s %s%-15s %-5u %-15s %-5u %-11s -> %-11s %s ",
			 (unsigned long long)r.skaddr, r.pid, r.comm, "", columns[i].laddr,
			 r.local.port, columns[i].raddr, r.remote.port, "ESTABLISHED", "TIME_WAIT", ms);
		check_prefix(text, line);
		free(text);
	}
}

static void wide_columns_of_tcpstates(void **state)
{
	static const struct output_settings o = { .wide = true };
	char line[256];
	char *text = written(&o, true, NULL, 0);

	(void)state;
	snprintf(line, sizeof(line),
		 "%-16s %-5s %-16.16s %-2s %-26s %-5s %-26s %-5s %-11s -> %-11s %s", "SKADDR",
		 "C-PID", "C-COMM", "IP", "LADDR", "LPORT", "RADDR", "RPORT", "OLDSTATE", "NEWSTATE",
		 "MS");
	check_prefix(text, line);
	free(text);
	for (size_t i = 0; i < N_OF(columns); i++) {
		struct row r = row_of_columns(i);
		char ms[32];

		ms_of(ms, columns[i].span_us);
		text = written(&o, false, &r, 1);
		snprintf(line, sizeof(line),
			 "%-16llx %-5u %-16.16s %-2s %-26s %-5u %-26s %-5u %-11s -> %-11s %s ",
			 (unsigned long long)r.skaddr, r.pid, r.comm,
			 r.local.family == AF_INET6 ? "6" : "4", columns[i].laddr, r.local.port,
			 columns[i].raddr, r.remote.port, "ESTABLISHED", "TIME_WAIT", ms);
		check_prefix(text, line);
		free(text);
	}
}

static void csv_columns_of_tcpstates(void **state)
{
	static const struct output_settings o = { .csv = true };

	(void)state;
	for (size_t i = 0; i < N_OF(columns); i++) {
		struct row r = row_of_columns(i);
		char ms[32], line[256], *text = written(&o, false, &r, 1);

		ms_of(ms, columns[i].span_us);
		snprintf(line, sizeof(line), "%llx,%u,%s,%s,%s,%u,%s,%u,%s,%s,%s,",
			 (unsigned long long)r.skaddr, r.pid, r.comm,
			 r.local.family == AF_INET6 ? "6" : "4", columns[i].laddr, r.local.port,
			 columns[i].raddr, r.remote.port, "ESTABLISHED", "TIME_WAIT", ms);
		check_prefix(text, line);
		free(text);
	}
}

static void milliseconds_are_cut_off(void **state)
{
	static const struct {
		uint64_t ns;
		const char *ms;
	} cases[] = {
		{ 0, "0.000" }, { 999, "0.000" }, { 1000, "0.001" }, { 1999, "0.001" },
		{ 999999, "0.999" }, { 1000000, "1.000" }, { 1003000123, "1003.000" },
		{ UINT64_MAX, "18446744073709.551" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(cases); i++) {
		char buffer[64] = "";
		struct output o = { .at = buffer };

		put_ms(&o, cases[i].ns);
		assert_string_equal(buffer, cases[i].ms);
	}
}

static void state_names(void **state)
{
	static const char *const names[] = {
		[1] = "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
		"CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV",
	};
	static const char *const ipvs[] = {	/* as ipvsadm -Lnc prints them */
		"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
		"LISTEN", "SYNACK", "11",
	};

	(void)state;
	for (uint8_t i = 1; i < N_OF(names); i++)
		assert_string_equal(output_state(i), names[i]);
	assert_string_equal(output_state(0), "0");
	assert_string_equal(output_state(14), "14");
	assert_string_equal(output_state(15), "15");
	for (uint8_t i = 0; i < N_OF(ipvs); i++)
		assert_string_equal(output_state(ROW_IPVS + i), ipvs[i]);
}

static void check_comm(const char *comm, int max, const char *expected)
{
	char name[16] = "", safe[80];

	assert_in_range(strlen(comm), 0, 15);
	strcpy(name, comm);
	memset(safe, 0x5a, sizeof(safe));
	output_comm(safe, sizeof(safe), name, max);
	assert_string_equal(safe, expected);
}

static void comm_plain(void **state)
{
	(void)state;
	check_comm("", 64, "");
	check_comm("nginx: worker", 64, "nginx: worker");
	check_comm("~!@#$%^&*()\"',", 64, "~!@#$%^&*()\"',");
	check_comm("caf\xc3\xa9", 64, "caf\xc3\xa9");
	check_comm("\xe6\x97\xa5\xe6\x9c\xac", 64, "\xe6\x97\xa5\xe6\x9c\xac");
	check_comm("\xf0\x9f\x90\xa7", 64, "\xf0\x9f\x90\xa7");
}

static void comm_controls(void **state)
{
	(void)state;
	check_comm("a\nb\rc\td", 64, "a\\x0ab\\x0dc\\x09d");
	check_comm("\x1b[31mred\x1b[0m", 64, "\\x1b[31mred\\x1b[0m");
	check_comm("\x01\x1f\x7f", 64, "\\x01\\x1f\\x7f");
	/* C1 control characters are U+0080 to U+009F; U+00A0 is not one. */
	check_comm("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", 64, "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\xc2\xa0");
	/* Otherwise a name could forge an escape. */
	check_comm("\\x41", 64, "\\x5cx41");
}

static void comm_broken_utf8(void **state)
{
	(void)state;
	check_comm("\x80\xbf", 64, "\\x80\\xbf");
	check_comm("\xff\xfe", 64, "\\xff\\xfe");
	check_comm("\xc3", 64, "\\xc3");
	check_comm("\xe6\x97", 64, "\\xe6\\x97");
	check_comm("\xf0\x9f\x90", 64, "\\xf0\\x9f\\x90");
	check_comm("\xc3(", 64, "\\xc3(");
	check_comm("\xe6\x97z", 64, "\\xe6\\x97z");
	/* Overlong forms of '/', surrogates, above U+10FFFF. */
	check_comm("\xc0\xaf", 64, "\\xc0\\xaf");
	check_comm("\xc1\xbf", 64, "\\xc1\\xbf");
	check_comm("\xe0\x80\xaf", 64, "\\xe0\\x80\\xaf");
	check_comm("\xe0\x9f\xbf", 64, "\\xe0\\x9f\\xbf");
	check_comm("\xe0\xa0\x80", 64, "\xe0\xa0\x80");
	check_comm("\xed\x9f\xbf", 64, "\xed\x9f\xbf");
	check_comm("\xed\xa0\x80", 64, "\\xed\\xa0\\x80");
	check_comm("\xf0\x8f\xbf\xbf", 64, "\\xf0\\x8f\\xbf\\xbf");
	check_comm("\xf4\x8f\xbf\xbf", 64, "\xf4\x8f\xbf\xbf");
	check_comm("\xf4\x90\x80\x80", 64, "\\xf4\\x90\\x80\\x80");
	check_comm("\xf5\x80\x80\x80", 64, "\\xf5\\x80\\x80\\x80");
	/* The kernel has cut this name within a letter. */
	check_comm("fourteen-bytes\xc3", 64, "fourteen-bytes\\xc3");
}

static void comm_is_not_cut_in_two(void **state)
{
	(void)state;
	check_comm("0123456789abcde", 10, "0123456789");
	check_comm("1234567\n", 10, "1234567");
	check_comm("123456\n", 10, "123456\\x0a");
	check_comm("\n\n\n", 10, "\\x0a\\x0a");
	check_comm("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 5,
		   "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
	check_comm("abc", 0, "");
}

static void comm_in_a_small_place(void **state)
{
	static const char comm[16] = "ab\n\xc3\xa9";
	static const char *const expected[] = {
		[1] = "", "a", "ab", "ab", "ab", "ab", "ab\\x0a", "ab\\x0a", "ab\\x0a\xc3\xa9",
	};

	(void)state;
	for (size_t size = 1; size < N_OF(expected); size++) {
		char *to = malloc(size);	/* the sanitizer watches its end */

		assert_non_null(to);
		output_comm(to, size, comm, 64);
		assert_string_equal(to, expected[size]);
		free(to);
	}
}

/* After letters of several bytes and escapes the next field still begins in its column. */
static void columns_after_hostile_names(void **state)
{
	static const struct {
		const char *comm, *narrow, *wide;
	} names[] = {
		{ "caf\xc3\xa9", "caf\xc3\xa9      ", "caf\xc3\xa9            " },
		{ "\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac        ",
		  "\xe6\x97\xa5\xe6\x9c\xac              " },
		{ "a\nb", "a\\x0ab    ", "a\\x0ab          " },
		{ "\x1b[2J\x1b[H", "\\x1b[2J   ", "\\x1b[2J\\x1b[H   " },
		{ "\xff\xff\xff\xff\xff", "\\xff\\xff  ", "\\xff\\xff\\xff\\xff" },
		{ "", "          ", "                " },
		{ "a b,\"c\"", "a b,\"c\"   ", "a b,\"c\"         " },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(names); i++) {
		static const struct output_settings narrow = { 0 }, wide = { .wide = true };
		struct row r = behind_ipvs;
		char line[256];

		memset(r.comm, 0, sizeof(r.comm));
		strcpy(r.comm, names[i].comm);
		snprintf(line, sizeof(line),
			 "ffff8f3a12345678 1234  %s 10.0.0.5        45678 10.96.0.1       80    "
			 "CLOSE       -> SYN_SENT    12.345      10.244.1.7:8080       -\n",
			 names[i].narrow);
		check(&narrow, false, &r, 1, line);
		snprintf(line, sizeof(line),
			 "ffff8f3a12345678 1234  %s 4  10.0.0.5                   45678 "
			 "10.96.0.1                  80    CLOSE       -> SYN_SENT    12.345      "
			 "10.244.1.7:8080                  -\n", names[i].wide);
		check(&wide, false, &r, 1, line);
	}
}

/* RFC 4180: a field with a comma or a quote is quoted, and its quotes are doubled. */
static void csv_quotes(void **state)
{
	static const struct {
		const char *comm, *field;
	} names[] = {
		{ "a,b", "\"a,b\"" },
		{ "say \"hi\"", "\"say \"\"hi\"\"\"" },
		{ "\"", "\"\"\"\"" },
		{ ",,\"\"", "\",,\"\"\"\"\"" },
		{ "a b'c;d", "a b'c;d" },
		{ "\n\r", "\\x0a\\x0d" },
		{ "\xc2\x85", "\\xc2\\x85" },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		  "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff" },
		{ "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
		  "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(names); i++) {
		static const struct output_settings csv = { .csv = true };
		struct row r = behind_ipvs;
		char line[256];

		memset(r.comm, 0, sizeof(r.comm));
		strcpy(r.comm, names[i].comm);
		snprintf(line, sizeof(line),
			 "ffff8f3a12345678,1234,%s,4,10.0.0.5,45678,10.96.0.1,80,CLOSE,SYN_SENT,12.345,"
			 "10.244.1.7,8080,masq,\n", names[i].field);
		check(&csv, false, &r, 1, line);
	}
}

/* Long addresses push the rest to the right; white space still separates the fields. */
static void longest_row(void **state)
{
	static const struct output_settings text = { .time = true, .timestamp = true };
	struct row r = { .ts_ns = 1, .skaddr = UINT64_MAX, .span_ns = UINT64_MAX, .pid = UINT32_MAX,
			 .local = IPV6_LONG(65535), .remote = IPV6_LONG(65535),
			 .real = IPV6_LONG(65535), .oldstate = 13, .newstate = 13,
			 .method = "unknown", .reason = "unreachable" };
	struct row rows[2];

	(void)state;
	memset(r.comm, 0xff, sizeof(r.comm) - 1);
	rows[0] = rows[1] = r;
	rows[1].ts_ns = 1ULL << 62;	/* 146 years */
	{
		char *all = written(&text, false, rows, 2), *second = strchr(all, '\n');

		assert_non_null(second);
		assert_in_range(strlen(second + 1), 200, OUTPUT_ROW_MAX / 2);
		assert_non_null(strstr(second,
			" 4611686018.427387 ffffffffffffffff 4294967295 \\xff\\xff   "
			"2001:db8:1111:2222:3333:4444:5555:6666 65535 "
			"2001:db8:1111:2222:3333:4444:5555:6666 65535 "
			"BOUND_INACTIVE -> BOUND_INACTIVE 18446744073709.551 "
			"[2001:db8:1111:2222:3333:4444:5555:6666]:65535 unreachable\n"));
		free(all);
	}
}

/* An event may come after the first row although it is older; tcpstates shows -0.000001. */
static void time_before_the_first_row(void **state)
{
	static const struct output_settings o = { .timestamp = true, .csv = true };
	struct row rows[] = { behind_ipvs, behind_ipvs };
	char *text;

	(void)state;
	rows[1].ts_ns -= 1000;
	text = written(&o, false, rows, 2);
	assert_non_null(strstr(text, "\n-0.000001,ffff8f3a12345678,"));
	free(text);
}

static void many_rows_keep_their_order(void **state)
{
	enum { N = 3000 };	/* several buffers full */
	static const struct output_settings o = { .csv = true };
	struct row *rows = calloc(N, sizeof(*rows));
	char *text, *line, *rest;
	unsigned n = 0;

	(void)state;
	assert_non_null(rows);
	for (unsigned i = 0; i < N; i++) {
		rows[i] = behind_ipvs;
		rows[i].pid = i;
	}
	rest = text = written(&o, false, rows, N);
	while ((line = strsep(&rest, "\n")) && *line) {
		char expected[64];

		snprintf(expected, sizeof(expected), "ffff8f3a12345678,%u,curl,", n++);
		check_prefix(line, expected);
	}
	assert_int_equal(n, N);
	free(text);
	free(rows);
}

static void nothing_is_written_before_it_has_to(void **state)
{
	static const struct output_settings o = { 0 };
	int fd = memfd_create("rows", 0);
	struct output out;

	(void)state;
	assert_int_equal(output_open(&out, &o, fd), 0);
	output_header(&out);
	output_row(&out, &behind_ipvs);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	assert_int_equal(output_flush(&out), 0);
	assert_true(lseek(fd, 0, SEEK_END) > 0);
	output_close(&out);
	close(fd);
}

static void reader_that_left(void **state)
{
	static const struct output_settings o = { 0 };
	struct output out;
	int pipe_fd[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(pipe_fd), 0);
	close(pipe_fd[0]);
	assert_int_equal(output_open(&out, &o, pipe_fd[1]), 0);
	assert_int_equal(output_flush(&out), 0);	/* there is nothing to write */
	for (int i = 0; i < 5000; i++)			/* the buffer stays within its bounds */
		output_row(&out, &behind_ipvs);
	assert_int_equal(output_flush(&out), -EPIPE);
	assert_int_equal(output_flush(&out), -EPIPE);
	assert_int_equal(out.err, -EPIPE);
	output_close(&out);
	close(pipe_fd[1]);
}

static void full_device(void **state)
{
	static const struct output_settings o = { 0 };
	int fd = open("/dev/full", O_WRONLY);
	struct output out;

	(void)state;
	if (fd < 0)
		skip_because("no /dev/full");
	assert_int_equal(output_open(&out, &o, fd), 0);
	output_row(&out, &behind_ipvs);
	assert_int_equal(output_flush(&out), -ENOSPC);
	output_close(&out);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_golden),
		cmocka_unit_test(wide_golden),
		cmocka_unit_test(csv_golden),
		cmocka_unit_test(forwarded_golden),
		cmocka_unit_test(times_golden),
		cmocka_unit_test(narrow_columns_of_tcpstates),
		cmocka_unit_test(wide_columns_of_tcpstates),
		cmocka_unit_test(csv_columns_of_tcpstates),
		cmocka_unit_test(milliseconds_are_cut_off),
		cmocka_unit_test(state_names),
		cmocka_unit_test(comm_plain),
		cmocka_unit_test(comm_controls),
		cmocka_unit_test(comm_broken_utf8),
		cmocka_unit_test(comm_is_not_cut_in_two),
		cmocka_unit_test(comm_in_a_small_place),
		cmocka_unit_test(columns_after_hostile_names),
		cmocka_unit_test(csv_quotes),
		cmocka_unit_test(longest_row),
		cmocka_unit_test(time_before_the_first_row),
		cmocka_unit_test(many_rows_keep_their_order),
		cmocka_unit_test(nothing_is_written_before_it_has_to),
		cmocka_unit_test(reader_that_left),
		cmocka_unit_test(full_device),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
