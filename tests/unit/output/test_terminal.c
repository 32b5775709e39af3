/* SPDX-License-Identifier: Apache-2.0 */
/* Text on a pseudo-terminal: growing columns, repeated headings, colour. */
#include "../unit.h"

#include "../endpoint.h"
#include "output/output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { ESTABLISHED = 1, SYN_SENT, CLOSE = 7 };

#define IPV6_LONG(port_) \
	{ .addr = { 0x20, 0x01, 0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, \
		    0x55, 0x66, 0x66 }, .port = (port_), .family = AF_INET6 }
#define HEADING "SKADDR           C-PID C-COMM     "

static const struct row plain = {
	.ts_ns = 1, .skaddr = 0xffff8f3a12345678, .span_ns = 12345678, .pid = 1234, .comm = "curl",
	.local = IPV4(10, 0, 0, 5, 45678), .remote = IPV4(10, 96, 0, 1, 80), .oldstate = CLOSE,
	.newstate = SYN_SENT, .event = "state", .age_ms = -1, .gone_ms = -1,
};

/* 20 columns: "2001:db8:1111:2222::" */
static const struct endpoint v6_short = {
	.addr = { 0x20, 0x01, 0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22 }, .port = 1, .family = AF_INET6,
};
static const struct endpoint v6_long = IPV6_LONG(65535);

struct terminal {
	struct output out;
	int master, slave;
	char text[16384];
	size_t len;
};

static void open_terminal(struct terminal *t, const struct output_settings *o, int lines, int columns)
{
	struct termios raw;

	memset(t, 0, sizeof(*t));
	t->master = posix_openpt(O_RDWR | O_NOCTTY);
	if (t->master < 0)
		skip_because("no pseudo-terminals");
	assert_int_equal(grantpt(t->master), 0);
	assert_int_equal(unlockpt(t->master), 0);
	t->slave = open(ptsname(t->master), O_RDWR | O_NOCTTY);
	assert_true(t->slave >= 0);
	assert_int_equal(tcgetattr(t->slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(t->slave, TCSANOW, &raw), 0);
	fcntl(t->master, F_SETFL, O_NONBLOCK);
	assert_int_equal(ioctl(t->slave, TIOCSWINSZ, &(struct winsize){
		.ws_row = (unsigned short)lines, .ws_col = (unsigned short)columns }), 0);
	assert_int_equal(output_open(&t->out, o, t->slave), 0);
}

static void read_terminal(struct terminal *t)
{
	ssize_t n;

	assert_int_equal(output_flush(&t->out), 0);
	while ((n = read(t->master, t->text + t->len, sizeof(t->text) - 1 - t->len)) > 0)
		t->len += (size_t)n;
	t->text[t->len] = '\0';
}

static void close_terminal(struct terminal *t)
{
	output_close(&t->out);
	close(t->slave);
	close(t->master);
}

static void put_rows(struct terminal *t, const struct row *r, int n)
{
	for (int i = 0; i < n; i++) {
		output_row(&t->out, r);
		read_terminal(t);
	}
}

/* "h" for a heading, "r" for a row. */
static const char *pattern_of(struct terminal *t)
{
	static char pattern[200];
	char *line, *rest = t->text;
	int n = 0;

	while ((line = strsep(&rest, "\n")) && *line)
		pattern[n++] = strstr(line, "C-COMM") ? 'h' : 'r';
	pattern[n] = '\0';
	return pattern;
}

static void heading_again_after_a_screenful(void **state)
{
	static const struct output_settings o = { 0 };
	struct terminal t;

	(void)state;
	open_terminal(&t, &o, 7, 200);
	output_header(&t.out);
	put_rows(&t, &plain, 12);
	/* A heading and 5 rows on 7 lines: the cursor needs the last line. */
	assert_string_equal(pattern_of(&t), "hrrrrrhrrrrrhrr");
	close_terminal(&t);
}

static void lines_that_wrap_are_counted(void **state)
{
	static const struct output_settings o = { 0 };
	struct terminal t;

	(void)state;
	open_terminal(&t, &o, 9, 80);	/* each row takes two of these lines */
	output_header(&t.out);
	put_rows(&t, &plain, 5);
	assert_string_equal(pattern_of(&t), "hrrrhrr");
	close_terminal(&t);
}

static void window_that_changes(void **state)
{
	static const struct output_settings o = { 0 };
	struct terminal t;

	(void)state;
	open_terminal(&t, &o, 7, 200);
	output_header(&t.out);
	put_rows(&t, &plain, 4);
	ioctl(t.slave, TIOCSWINSZ, &(struct winsize){ .ws_row = 10, .ws_col = 200 });
	put_rows(&t, &plain, 6);
	ioctl(t.slave, TIOCSWINSZ, &(struct winsize){ .ws_row = 2, .ws_col = 200 });	/* counts as 5 lines */
	put_rows(&t, &plain, 4);
	assert_string_equal(pattern_of(&t), "hrrrrrrrrhrrrhrrr");
	close_terminal(&t);
}

static void window_of_unknown_size(void **state)
{
	static const struct output_settings o = { 0 };
	struct terminal t;

	(void)state;
	open_terminal(&t, &o, 0, 0);
	output_header(&t.out);
	put_rows(&t, &plain, 23);
	assert_string_equal(pattern_of(&t), "hrrrrrrrrrrrrrrrrrrrrrrhr");
	close_terminal(&t);
}

static void columns_grow_with_their_addresses(void **state)
{
	static const struct output_settings o = { 0 };
	struct row rows[] = { plain, plain, plain, plain };
	struct terminal t;

	(void)state;
	setenv("TERM", "dumb", 1);
	rows[1].local = v6_short;
	rows[2].remote = v6_long;
	rows[2].real = v6_long;
	open_terminal(&t, &o, 50, 300);
	output_header(&t.out);
	for (size_t i = 0; i < N_OF(rows); i++)
		put_rows(&t, &rows[i], 1);
	assert_string_equal(t.text,
	      HEADING "LADDR           LPORT RADDR           RPORT OLDSTATE    -> NEWSTATE    MS          REAL                  REASON\n"
	      "ffff8f3a12345678 1234  curl       10.0.0.5        45678 10.96.0.1       80    CLOSE       -> SYN_SENT    12.345      -                     -\n"
	      HEADING "LADDR                      LPORT RADDR                      RPORT OLDSTATE    -> NEWSTATE    MS          REAL                  REASON\n"
	      "ffff8f3a12345678 1234  curl       2001:db8:1111:2222::       1     10.96.0.1                  80    CLOSE       -> SYN_SENT    12.345      -                     -\n"
	      HEADING "LADDR                                   LPORT RADDR                                   RPORT OLDSTATE    -> NEWSTATE    MS          REAL                                            REASON\n"
	      "ffff8f3a12345678 1234  curl       10.0.0.5                                45678 2001:db8:1111:2222:3333:4444:5555:6666  65535 CLOSE       -> SYN_SENT    12.345      [2001:db8:1111:2222:3333:4444:5555:6666]:65535  -\n"
	      "ffff8f3a12345678 1234  curl       10.0.0.5                                45678 10.96.0.1                               80    CLOSE       -> SYN_SENT    12.345      -                                               -\n");
	close_terminal(&t);
}

/* A column has three steps. A longer name is whole, and moves the rest of its row. */
static void columns_grow_with_names(void **state)
{
	static const char file[] = "10.0.0.2:80 web-0123456789\n"
		"10.0.0.3 web-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789\n";
	struct names names = { .n = 0 };
	const struct output_settings o = { .names = &names };
	struct row rows[] = { plain, plain, plain, plain };
	struct terminal t;
	char errmsg[64];

	(void)state;
	setenv("TERM", "dumb", 1);
	assert_int_equal(names_add_text(&names, "file", file, sizeof(file) - 1, errmsg, sizeof(errmsg)), 0);
	rows[1].real = (struct endpoint)IPV4(10, 0, 0, 2, 80);
	rows[2].remote = rows[3].remote = (struct endpoint)IPV4(10, 0, 0, 3, 80);
	open_terminal(&t, &o, 50, 300);
	output_header(&t.out);
	for (size_t i = 0; i < N_OF(rows); i++)
		put_rows(&t, &rows[i], 1);
#define LAST HEADING "LADDR                                                            LPORT " \
	"RADDR                                                            RPORT OLDSTATE    -> NEWSTATE    MS          " \
	"REAL                             REASON\n"
#define LONGEST "ffff8f3a12345678 1234  curl       10.0.0.5                                                         45678 " \
	"web-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789 80    CLOSE       -> SYN_SENT    12.345      " \
	"-                                -\n"
	assert_string_equal(t.text,
	      HEADING "LADDR           LPORT RADDR           RPORT OLDSTATE    -> NEWSTATE    MS          REAL                  REASON\n"
	      "ffff8f3a12345678 1234  curl       10.0.0.5        45678 10.96.0.1       80    CLOSE       -> SYN_SENT    12.345      -                     -\n"
	      HEADING "LADDR           LPORT RADDR           RPORT OLDSTATE    -> NEWSTATE    MS          REAL                             REASON\n"
	      "ffff8f3a12345678 1234  curl       10.0.0.5        45678 10.96.0.1       80    CLOSE       -> SYN_SENT    12.345      web-0123456789:80                -\n"
	      LAST LONGEST LONGEST);
	close_terminal(&t);
	names_free(&names);
}

static bool coloured(const char *term, const char *no_color, const char *reason, bool retransmit,
		     const char *end)
{
	static const struct output_settings o = { 0 };
	struct row row = plain;
	struct terminal t;
	bool is;

	unsetenv("NO_COLOR");
	unsetenv("TERM");
	if (no_color)
		setenv("NO_COLOR", no_color, 1);
	if (term)
		setenv("TERM", term, 1);
	row.reason = reason;
	row.newstate = retransmit ? 2 : 7;
	open_terminal(&t, &o, 50, 300);
	put_rows(&t, &row, 1);
	is = strchr(t.text, '\033');
	assert_int_equal(strcmp(t.text + t.len - strlen(end), end), 0);
	close_terminal(&t);
	return is;
}

static void colour(void **state)
{
	(void)state;
	assert_true(coloured("xterm", NULL, "refused", false, " \033[31mrefused\033[0m\n"));
	assert_true(coloured("xterm", "", "retransmit", true, " \033[33mretransmit\033[0m\n"));
	assert_false(coloured("xterm", NULL, NULL, false, " -\n"));
	assert_false(coloured("xterm", "1", "refused", false, " refused\n"));
	assert_false(coloured("xterm", "0", "refused", false, " refused\n"));
	assert_false(coloured("dumb", NULL, "refused", false, " refused\n"));
	assert_false(coloured("", NULL, "refused", false, " refused\n"));
	assert_false(coloured(NULL, NULL, "refused", false, " refused\n"));
}

/* Programs read these formats, so a terminal makes no difference. */
static void csv_and_json_stay_as_they_are(void **state)
{
	static const struct output_settings formats[] = { { .csv = true }, { .json = true } };

	(void)state;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	for (size_t i = 0; i < N_OF(formats); i++) {
		struct row row = plain;
		struct terminal t;

		row.reason = "refused";
		open_terminal(&t, &formats[i], 5, 20);
		put_rows(&t, &row, 20);
		assert_null(strchr(t.text, '\033'));
		assert_int_equal(strlen(pattern_of(&t)), 20);
		close_terminal(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heading_again_after_a_screenful),
		cmocka_unit_test(lines_that_wrap_are_counted),
		cmocka_unit_test(window_that_changes),
		cmocka_unit_test(window_of_unknown_size),
		cmocka_unit_test(columns_grow_with_their_addresses),
		cmocka_unit_test(columns_grow_with_names),
		cmocka_unit_test(colour),
		cmocka_unit_test(csv_and_json_stay_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
