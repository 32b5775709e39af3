/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: the text, its sums and limits, and how the file is replaced. */
#include "../unit.h"
#include "base/file.h"

#include "../endpoint.h"
#include "host/host.h"
#include "output/output_metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct losses no_losses;

enum { LIMIT = 512 };

struct place {
	char dir[32], path[64];
	struct metrics m;
	struct stats more;	/* counts for the next file */
	uint64_t now_ns;
	char errmsg[512];
};

static int begin(struct place *p, const char *path)
{
	const struct metrics_settings settings = { .path = path, .version = "1.2", .limit = LIMIT };

	return metrics_init(&p->m, &settings, p->errmsg, sizeof(p->errmsg));
}

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	strcpy(p->dir, "/tmp/test_metrics.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/ipvs.prom", p->dir);
	assert_int_equal(begin(p, p->path), 0);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	assert_int_equal(rmdir(p->dir), 0);	/* fails if files are left */
	metrics_close(&p->m);
	free(p);
	return 0;
}

static struct stats_real *get(struct place *p, struct endpoint vip, struct endpoint real)
{
	struct stats_real *r = stats_get(&p->more, STATS_SOCKETS, &vip, &real);

	assert_non_null(r);
	return r;
}

/* Returns real server @i of service 10.0.0.1:80, for more counts. */
static struct stats_real *more(struct place *p, size_t i)
{
	return get(p, ipv4(1, 80), ipv4(0x10000 + (uint32_t)i, 8080));
}

/* Counts i + 1 connects to each real server from @first to @end - 1. */
static void connects(struct place *p, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		more(p, i)->counter[STATS_CONNECTS] = i + 1;
}

/* Counts as the probes do. */
static void add(struct stats_real *r, unsigned kind, uint64_t us)
{
	int log = us < 8 ? 3 : 63 - __builtin_clzll(us);

	assert_int_equal(stats_add_times(r, kind, (unsigned)((log - 3) * 8) + (unsigned)(us >> (log - 3)), 1), 0);
	r->sum_us[kind] += us;
}

static char *written_with(struct place *p, const struct losses *lost)
{
	char *text;

	assert_int_equal(metrics_add(&p->m, &p->more, p->now_ns), 0);
	stats_free(&p->more);
	if (metrics_write(&p->m, lost, p->errmsg, sizeof(p->errmsg)))
		fail_msg("%s", p->errmsg);
	text = file_read(p->path);
	assert_non_null(text);
	return text;
}

static char *written(struct place *p)
{
	return written_with(p, &no_losses);
}

/* Returns the value after @series, which is the beginning of a line up to the blank; -1 if there is none. */
static double value(const char *text, const char *series)
{
	size_t len = strlen(series);

	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		if (!strncmp(line, series, len) && line[len] == ' ')
			return strtod(line + len, NULL);
	return -1;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void golden(void **state)
{
	static const char *const lines[] = {
		"# HELP ipvs_tcp_connects_total Connects that have ended, by what became of them.",
		"# TYPE ipvs_tcp_connects_total counter",
		"ipvs_tcp_connect_attempts_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\"} 31",
		"ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",result=\"established\"} 2",
		"ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",result=\"refused\"} 3",
		"ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",result=\"timeout\"} 4",
		"ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",result=\"unreachable\"} 5",
		"ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",result=\"aborted\"} 6",
		"ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",result=\"no-destination\"} 0",
		"ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",result=\"error\"} 7",
		"ipvs_tcp_syn_retransmits_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\"} 8",
		"ipvs_tcp_resets_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\"} 9",
		"# TYPE ipvs_tcp_open_connections gauge",
		"ipvs_tcp_open_connections{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\"} 10",
		"# TYPE ipvs_tcp_connect_seconds histogram",
		"ipvs_tcp_connect_seconds_bucket{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",le=\"0.00012\"} 0",
		"ipvs_tcp_connect_seconds_bucket{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",le=\"0.98304\"} 1",
		"ipvs_tcp_connect_seconds_bucket{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",le=\"1.96608\"} 2",
		"ipvs_tcp_connect_seconds_bucket{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",le=\"+Inf\"} 2",
		"ipvs_tcp_connect_seconds_sum{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\"} 1.0205",
		"ipvs_tcp_connect_seconds_count{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\"} 2",
		"ipvs_tcp_life_seconds_sum{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\"} 60",
		"ipvs_tcp_connects_total{vip=\"fd00::1\",vport=\"443\",protocol=\"tcp\",real=\"\",rport=\"\",result=\"no-destination\"} 11",
		"ipvs_tcpstate_build_info{version=\"1.2\"} 1",
		"ipvs_tcpstate_missed_events_total 2", "ipvs_tcpstate_lost_rows_total 1",
		"ipvs_tcpstate_sockets_not_followed_total 3", "ipvs_tcpstate_connects_without_real_total 4",
		"ipvs_tcpstate_connects_not_counted_total 5", "ipvs_tcpstate_times_not_counted_total 6",
		"ipvs_tcpstate_connections_not_read_total 9",
		"ipvs_tcpstate_real_servers_limit 512", "ipvs_tcpstate_real_servers_other 0",
	};
	static const struct losses lost = { {
		[LOSS_BUFFER_FULL] = 1, [LOSS_MISSED] = 2, [LOSS_SOCKETS_FULL] = 3, [LOSS_CONNECTS_FULL] = 4,
		[LOSS_TALLIES_FULL] = 5, [LOSS_BUCKETS_FULL] = 6, [LOSS_REASONS] = 7, [LOSS_DAMAGED] = 8,
		[LOSS_UNREAD] = 9,
	} };
	static const uint64_t counters[STATS_COUNTERS] = {
		[STATS_CONNECTS] = 31, [STATS_ESTABLISHED] = 2, [STATS_REFUSED] = 3, [STATS_TIMED_OUT] = 4,
		[STATS_UNREACHABLE] = 5, [STATS_ABORTED] = 6, [STATS_FAILED] = 7, [STATS_SYN_RETRANSMITS] = 8,
		[STATS_RESETS] = 9,
	};
	struct place *p = *state;
	char *text, line[512];

	memcpy(more(p, 0)->counter, counters, sizeof(counters));
	more(p, 0)->open = 10;
	add(more(p, 0), STATS_CONNECT, 500);
	add(more(p, 0), STATS_CONNECT, 1020000);
	add(more(p, 0), STATS_LIFE, 60000000);
	get(p, (struct endpoint){ { 0xfd, [15] = 1 }, 443, AF_INET6 }, (struct endpoint){ .family = 0 })
		->counter[STATS_NO_DESTINATION] = 11;
	text = written_with(p, &lost);
	for (size_t i = 0; i < N_OF(lines); i++) {
		snprintf(line, sizeof(line), "%s\n", lines[i]);
		if (count(text, line) != 1)
			fail_msg("not there once: %s", lines[i]);
	}
	assert_int_equal(count(text, "\nipvs_tcp_"), 2 * METRICS_SERIES);
	free(text);
}

static void nothing_counted(void **state)
{
	struct place *p = *state;
	char *text = written(p);

	assert_int_equal(count(text, "{"), 1);
	assert_true(value(text, "ipvs_tcpstate_build_info{version=\"1.2\"}") == 1);
	free(text);
}

/* A version may be any text from git or a packager. */
static void escaped(void **state)
{
	struct place *p = *state;
	char *text;

	p->m.settings.version = "a\\b\"c\nd";
	text = written(p);
	assert_int_equal(count(text, "build_info{version=\"a\\\\b\\\"c\\nd\"} 1\n"), 1);
	free(text);
}

/* A value just below a bound counts in its bucket, a value at the bound does not; each value counts exactly once. */
static void buckets(void **state)
{
	static const uint64_t bounds[] = {
		120, 240, 480, 960, 1920, 3840, 7680, 15360, 30720, 61440, 122880, 245760, 491520, 983040, 1966080,
		3932160, 7864320,
	};
	static const char series[] = "ipvs_tcp_connect_seconds_%s{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\","
				     "real=\"10.1.0.0\",rport=\"8080\"%s}";
	struct place *p = *state;
	struct stats_real *real = more(p, 0);
	char name[256], le[32], *text;
	double sum;

	add(real, STATS_CONNECT, 0);
	for (size_t i = 0; i < N_OF(bounds); i++) {
		add(real, STATS_CONNECT, bounds[i] - 1);
		add(real, STATS_CONNECT, bounds[i]);
	}
	assert_int_equal(stats_add_times(real, STATS_CONNECT, STATS_BUCKETS - 1, 1), 0);
	sum = (double)real->sum_us[STATS_CONNECT];
	text = written(p);
	for (size_t i = 0; i < N_OF(bounds); i++) {
		snprintf(le, sizeof(le), ",le=\"%.5f", (double)bounds[i] / 1e6);
		while (le[strlen(le) - 1] == '0')
			le[strlen(le) - 1] = '\0';
		strcat(le, "\"");
		snprintf(name, sizeof(name), series, "bucket", le);
		if (value(text, name) != 2 * (double)i + 2)
			fail_msg("%s is %f", name, value(text, name));
	}
	snprintf(name, sizeof(name), series, "bucket", ",le=\"+Inf\"");
	assert_true(value(text, name) == 2 * N_OF(bounds) + 2);
	snprintf(name, sizeof(name), series, "count", "");
	assert_true(value(text, name) == 2 * N_OF(bounds) + 2);
	snprintf(name, sizeof(name), series, "sum", "");
	assert_true(value(text, name) * 1e6 > sum - 0.5);
	assert_true(value(text, name) * 1e6 < sum + 0.5);
	free(text);
}

#define OTHER "vip=\"other\",vport=\"\",protocol=\"tcp\",real=\"other\",rport=\"\""

#define ATTEMPTS(real) "ipvs_tcp_connect_attempts_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"" real \
	"\",rport=\"8080\"}"
#define OTHER_ATTEMPTS "ipvs_tcp_connect_attempts_total{" OTHER "}"
#define OTHER_OPEN "ipvs_tcp_open_connections{" OTHER "}"

/* Above the limit the rest is summed up; a pair with labels keeps them, wherever new pairs are in the order. */
static void limit(void **state)
{
	enum { MORE = 100 };
	struct place *p = *state;
	double sum = 0;
	char *text;

	connects(p, MORE, LIMIT + MORE);
	text = written(p);
	assert_int_equal(p->m.n_other, 0);
	assert_int_equal(count(text, "\nipvs_tcp_connect_attempts_total{"), LIMIT);
	assert_int_equal(count(text, "\nipvs_tcp_"), LIMIT * METRICS_SERIES);
	assert_int_equal(count(text, "other\""), 0);
	free(text);

	connects(p, 0, MORE);
	for (size_t i = 0; i < MORE; i++) {
		sum += (double)i + 1;
		more(p, i)->open = 2;
		add(more(p, i), STATS_CONNECT, 1000);
		add(more(p, i), STATS_LIFE, 2000000);
	}
	text = written(p);
	assert_int_equal(p->m.n_other, MORE);
	assert_int_equal(count(text, "\nipvs_tcp_connect_attempts_total{"), LIMIT + 1);
	assert_int_equal(count(text, "real=\"10.1.0.99\""), 0);
	assert_true(value(text, ATTEMPTS("10.1.0.100")) == 101);
	assert_true(value(text, OTHER_ATTEMPTS) == sum);
	assert_true(value(text, OTHER_OPEN) == 2 * MORE);
	assert_true(value(text, "ipvs_tcp_connect_seconds_bucket{" OTHER ",le=\"0.00096\"}") == 0);
	assert_true(value(text, "ipvs_tcp_connect_seconds_bucket{" OTHER ",le=\"0.00192\"}") == MORE);
	assert_true(value(text, "ipvs_tcp_life_seconds_sum{" OTHER "}") == 2 * MORE);
	assert_true(value(text, "ipvs_tcpstate_real_servers_other") == MORE);
	free(text);
}

/* What IPVS's entries count has a label more, also where it is summed up; the series of sockets keep their labels. */
static void of_ipvs(void **state)
{
	const struct endpoint vip = ipv4(1, 80);
	struct place *p = *state;
	char *text;

	connects(p, 0, 1);
	for (uint32_t i = 0; i < LIMIT; i++) {
		const struct endpoint real = ipv4(0x10000 + i, 8080);
		struct stats_real *r = stats_get(&p->more, STATS_IPVS, &vip, &real);

		r->counter[STATS_CONNECTS] = 1000 + i;
		r->counter[STATS_REFUSED] = 7;
		add(r, STATS_CONNECT, 1000);
	}
	text = written(p);
	assert_true(value(text, ATTEMPTS("10.1.0.0")) == 1);
	assert_true(value(text, "ipvs_tcp_connect_attempts_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\","
			  "rport=\"8080\",source=\"ipvs\"}") == 1000);
	assert_true(value(text, "ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\","
			  "rport=\"8080\",source=\"ipvs\",result=\"refused\"}") == 7);
	assert_true(value(text, "ipvs_tcp_connect_seconds_bucket{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.0.0\","
			  "rport=\"8080\",source=\"ipvs\",le=\"0.00192\"}") == 1);
	assert_true(value(text, "ipvs_tcp_connect_attempts_total{" OTHER ",source=\"ipvs\"}") == 1000 + LIMIT - 1);
	assert_true(value(text, OTHER_ATTEMPTS) == -1);
	free(text);
}

/* Who has no open connection, and was not counted since, is forgotten; others get the labels. No counter ever falls. */
static void dead_ones_leave(void **state)
{
	struct place *p = *state;
	char *text;

	p->now_ns = 1000;
	connects(p, 0, LIMIT + 2);	/* the last two have no labels */
	more(p, 0)->open = 1;
	more(p, LIMIT)->open = 3;
	more(p, LIMIT + 1)->open = 1;
	free(written(p));
	p->now_ns = 2000;
	connects(p, 1, 2);
	more(p, LIMIT)->counter[STATS_CONNECTS] = 10;
	more(p, LIMIT + 1)->open = -1;
	metrics_forget(&p->m, 1000);
	text = written(p);
	assert_int_equal(count(text, "\nipvs_tcp_connect_attempts_total{"), LIMIT + 1);
	assert_true(value(text, OTHER_ATTEMPTS) == 2 * LIMIT + 13);
	assert_true(value(text, OTHER_OPEN) == 3);
	free(text);

	metrics_forget(&p->m, 1001);	/* all but real servers 0, 1 and the last two */
	text = written(p);
	assert_int_equal(count(text, "\nipvs_tcp_connect_attempts_total{"), 5);
	assert_int_equal(count(text, "\nipvs_tcp_"), 5 * METRICS_SERIES);
	assert_true(value(text, ATTEMPTS("10.1.0.0")) == 1);	/* it has one open */
	assert_true(value(text, ATTEMPTS("10.1.0.1")) == 4);
	assert_true(value(text, ATTEMPTS("10.1.2.0")) == 0);	/* what was counted without labels stays there */
	assert_true(value(text, ATTEMPTS("10.1.2.1")) == 0);
	assert_true(value(text, OTHER_ATTEMPTS) == 2 * LIMIT + 13);
	assert_true(value(text, OTHER_OPEN) == 0);		/* but what is open moves */
	assert_true(value(text, "ipvs_tcp_open_connections{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\"10.1.2.0\","
			  "rport=\"8080\"}") == 3);
	assert_true(value(text, "ipvs_tcpstate_real_servers_other") == 0);
	free(text);

	more(p, 0)->open = -1;
	more(p, LIMIT)->counter[STATS_CONNECTS] = 5;
	p->now_ns = 3000;
	free(written(p));
	metrics_forget(&p->m, 3001);	/* only who has one open stays */
	text = written(p);
	assert_int_equal(count(text, "\nipvs_tcp_connect_attempts_total{"), 2);
	assert_true(value(text, ATTEMPTS("10.1.2.0")) == 5);
	free(text);

	connects(p, 1, 2);		/* comes back, from 0 */
	text = written(p);
	assert_true(value(text, ATTEMPTS("10.1.0.1")) == 2);
	free(text);
}

/* 200 come in each round and have no connection after it: as many are remembered as may be alive, and no counter falls. */
static void churn(void **state)
{
	struct place *p = *state;
	double other = 0;

	for (uint64_t round = 1; round <= 20; round++) {
		char *text;

		p->now_ns = round * 1000;
		for (size_t i = 0; i < 200; i++) {
			more(p, 200 * round + i)->counter[STATS_CONNECTS] = 1;
			add(more(p, 200 * round + i), STATS_CONNECT, 1000);
		}
		if (round > 4)
			metrics_forget(&p->m, p->now_ns - 4000);
		text = written(p);
		assert_int_equal(p->m.known.n, 200 * (round < 5 ? round : 5));
		assert_int_equal(p->m.n_chosen, p->m.known.n < LIMIT ? p->m.known.n : LIMIT);
		assert_int_equal(p->m.n_other, p->m.known.n - p->m.n_chosen);
		assert_int_equal(count(text, "\nipvs_tcp_resets_total{"), p->m.n_chosen + (round > 2));
		if (round > 2) {
			assert_true(value(text, OTHER_ATTEMPTS) >= other);
			other = value(text, OTHER_ATTEMPTS);
		}
		free(text);
	}
}

/* There are more than the tool remembers: all are counted, and the sum of the open ones is right. */
static void too_many(void **state)
{
	enum { ALL = 20000 };
	struct place *p = *state;
	char *text;

	for (size_t i = 0; i < ALL; i++) {
		more(p, i)->counter[STATS_CONNECTS] = 2;
		more(p, i)->open = 1;
	}
	free(written(p));
	for (size_t i = 0; i < ALL; i++)
		more(p, i)->open = i < ALL - 1 ? -1 : 0;
	text = written(p);
	assert_true(p->m.known.n < ALL);
	assert_true(value(text, OTHER_ATTEMPTS) == 2 * (ALL - LIMIT));
	assert_true(value(text, OTHER_OPEN) == 1);
	free(text);
}

/* Neighbouring values: each pair must differ from all others by address, port and service. */
static void pairs_apart(void **state)
{
	const struct endpoint vips[] = { ipv4(1, 80), ipv4(1, 81), ipv4(2, 80), ipv4(1, 80), ipv4(1, 80) };
	const struct endpoint reals[] = { ipv4(9, 8080), ipv4(9, 8080), ipv4(9, 8080), ipv4(9, 8081), { .port = 8080 } };
	struct place *p = *state;
	char *text;

	for (size_t i = 0; i < 5; i++) {
		for (size_t j = 0; j < 5; j++)	/* in every order */
			get(p, vips[(i + j) % 5], reals[(i + j) % 5])->counter[STATS_RESETS]++;
		text = written(p);
		assert_int_equal(p->m.n_chosen, 5);
		assert_int_equal(count(text, "\nipvs_tcp_resets_total{"), 5);
		free(text);
	}
}

static void replaced_at_once(void **state)
{
	struct place *p = *state;
	char old[16] = "", *text;
	struct stat st, later;
	int fd;

	fd = open(p->path, O_CREAT | O_RDWR, 0600);
	assert_int_equal(write(fd, "what was there", 14), 14);
	assert_int_equal(fstat(fd, &st), 0);
	umask(077);
	text = written(p);
	umask(022);
	assert_int_equal(stat(p->path, &later), 0);
	assert_int_equal(later.st_mode & 07777, 0644);
	assert_true(st.st_ino != later.st_ino);
	assert_int_equal(pread(fd, old, 15, 0), 14);	/* whoever has the old file open can still read it */
	assert_string_equal(old, "what was there");
	close(fd);
	free(text);
}

/* A reader never finds an incomplete file. */
static void always_whole(void **state)
{
	struct place *p = *state;
	int status;
	pid_t writer;

	connects(p, 0, 100);
	free(written(p));
	writer = fork();
	if (!writer) {
		for (int i = 0; i < 300; i++)
			if (metrics_write(&p->m, &no_losses, p->errmsg, sizeof(p->errmsg)))
				_exit(1);
		_exit(0);
	}
	while (!waitpid(writer, &status, WNOHANG)) {
		char *text = file_read(p->path);

		assert_non_null(text);
		assert_int_equal(count(text, "ipvs_tcpstate_real_servers_other 0\n"), 1);
		free(text);
	}
	assert_int_equal(status, 0);
}

static size_t files_in(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* If the new file cannot be written, the old file stays and no other file is left. */
static void cannot_write(void **state)
{
	struct place *p = *state;
	struct rlimit before, tight;
	char *text;
	int err;

	connects(p, 0, 1);
	free(written(p));
	connects(p, 0, 100);
	assert_int_equal(metrics_add(&p->m, &p->more, 0), 0);
	stats_free(&p->more);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = (struct rlimit){ 40000, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	err = metrics_write(&p->m, &no_losses, p->errmsg, sizeof(p->errmsg));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err, -EFBIG);
	assert_non_null(strstr(p->errmsg, "/ipvs.prom: File too large"));
	assert_int_equal(files_in(p->dir), 1);
	text = file_read(p->path);
	assert_int_equal(count(text, "\nipvs_tcp_resets_total{"), 1);
	free(text);
	text = written(p);	/* works again as soon as it can be written */
	assert_int_equal(count(text, "\nipvs_tcp_resets_total{"), 100);
	assert_true(value(text, ATTEMPTS("10.1.0.0")) == 2);
	free(text);
}

#define CHECK_REFUSED(path_, errno_, text)							\
	do {											\
		static struct metrics m;							\
		char errmsg[512] = "";								\
		const struct metrics_settings settings = { .path = path_, .version = "1", .limit = 1 };	\
												\
		assert_int_equal(metrics_init(&m, &settings, errmsg, sizeof(errmsg)), -(errno_));	\
		assert_string_equal(errmsg, text);						\
	} while (0)

static void bad_places(void **state)
{
	struct place *p = *state;
	char text[256], long_name[300];

	CHECK_REFUSED("/tmp/no/such/folder.prom", ENOENT,
		      "cannot write metrics to /tmp/no/such/folder.prom: No such file or directory; make its folder first");
	CHECK_REFUSED("/dev/null", EINVAL,
		      "cannot write metrics to /dev/null: it is no regular file; give another one");
	CHECK_REFUSED("/dev/stdout", EINVAL,
		      "cannot write metrics to /dev/stdout: it is no regular file; give another one");
	snprintf(text, sizeof(text), "cannot write metrics to %s: it is no regular file; give another one", p->dir);
	CHECK_REFUSED(p->dir, EINVAL, text);
	CHECK_REFUSED("/dev/null/x", ENOTDIR, "cannot write metrics to /dev/null/x: Not a directory");
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	snprintf(text, sizeof(text), "cannot write metrics to %.200s: File name too long", long_name);
	CHECK_REFUSED(long_name, ENAMETOOLONG, text);
	assert_int_equal(files_in(p->dir), 0);
}

/* A link that appears after the start is neither followed nor replaced. */
static void link_in_the_way(void **state)
{
	struct place *p = *state;
	char victim[64];

	snprintf(victim, sizeof(victim), "%s/victim", p->dir);
	close(open(victim, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(symlink(victim, p->path), 0);
	assert_int_equal(metrics_write(&p->m, &no_losses, p->errmsg, sizeof(p->errmsg)), -EINVAL);
	assert_int_equal(files_in(p->dir), 2);
	unlink(p->path);
	unlink(victim);
}

/* The name of the temporary file is taken: by a file of a killed tool, or by a foreign link. */
static void temporary_in_the_way(void **state)
{
	struct place *p = *state;
	char victim[64], name[96], *text;
	struct stat st;

	snprintf(victim, sizeof(victim), "%s/victim", p->dir);
	snprintf(name, sizeof(name), "%s/.ipvs.prom.%d.tmp", p->dir, getpid());
	close(open(victim, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(symlink(victim, name), 0);
	text = written(p);
	free(text);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(files_in(p->dir), 2);
	unlink(victim);
	close(open(name, O_CREAT | O_WRONLY, 0600));
	text = written(p);
	free(text);
	assert_int_equal(files_in(p->dir), 1);
}

static void without_folder(void **state)
{
	struct place *p = *state;
	char here[256], *text;

	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(p->dir), 0);
	assert_int_equal(begin(p, "ipvs.prom"), 0);
	assert_int_equal(metrics_write(&p->m, &no_losses, p->errmsg, sizeof(p->errmsg)), 0);
	assert_int_equal(chdir(here), 0);
	text = file_read(p->path);
	assert_non_null(text);
	free(text);
}

/* Counts in two services, each with the real servers 0 to 99: 1 connect, 2 open, and a time of 1000 us each. */
static void count_two_services(struct place *p)
{
	for (uint32_t vip = 1; vip <= 2; vip++) {
		for (uint32_t i = 0; i < 100; i++) {
			struct stats_real *r = get(p, ipv4(vip, 80), ipv4(0x10000 + i, 8080));

			r->counter[STATS_CONNECTS] = 1;
			r->open = 2;
			add(r, STATS_CONNECT, 1000);
		}
	}
}

#define VIP_1 "{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\"}"
#define REAL_7 "{protocol=\"tcp\",real=\"10.1.0.7\",rport=\"8080\"}"

/* Without the labels of real servers: exact sums, which do not fall when one real server of a service is idle for long. */
static void labels_of_vip(void **state)
{
	struct place *p = *state;
	char *text;

	p->m.settings.without_real = true;
	p->m.settings.limit = 2;
	count_two_services(p);
	get(p, ipv4(1, 80), (struct endpoint){ .family = 0 })->counter[STATS_NO_DESTINATION] = 3;
	text = written(p);
	assert_int_equal(count(text, "\nipvs_tcp_"), 2 * METRICS_SERIES);
	assert_int_equal(count(text, "real=\""), 0);
	assert_true(value(text, "ipvs_tcp_connect_attempts_total" VIP_1) == 100);
	assert_true(value(text, "ipvs_tcp_open_connections" VIP_1) == 200);
	assert_true(value(text, "ipvs_tcp_connect_seconds_count" VIP_1) == 100);
	assert_true(value(text, "ipvs_tcp_connect_seconds_sum" VIP_1) == 0.1);
	assert_true(value(text, "ipvs_tcp_connects_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",result=\"no-destination\"}") == 3);
	assert_true(value(text, "ipvs_tcpstate_real_servers_limit") == 2);
	free(text);

	p->now_ns = 5000;
	for (uint32_t i = 0; i < 100; i++)	/* all but one close their connections, then only that one counts */
		more(p, i)->open = i ? -2 : 0;
	more(p, 0)->counter[STATS_CONNECTS] = 1;
	free(written(p));
	metrics_forget(&p->m, 4000);
	text = written(p);
	assert_true(value(text, "ipvs_tcp_connect_attempts_total" VIP_1) == 101);
	assert_true(value(text, "ipvs_tcp_open_connections" VIP_1) == 2);
	free(text);

	get(p, ipv4(3, 80), ipv4(0x10000, 8080))->counter[STATS_CONNECTS] = 6;
	text = written(p);
	assert_true(value(text, "ipvs_tcp_connect_attempts_total{vip=\"other\",vport=\"\",protocol=\"tcp\"}") == 6);
	assert_true(value(text, "ipvs_tcpstate_real_servers_other") == 1);
	free(text);
}

static void labels_of_real(void **state)
{
	struct place *p = *state;
	char *text;

	p->m.settings.without_vip = true;
	count_two_services(p);
	text = written(p);
	assert_int_equal(count(text, "\nipvs_tcp_"), 100 * METRICS_SERIES);
	assert_int_equal(count(text, "vip=\""), 0);
	assert_int_equal(count(text, "other\""), 0);
	assert_true(value(text, "ipvs_tcp_connect_attempts_total" REAL_7) == 2);
	assert_true(value(text, "ipvs_tcp_open_connections" REAL_7) == 4);
	assert_true(value(text, "ipvs_tcp_connect_seconds_bucket{protocol=\"tcp\",real=\"10.1.0.7\",rport=\"8080\",le=\"0.00192\"}") == 2);
	free(text);
}

/* Names are labels after the others; without a name they are empty. */
static void names_as_labels(void **state)
{
	static const char file[] = "10.0.0.1:80 shop/web-http\n10.1.0.0 pod-0\n";
	struct names names = { .n = 0 };
	struct place *p = *state;
	char *text;

	assert_int_equal(names_add_text(&names, "file", file, sizeof(file) - 1, p->errmsg, sizeof(p->errmsg)), 0);
	p->m.settings.names = &names;
	connects(p, 0, LIMIT + 1);
	text = written(p);
#define SERIES "ipvs_tcp_connect_attempts_total{vip=\"10.0.0.1\",vport=\"80\",protocol=\"tcp\",real=\""
	assert_true(value(text, SERIES "10.1.0.0\",rport=\"8080\",vip_name=\"shop/web-http\",real_name=\"pod-0\"}") == 1);
	assert_true(value(text, SERIES "10.1.0.1\",rport=\"8080\",vip_name=\"shop/web-http\",real_name=\"\"}") == 2);
	assert_true(value(text, "ipvs_tcp_connect_attempts_total{" OTHER ",vip_name=\"\",real_name=\"\"}") == LIMIT + 1);
	free(text);

	p->m.settings.without_vip = true;	/* only who is printed: what was counted keeps its addresses here */
	text = written(p);
	assert_true(value(text, "ipvs_tcp_connect_attempts_total{protocol=\"tcp\",real=\"10.1.0.0\",rport=\"8080\",real_name=\"pod-0\"}") == 1);
	free(text);
	names_free(&names);
}

static void promtool(void **state)
{
	struct place *p = *state;
	char command[128];

	if (system("command -v promtool >/dev/null"))
		skip_because("no promtool");
	connects(p, 0, LIMIT + 2);
	for (unsigned i = 0; i < 1000; i++)
		add(more(p, i % 3), STATS_CONNECT, (uint64_t)i * 7919);
	get(p, ipv4(1, 80), (struct endpoint){ .family = 0 });
	p->m.settings.version = "\"\\\n";
	free(written(p));
	snprintf(command, sizeof(command), "promtool check metrics < %s", p->path);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(golden, make_place, remove_place),
		cmocka_unit_test_setup_teardown(nothing_counted, make_place, remove_place),
		cmocka_unit_test_setup_teardown(escaped, make_place, remove_place),
		cmocka_unit_test_setup_teardown(buckets, make_place, remove_place),
		cmocka_unit_test_setup_teardown(limit, make_place, remove_place),
		cmocka_unit_test_setup_teardown(of_ipvs, make_place, remove_place),
		cmocka_unit_test_setup_teardown(dead_ones_leave, make_place, remove_place),
		cmocka_unit_test_setup_teardown(churn, make_place, remove_place),
		cmocka_unit_test_setup_teardown(too_many, make_place, remove_place),
		cmocka_unit_test_setup_teardown(pairs_apart, make_place, remove_place),
		cmocka_unit_test_setup_teardown(replaced_at_once, make_place, remove_place),
		cmocka_unit_test_setup_teardown(always_whole, make_place, remove_place),
		cmocka_unit_test_setup_teardown(cannot_write, make_place, remove_place),
		cmocka_unit_test_setup_teardown(bad_places, make_place, remove_place),
		cmocka_unit_test_setup_teardown(link_in_the_way, make_place, remove_place),
		cmocka_unit_test_setup_teardown(temporary_in_the_way, make_place, remove_place),
		cmocka_unit_test_setup_teardown(without_folder, make_place, remove_place),
		cmocka_unit_test_setup_teardown(labels_of_vip, make_place, remove_place),
		cmocka_unit_test_setup_teardown(labels_of_real, make_place, remove_place),
		cmocka_unit_test_setup_teardown(names_as_labels, make_place, remove_place),
		cmocka_unit_test_setup_teardown(promtool, make_place, remove_place),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
