/* SPDX-License-Identifier: Apache-2.0 */
/* Counts in each format, compared exactly. */
#include "../unit.h"

#include "../endpoint.h"
#include "output/output_counts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct endpoint ipv6(uint8_t last, uint16_t port)
{
	return (struct endpoint){ .addr = { 0xfd, [15] = last }, .port = port, .family = AF_INET6 };
}

/* A service with a healthy and a refusing real server, and a service without real servers. */
static struct stats stats;
static struct stats_real *healthy;

static void add(struct stats_real *r, unsigned kind, unsigned bucket, uint64_t n, uint64_t max_us)
{
	assert_int_equal(stats_add_times(r, kind, bucket, n), 0);
	if (kind < STATS_STATE)
		r->max_us[kind] = max_us;
}

static struct stats_real *get(struct stats *s, struct endpoint vip, struct endpoint real)
{
	struct stats_real *r = stats_get(s, STATS_SOCKETS, &vip, &real);

	assert_non_null(r);
	return r;
}

static int make_stats(void **state)
{
	struct stats_real *r;

	(void)state;
	r = healthy = get(&stats, ipv4(1, 80), ipv4(2, 8080));
	r->counter[STATS_CONNECTS] = r->counter[STATS_ESTABLISHED] = 12;
	r->counter[STATS_RESETS] = 1;
	r->open = 3;
	add(r, STATS_CONNECT, 7, 11, 7);	/* 7 us */
	add(r, STATS_CONNECT, 71, 1, 2000);	/* 1920 to 2047 us */
	add(r, STATS_LIFE, 12, 9, 12);
	r = get(&stats, ipv4(1, 80), ipv4(3, 8080));
	r->counter[STATS_CONNECTS] = r->counter[STATS_REFUSED] = 4;
	r = get(&stats, ipv6(1, 443), (struct endpoint){ .family = 0 });
	r->counter[STATS_CONNECTS] = r->counter[STATS_NO_DESTINATION] = 2;
	r->counter[STATS_SYN_RETRANSMITS] = 2;
	return 0;
}

static int free_stats(void **state)
{
	(void)state;
	stats_free(&stats);
	return 0;
}

/* Returns what is printed; the caller frees it. */
static char *printed(const struct output_settings *options, const struct stats *s, int lines)
{
	char *text = calloc(1, 65536);
	struct stats_ranking ranking;
	struct counts counts = { .ranking = &ranking, .ts_ns = 1500000, .lines = lines };
	int pipes[2];
	struct output o;

	assert_non_null(text);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(output_open(&o, options, pipes[1]), 0);
	o.wall.realtime_ns = 0;
	assert_int_equal(stats_rank(&ranking, s), 0);
	counts_header(&o);
	counts_print(&o, &counts);
	assert_int_equal(output_flush(&o), 0);
	close(pipes[1]);
	assert_true(read(pipes[0], text, 65535) >= 0);
	close(pipes[0]);
	stats_ranking_free(&ranking);
	output_close(&o);
	return text;
}

#define EXPECT(text, s, lines, ...)							\
	do {										\
		const struct output_settings options_ = { __VA_ARGS__ };			\
		char *text_ = printed(&options_, s, lines);				\
											\
		assert_string_equal(text_, text);					\
		free(text_);								\
	} while (0)

#define HEADING "VIP           REAL          CONN ESTAB REFUSED TIMEOUT UNREACH ABORT NODEST ERROR SYNRTX RESET OPEN " \
	"P50   P90   P99   MAX   LIFE50\n"
#define TOTAL_1 "10.0.0.1:80   total         16   12    4       0       0       0     0      0     0      1     3    " \
	"0.007 0.007 1.981 2.000 0.012\n"

static void summary_in_text(void **state)
{
	(void)state;
	EXPECT(HEADING TOTAL_1
	       "10.0.0.1:80   10.0.0.3:8080 4    0     4       0       0       0     0      0     0      0     0    "
	       "-     -     -     -     -\n"
	       "10.0.0.1:80   10.0.0.2:8080 12   12    0       0       0       0     0      0     0      1     3    "
	       "0.007 0.007 1.981 2.000 0.012\n"
	       "[fd00::1]:443 total         2    0     0       0       0       0     2      0     2      0     0    "
	       "-     -     -     -     -\n"
	       "[fd00::1]:443 -             2    0     0       0       0       0     2      0     2      0     0    "
	       "-     -     -     -     -\n", &stats, 0, .counts = true);
}

static void summary_with_the_time(void **state)
{
	const struct stats none = { .n = 0 };

	(void)state;
	setenv("TZ", "UTC", 1);
	EXPECT("00:00:00\nVIP REAL  CONN ESTAB REFUSED TIMEOUT UNREACH ABORT NODEST ERROR SYNRTX RESET OPEN P50 P90 "
	       "P99 MAX LIFE50\n", &none, 0, .counts = true, .time = true);
}

static void screens_have_an_end(void **state)
{
	const struct output_settings options = { .counts = true };
	char *text = printed(&options, &stats, 6);
	int lines = 0;

	(void)state;
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(strncmp(text, "\033[H\033[2J00:00:00\nVIP ", 20), 0);
	assert_int_equal(lines, 5);	/* time, heading, two rows, and a line about the rest */
	assert_non_null(strstr(text, "\n... 3 more lines\n"));
	free(text);
}

static void summary_in_csv(void **state)
{
	(void)state;
	EXPECT("VIP,VPORT,REALADDR,REALPORT,CONNECTS,ESTABLISHED,REFUSED,TIMEOUT,UNREACHABLE,ABORTED,NO-DESTINATION,"
	       "ERROR,SYN-RETRANSMITS,RESETS,OPEN,CONNECT-P50-MS,CONNECT-P90-MS,CONNECT-P99-MS,CONNECT-MAX-MS,"
	       "LIFE-P50-MS\n"
	       "10.0.0.1,80,total,,16,12,4,0,0,0,0,0,0,1,3,0.007,0.007,1.981,2.000,0.012\n"
	       "10.0.0.1,80,10.0.0.3,8080,4,0,4,0,0,0,0,0,0,0,0,,,,,\n"
	       "10.0.0.1,80,10.0.0.2,8080,12,12,0,0,0,0,0,0,0,1,3,0.007,0.007,1.981,2.000,0.012\n"
	       "fd00::1,443,total,,2,0,0,0,0,0,2,0,2,0,0,,,,,\n"
	       "fd00::1,443,,,2,0,0,0,0,0,2,0,2,0,0,,,,,\n", &stats, 0, .counts = true, .csv = true);
}

static void summary_in_json(void **state)
{
	const struct stats first = { .real = &healthy, .n = 1 };

	(void)state;
#define NUMBERS "\"connects\":12,\"established\":12,\"refused\":0,\"timeout\":0,\"unreachable\":0,\"aborted\":0," \
	"\"no_destination\":0,\"error\":0,\"syn_retransmits\":0,\"resets\":1,\"open\":3,\"connect_p50_ms\":0.007," \
	"\"connect_p90_ms\":0.007,\"connect_p99_ms\":1.981,\"connect_max_ms\":2.000,\"life_p50_ms\":0.012}\n"
	EXPECT("{\"time\":\"1970-01-01T00:00:00.001500Z\",\"event\":\"total\",\"vip\":{\"addr\":\"10.0.0.1\",\"port\":80},"
	       "\"real\":null," NUMBERS
	       "{\"time\":\"1970-01-01T00:00:00.001500Z\",\"event\":\"summary\",\"vip\":{\"addr\":\"10.0.0.1\","
	       "\"port\":80},\"real\":{\"addr\":\"10.0.0.2\",\"port\":8080}," NUMBERS,
	       &first, 0, .counts = true, .json = true);
}

/* Names in place of addresses in text, beside them elsewhere; the columns of text fit the longest. */
static void names_in_summaries(void **state)
{
	static const char file[] = "10.0.0.1:80 shop/web\n10.0.0.2 a-pod-with-a-name-of-more-than-thirty-two-characters\n";
	const struct stats first = { .real = &healthy, .n = 1 };
	struct names names = { .n = 0 };
	char errmsg[64];

	(void)state;
	assert_int_equal(names_add_text(&names, "file", file, sizeof(file) - 1, errmsg, sizeof(errmsg)), 0);
	EXPECT("VIP         REAL                                                      CONN ESTAB REFUSED TIMEOUT UNREACH ABORT NODEST "
	       "ERROR SYNRTX RESET OPEN P50   P90   P99   MAX   LIFE50\n"
	       "shop/web:80 total                                                     12   12    0       0       0       0     0      "
	       "0     0      1     3    0.007 0.007 1.981 2.000 0.012\n"
	       "shop/web:80 a-pod-with-a-name-of-more-than-thirty-two-characters:8080 12   12    0       0       0       0     0      "
	       "0     0      1     3    0.007 0.007 1.981 2.000 0.012\n", &first, 0, .counts = true, .names = &names);
	EXPECT("{\"time\":\"1970-01-01T00:00:00.001500Z\",\"event\":\"total\",\"vip\":{\"addr\":\"10.0.0.1\",\"port\":80,"
	       "\"name\":\"shop/web\"},\"real\":null," NUMBERS
	       "{\"time\":\"1970-01-01T00:00:00.001500Z\",\"event\":\"summary\",\"vip\":{\"addr\":\"10.0.0.1\","
	       "\"port\":80,\"name\":\"shop/web\"},\"real\":{\"addr\":\"10.0.0.2\",\"port\":8080,"
	       "\"name\":\"a-pod-with-a-name-of-more-than-thirty-two-characters\"}," NUMBERS,
	       &first, 0, .counts = true, .json = true, .names = &names);
	EXPECT("VIP,VPORT,REALADDR,REALPORT,CONNECTS,ESTABLISHED,REFUSED,TIMEOUT,UNREACHABLE,ABORTED,NO-DESTINATION,"
	       "ERROR,SYN-RETRANSMITS,RESETS,OPEN,CONNECT-P50-MS,CONNECT-P90-MS,CONNECT-P99-MS,CONNECT-MAX-MS,"
	       "LIFE-P50-MS,VIP-NAME,REAL-NAME\n"
	       "10.0.0.1,80,total,,12,12,0,0,0,0,0,0,0,1,3,0.007,0.007,1.981,2.000,0.012,shop/web,\n"
	       "10.0.0.1,80,10.0.0.2,8080,12,12,0,0,0,0,0,0,0,1,3,0.007,0.007,1.981,2.000,0.012,shop/web,"
	       "a-pod-with-a-name-of-more-than-thirty-two-characters\n", &first, 0, .counts = true, .csv = true, .names = &names);
	names_free(&names);
}

static void histogram_in_text(void **state)
{
	(void)state;
	EXPECT("\nvip = 10.0.0.1:80, real = 10.0.0.2:8080\n"
	       "     usecs               : count     distribution\n"
	       "         0 -> 1          : 0        |                                        |\n"
	       "         2 -> 3          : 0        |                                        |\n"
	       "         4 -> 7          : 11       |****************************************|\n"
	       "         8 -> 15         : 0        |                                        |\n"
	       "        16 -> 31         : 0        |                                        |\n"
	       "        32 -> 63         : 0        |                                        |\n"
	       "        64 -> 127        : 0        |                                        |\n"
	       "       128 -> 255        : 0        |                                        |\n"
	       "       256 -> 511        : 0        |                                        |\n"
	       "       512 -> 1023       : 0        |                                        |\n"
	       "      1024 -> 2047       : 1        |***                                     |\n",
	       &stats, 0, .histogram = true);
}

static void histogram_in_milliseconds(void **state)
{
	(void)state;
	EXPECT("\nvip = 10.0.0.1:80, real = 10.0.0.2:8080\n"
	       "     msecs               : count     distribution\n"
	       "         0 -> 1          : 12       |****************************************|\n",
	       &stats, 0, .histogram = true, .milliseconds = true);
}

static void histogram_for_scripts(void **state)
{
	(void)state;
	EXPECT("VIP,VPORT,REALADDR,REALPORT,FROM-US,TO-US,COUNT\n"
	       "10.0.0.1,80,10.0.0.2,8080,7,7,11\n"
	       "10.0.0.1,80,10.0.0.2,8080,1920,2047,1\n", &stats, 0, .histogram = true, .csv = true);
	EXPECT("{\"time\":\"1970-01-01T00:00:00.001500Z\",\"event\":\"histogram\",\"vip\":{\"addr\":\"10.0.0.1\","
	       "\"port\":80},\"real\":{\"addr\":\"10.0.0.2\",\"port\":8080},\"connect_us\":[{\"from\":7,\"to\":7,"
	       "\"count\":11},{\"from\":1920,\"to\":2047,\"count\":1}]}\n",
	       &stats, 0, .histogram = true, .json = true);
}

/* States with times, in the order of a connection's life. */
static void states_have_histograms(void **state)
{
	(void)state;
	add(healthy, STATS_STATE + 1, 7, 2, 0);
	add(healthy, STATS_STATE + 2, 1, 1, 0);
	EXPECT("\nvip = 10.0.0.1:80, real = 10.0.0.2:8080, state = SYN_SENT\n"
	       "     usecs               : count     distribution\n"
	       "         0 -> 1          : 1        |****************************************|\n"
	       "\nvip = 10.0.0.1:80, real = 10.0.0.2:8080, state = ESTABLISHED\n"
	       "     usecs               : count     distribution\n"
	       "         0 -> 1          : 0        |                                        |\n"
	       "         2 -> 3          : 0        |                                        |\n"
	       "         4 -> 7          : 2        |****************************************|\n",
	       &stats, 0, .histogram = true, .states = true);
	EXPECT("VIP,VPORT,REALADDR,REALPORT,STATE,FROM-US,TO-US,COUNT\n"
	       "10.0.0.1,80,10.0.0.2,8080,SYN_SENT,1,1,1\n"
	       "10.0.0.1,80,10.0.0.2,8080,ESTABLISHED,7,7,2\n", &stats, 0, .histogram = true, .states = true, .csv = true);
#define PLACE "{\"time\":\"1970-01-01T00:00:00.001500Z\",\"event\":\"histogram\",\"vip\":{\"addr\":\"10.0.0.1\"," \
	"\"port\":80},\"real\":{\"addr\":\"10.0.0.2\",\"port\":8080},"
	EXPECT(PLACE "\"state\":\"SYN_SENT\",\"state_us\":[{\"from\":1,\"to\":1,\"count\":1}]}\n"
	       PLACE "\"state\":\"ESTABLISHED\",\"state_us\":[{\"from\":7,\"to\":7,\"count\":2}]}\n",
	       &stats, 0, .histogram = true, .states = true, .json = true);
}

/* With --director each line tells where its counts come from; JSON only if it is IPVS. */
static void sources_are_told(void **state)
{
	const struct endpoint vip = ipv4(1, 80), there = ipv4(2, 8080);
	struct stats both = { .n = 0 };
	struct stats_real *r;

	(void)state;
	get(&both, vip, there)->counter[STATS_CONNECTS] = 1;
	r = stats_get(&both, STATS_IPVS, &vip, &there);
	r->counter[STATS_CONNECTS] = r->counter[STATS_REFUSED] = 5;
	add(r, STATS_CONNECT, 7, 1, 7);
	add(r, STATS_STATE + 1, 7, 1, 0);
	add(r, STATS_STATE + 3, 6, 1, 0);
	EXPECT("VIP         REAL          CONN ESTAB REFUSED TIMEOUT UNREACH ABORT NODEST ERROR SYNRTX RESET OPEN P50   P90   P99   "
	       "MAX   LIFE50 SOURCE\n"
	       "10.0.0.1:80 total         5    0     5       0       0       0     0      0     0      0     0    0.007 0.007 0.007 "
	       "0.007 -      ipvs\n"
	       "10.0.0.1:80 10.0.0.2:8080 5    0     5       0       0       0     0      0     0      0     0    0.007 0.007 0.007 "
	       "0.007 -      ipvs\n"
	       "10.0.0.1:80 total         1    0     0       0       0       0     0      0     0      0     0    -     -     -     "
	       "-     -      sockets\n"
	       "10.0.0.1:80 10.0.0.2:8080 1    0     0       0       0       0     0      0     0      0     0    -     -     -     "
	       "-     -      sockets\n", &both, 0, .counts = true, .director = true);
	EXPECT("VIP,VPORT,REALADDR,REALPORT,CONNECTS,ESTABLISHED,REFUSED,TIMEOUT,UNREACHABLE,ABORTED,NO-DESTINATION,"
	       "ERROR,SYN-RETRANSMITS,RESETS,OPEN,CONNECT-P50-MS,CONNECT-P90-MS,CONNECT-P99-MS,CONNECT-MAX-MS,"
	       "LIFE-P50-MS,SOURCE\n"
	       "10.0.0.1,80,total,,5,0,5,0,0,0,0,0,0,0,0,0.007,0.007,0.007,0.007,,ipvs\n"
	       "10.0.0.1,80,10.0.0.2,8080,5,0,5,0,0,0,0,0,0,0,0,0.007,0.007,0.007,0.007,,ipvs\n"
	       "10.0.0.1,80,total,,1,0,0,0,0,0,0,0,0,0,0,,,,,,sockets\n"
	       "10.0.0.1,80,10.0.0.2,8080,1,0,0,0,0,0,0,0,0,0,0,,,,,,sockets\n", &both, 0, .csv = true, .director = true);
	EXPECT("VIP,VPORT,REALADDR,REALPORT,STATE,FROM-US,TO-US,COUNT,SOURCE\n"
	       "10.0.0.1,80,10.0.0.2,8080,SYN_RECV,6,6,1,ipvs\n"
	       "10.0.0.1,80,10.0.0.2,8080,ESTABLISHED,7,7,1,ipvs\n", &both, 0, .histogram = true, .states = true, .csv = true,
	       .director = true);
	EXPECT("\nvip = 10.0.0.1:80, real = 10.0.0.2:8080, source = ipvs\n"
	       "     msecs               : count     distribution\n"
	       "         0 -> 1          : 1        |****************************************|\n",
	       &both, 0, .histogram = true, .milliseconds = true, .director = true);
	EXPECT("{\"time\":\"1970-01-01T00:00:00.001500Z\",\"event\":\"histogram\",\"vip\":{\"addr\":\"10.0.0.1\","
	       "\"port\":80},\"real\":{\"addr\":\"10.0.0.2\",\"port\":8080},\"connect_us\":[{\"from\":7,\"to\":7,\"count\":1}],"
	       "\"source\":\"ipvs\"}\n", &both, 0, .histogram = true, .json = true, .director = true);
	stats_free(&both);
}

/* More than fits the buffer at once: nothing is cut off. */
static void many_real_servers(void **state)
{
	const struct output_settings options = { .counts = true, .csv = true };
	struct stats many = { .n = 0 };
	char *text;
	int lines = 0;

	(void)state;
	for (uint16_t i = 1; i <= 400; i++)
		get(&many, ipv4(1, 80), ipv4(2, i))->counter[STATS_CONNECTS] = i;
	text = printed(&options, &many, 0);
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 402);
	assert_non_null(strstr(text, "\n10.0.0.1,80,total,,80200,"));
	free(text);
	stats_free(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summary_in_text),
		cmocka_unit_test(summary_with_the_time),
		cmocka_unit_test(screens_have_an_end),
		cmocka_unit_test(summary_in_csv),
		cmocka_unit_test(summary_in_json),
		cmocka_unit_test(names_in_summaries),
		cmocka_unit_test(histogram_in_text),
		cmocka_unit_test(histogram_in_milliseconds),
		cmocka_unit_test(histogram_for_scripts),
		cmocka_unit_test(states_have_histograms),
		cmocka_unit_test(sources_are_told),
		cmocka_unit_test(many_real_servers),
	};

	return cmocka_run_group_tests(tests, make_stats, free_stats);
}
