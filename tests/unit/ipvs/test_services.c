/* SPDX-License-Identifier: Apache-2.0 */
/* Readings of net/ip_vs, compared. */
#include "../unit.h"

#include "ipvs/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADING "IP Virtual Server version 1.2.1 (size=4096)\n" \
		"Prot LocalAddress:Port Scheduler Flags\n" \
		"  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
#define WEB "TCP  0A630001:0050 rr persistent 300 FFFFFFFF\n"
#define REAL_1 "  -> 0A630101:1F90      Masq    1      2          3         \n"
#define REAL_1_OFF "  -> 0A630101:1F90      Masq    0      2          3         \n"
#define REAL_2 "  -> 0A630102:1F90      Masq    10     2          3         \n"
#define MARK "FWM  0000000A rr \n"
#define MARK_11 "FWM  0000000B rr ops \n"
#define ANY_PORT "  -> 0A630101:0000      Route   1      0          0         \n"
#define ANY_PORT_OFF "  -> 0A630101:0000      Route   0      0          0         \n"
#define WEB_6 "TCP  [fd00:0099:0000:0000:0000:0000:0000:0001]:0050 rr \n"
#define REAL_6 "  -> [fd00:0099:0001:0000:0000:0000:0000:0001]:1F90      Masq    1      0          0         \n"
#define REAL_6_OFF "  -> [fd00:0099:0001:0000:0000:0000:0000:0001]:1F90      Masq    0      0          0         \n"

/* The content of a namespace's file. */
struct file {
	uint32_t netns;
	const char *text;
};

static void read_files(struct services *s, const struct file *file, size_t n)
{
	struct ipvs_server server[64], line = { .service = 0 };
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		line.netns = file[i].netns;
		for (const char *at = file[i].text; *at; at += strcspn(at, "\n") + 1) {
			size_t len = strcspn(at, "\n");
			char *exactly = malloc(len + !len);	/* the sanitizer watches its end */

			assert_non_null(exactly);
			memcpy(exactly, at, len);
			if (ipvs_parse_server(exactly, len, &line))
				server[found++] = line;
			free(exactly);
		}
	}
	assert_int_equal(services_update(s, server, found), 0);
}

/* Reads the file of namespace 7. */
static void read_text(struct services *s, const char *text)
{
	const struct file file = { 7, text };

	read_files(s, &file, 1);
}

static const uint8_t vip[16] = { [10] = 0xff, 0xff, 10, 99, 0, 1 };

/* A connection to 10.99.0.1:@vport whose real server is 10.99.1.@real:@dport. */
static bool is_stale(const struct services *s, uint32_t netns, uint16_t vport, uint8_t real, uint16_t dport)
{
	struct ipvs_entry e = { .netns = netns, .vport = vport, .dport = dport,
				.daddr = { [10] = 0xff, 0xff, 10, 99, 1, real } };

	memcpy(e.vaddr, vip, sizeof(vip));
	return services_is_stale(s, &e);
}

static void weight_0(void **state)
{
	struct services s = { .n = 0 };

	(void)state;
	read_text(&s, HEADING WEB REAL_1 REAL_2);
	assert_false(services_any_stale(&s));
	assert_false(is_stale(&s, 7, 80, 1, 8080));
	read_text(&s, HEADING WEB REAL_1_OFF REAL_2);
	assert_true(services_any_stale(&s));
	assert_true(is_stale(&s, 7, 80, 1, 8080));
	assert_false(is_stale(&s, 7, 80, 2, 8080));	/* weight 10 */
	assert_false(is_stale(&s, 7, 80, 1, 8081));	/* other ports, another namespace */
	assert_false(is_stale(&s, 7, 81, 1, 8080));
	assert_false(is_stale(&s, 8, 80, 1, 8080));
	read_text(&s, HEADING WEB REAL_1 REAL_2);
	assert_false(is_stale(&s, 7, 80, 1, 8080));
	services_free(&s);
}

static void left(void **state)
{
	struct services s = { .n = 0 };

	(void)state;
	read_text(&s, HEADING WEB REAL_1 REAL_2);
	read_text(&s, HEADING WEB REAL_2);
	assert_false(is_stale(&s, 7, 80, 1, 8080));	/* the kernel may have skipped it once */
	read_text(&s, HEADING WEB REAL_1 REAL_2);
	read_text(&s, HEADING WEB REAL_2);
	assert_false(is_stale(&s, 7, 80, 1, 8080));
	read_text(&s, HEADING WEB REAL_2);
	assert_true(is_stale(&s, 7, 80, 1, 8080));
	assert_false(is_stale(&s, 7, 80, 2, 8080));
	for (int i = 0; i < 6; i++) {
		assert_true(is_stale(&s, 7, 80, 1, 8080));
		read_text(&s, HEADING WEB REAL_2);
	}
	read_text(&s, HEADING WEB REAL_2);
	assert_false(is_stale(&s, 7, 80, 1, 8080));	/* forgotten */
	assert_false(services_any_stale(&s));
	assert_int_equal(s.n, 2);
	services_free(&s);
}

static void whole_service_left(void **state)
{
	struct services s = { .n = 0 };

	(void)state;
	read_text(&s, HEADING WEB REAL_1 REAL_2 WEB_6 REAL_6);
	read_text(&s, HEADING WEB_6 REAL_6);
	read_text(&s, HEADING WEB_6 REAL_6);
	assert_true(is_stale(&s, 7, 80, 1, 8080));
	assert_true(is_stale(&s, 7, 80, 2, 8080));
	assert_false(is_stale(&s, 7, 80, 3, 8080));	/* never known */
	services_free(&s);
}

/* What cannot be read may be as it was. */
static void namespace_not_read(void **state)
{
	static const struct file both[] = { { 5, HEADING WEB REAL_1 }, { 7, HEADING WEB REAL_1 } };
	static const struct file changed[] = { { 5, HEADING }, { 7, HEADING WEB REAL_1 } };
	struct services s = { .n = 0 };

	(void)state;
	read_files(&s, both, 2);
	assert_int_equal(s.n, 4);
	for (int i = 0; i < 3; i++)
		read_files(&s, both, 1);
	assert_false(services_any_stale(&s));
	assert_int_equal(s.n, 2);
	read_files(&s, both, 2);
	for (int i = 0; i < 2; i++)
		read_files(&s, changed, 2);
	assert_true(is_stale(&s, 5, 80, 1, 8080));
	assert_false(is_stale(&s, 7, 80, 1, 8080));
	read_files(&s, NULL, 0);
	assert_int_equal(s.n, 0);
	services_free(&s);
}

/* Nobody knows which mark a connection has, so all services with its real server must agree. */
static void services_of_marks(void **state)
{
	struct services s = { .n = 0 };

	(void)state;
	read_text(&s, HEADING MARK ANY_PORT MARK_11 ANY_PORT);
	assert_false(is_stale(&s, 7, 80, 1, 80));
	read_text(&s, HEADING MARK ANY_PORT_OFF MARK_11 ANY_PORT);
	assert_false(is_stale(&s, 7, 80, 1, 80));
	read_text(&s, HEADING MARK ANY_PORT_OFF MARK_11 ANY_PORT_OFF);
	assert_true(is_stale(&s, 7, 80, 1, 80));
	assert_false(is_stale(&s, 7, 80, 2, 80));
	assert_false(is_stale(&s, 5, 80, 1, 80));
	read_text(&s, HEADING MARK REAL_1_OFF);
	read_text(&s, HEADING MARK REAL_1_OFF);
	assert_true(is_stale(&s, 7, 80, 1, 8080));
	/* A service of the address and port comes first. */
	read_text(&s, HEADING WEB REAL_1 MARK REAL_1_OFF);
	assert_false(is_stale(&s, 7, 80, 1, 8080));
	services_free(&s);
}

static void service_of_every_port(void **state)
{
	struct services s = { .n = 0 };

	(void)state;
	read_text(&s, HEADING "TCP  0A630001:0000 rr persistent 300 \n" ANY_PORT_OFF WEB REAL_1);
	assert_true(is_stale(&s, 7, 443, 1, 443));
	assert_false(is_stale(&s, 7, 443, 2, 443));
	assert_false(is_stale(&s, 7, 80, 1, 8080));
	services_free(&s);
}

static void ipv6(void **state)
{
	struct ipvs_entry e = { .netns = 7, .vport = 80, .dport = 8080, .vaddr = { 0xfd, 0, 0, 0x99, [15] = 1 },
				.daddr = { 0xfd, 0, 0, 0x99, 0, 1, [15] = 1 } };
	struct services s = { .n = 0 };

	(void)state;
	read_text(&s, HEADING WEB_6 REAL_6);
	assert_false(services_is_stale(&s, &e));
	read_text(&s, HEADING WEB_6 REAL_6_OFF);
	assert_true(services_is_stale(&s, &e));
	services_free(&s);
}

/* UDP's real servers are none of TCP's, and what is no real server is none. */
static void other_lines(void **state)
{
	static const char text[] = HEADING "UDP  0A630001:0050 rr \n" REAL_1_OFF "SCTP 0A630001:0050 rr \n" REAL_1_OFF
		"TCP  0A6300:0050 rr \n" REAL_1_OFF "FWM  0A63 rr \n" REAL_1_OFF "TCP\n" REAL_1_OFF "\n" REAL_1_OFF
		WEB "  -> 0A630101\n" "  -> [fd00\n" "  -> \n" "  -> 0A630101:1F\n" "  -> 0A630102:1F90 Masq 0\n";
	struct services s = { .n = 0 };

	(void)state;
	read_text(&s, text);
	assert_int_equal(s.n, 2);	/* the namespace; the last line, which is cut within its weight */
	assert_false(services_any_stale(&s));
	services_free(&s);
}

static void the_same_line_twice(void **state)
{
	struct services s = { .n = 0 };

	(void)state;
	read_text(&s, HEADING WEB REAL_1 REAL_2 WEB REAL_1 REAL_2);
	assert_int_equal(s.n, 3);
	services_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weight_0),
		cmocka_unit_test(left),
		cmocka_unit_test(whole_service_left),
		cmocka_unit_test(namespace_not_read),
		cmocka_unit_test(services_of_marks),
		cmocka_unit_test(service_of_every_port),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(other_lines),
		cmocka_unit_test(the_same_line_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
