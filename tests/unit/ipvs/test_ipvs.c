/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/net/ip_vs_conn of many namespaces, in a tree of files. */
#include "../unit.h"

#include "ipvs/ipvs.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEADING "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"

static char root[64];

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/ipvs-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Makes a process in namespace @inum; the caller fills its file. */
static FILE *process(int pid, unsigned inum)
{
	char path[PATH_MAX], link[32];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d", root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/ns", root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/net", root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/ns/net", root, pid);
	snprintf(link, sizeof(link), "net:[%u]", inum);
	assert_int_equal(symlink(link, path), 0);
	snprintf(path, sizeof(path), "%s/%d/net/ip_vs_conn", root, pid);
	f = fopen(path, "w");
	assert_non_null(f);
	return f;
}

struct seen {
	size_t n;
	struct ipvs_entry last;
	uint64_t ports;		/* sum of the clients' ports */
	size_t enough;		/* 0: read all */
};

static void see(void *cookie, const struct ipvs_entry *e)
{
	struct seen *s = cookie;

	s->n++;
	s->last = *e;
	s->ports += e->cport;
}

static bool go_on(void *cookie)
{
	const struct seen *s = cookie;

	return !s->enough || s->n < s->enough;
}

static int parse(const char *line, struct ipvs_entry *e)
{
	size_t len = strlen(line);
	char *exactly = malloc(len + !len);	/* the sanitizer watches its end */
	int err;

	assert_non_null(exactly);
	memcpy(exactly, line, len);
	err = ipvs_parse(exactly, len, e);
	free(exactly);
	return err;
}

static void ipv4_line(void **state)
{
	static const uint8_t client[16] = { [10] = 0xff, 0xff, 192, 168, 0, 1 };
	static const uint8_t vip[16] = { [10] = 0xff, 0xff, 10, 99, 0, 1 };
	static const uint8_t real[16] = { [10] = 0xff, 0xff, 10, 99, 1, 1 };
	struct ipvs_entry e;

	(void)state;
	assert_int_equal(parse("TCP C0A80001 C350 0A630001 0050 0A630101 1F90 ESTABLISHED     899", &e), 0);
	assert_memory_equal(e.caddr, client, 16);
	assert_memory_equal(e.vaddr, vip, 16);
	assert_memory_equal(e.daddr, real, 16);
	assert_int_equal(e.cport, 50000);
	assert_int_equal(e.vport, 80);
	assert_int_equal(e.dport, 8080);
	assert_int_equal(e.dest_family, AF_INET);
}

static void ipv6_lines(void **state)
{
	static const uint8_t vip[16] = { 0xfd, 0, 0, 0x99, [15] = 1 };
	static const uint8_t real4[16] = { [10] = 0xff, 0xff, 10, 99, 1, 1 };
	struct ipvs_entry e;

	(void)state;
	assert_int_equal(parse("TCP fd00:0099:0000:0000:0000:0000:0000:0002 C350 "
			       "fd00:0099:0000:0000:0000:0000:0000:0001 0050 "
			       "fd00:0099:0001:0000:0000:0000:0000:0001 1F90 ESTABLISHED     899", &e), 0);
	assert_memory_equal(e.vaddr, vip, 16);
	assert_int_equal(e.daddr[5], 1);
	assert_int_equal(e.dest_family, AF_INET6);
	/* a tunnel to the other address family */
	assert_int_equal(parse("TCP [fd00:0099:0000:0000:0000:0000:0000:0002] C350 "
			       "[fd00:0099:0000:0000:0000:0000:0000:0001] 0050 0A630101 1F90 SYN_SENT 1", &e), 0);
	assert_memory_equal(e.vaddr, vip, 16);
	assert_memory_equal(e.daddr, real4, 16);
	assert_int_equal(e.dest_family, AF_INET);
}

static void lines_that_are_no_connection(void **state)
{
	static const char *const lines[] = {
		"", "TCP", "TCP ", "UDP C0A80001 C350 0A630001 0035 0A630101 0035 UDP 299",
		"Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData",
		"TCP C0A80000 0000 0A630001 0050 0A630101 1F90 NONE 299",	/* a template */
		"TCP C0A80001 C350 0A630001 0050 0A630101", "TCP C0A80001 C350 0A630001 0050 0A630101 1F",
		"TCP C0A800 C350 0A630001 0050 0A630101 1F90", "TCP G0A80001 C350 0A630001 0050 0A630101 1F90",
		"TCP C0A80001C350 0A630001 0050 0A630101 1F90 NONE", "TCP :::::::: C350 0A630001 0050 0A630101 1F90",
	};
	struct ipvs_entry e;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i], &e), -EINVAL);
}

static void taken_by_all_cpus(void **state)
{
	static const char file[] =
		"       Total Incoming Outgoing         Incoming         Outgoing\n"
		"CPU    Conns  Packets  Packets            Bytes            Bytes\n"
		"  0       1A       3F        0             1234                0\n"
		"  1 12345678A       3F        0             1234                0\n"
		"1FF        5       3F        0             1234                0\n"
		"  ~       99       7E        0             2468                0\n"
		"\n"
		"     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
		"           7        8        0                0                0\n";
	uint64_t n = 1;

	(void)state;
	assert_int_equal(ipvs_sum(file, &n), 0);
	assert_int_equal(n, 0x1A + 0x12345678A + 5);
}

static void taken_by_nobody_knows(void **state)
{
	static const char *const files[] = {
		"", "\n", "CPU    Conns  Packets\n", "  ~       99       7E \n  0       1A       3F\n", "  0\n", "  0 x 1\n", "  0 1A",
		"  0 1A\n",
	};
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(ipvs_sum(files[i], &n), -EBADMSG);
}

static void every_beginning_of_a_line(void **state)
{
	const char *line = "TCP [fd00:0099:0000:0000:0000:0000:0000:0002] C350 0A630001 0050 0A630101 1F90";
	struct ipvs_entry e;

	(void)state;
	for (size_t len = 0; len < strlen(line); len++) {
		char *part = strndup(line, len);

		assert_int_equal(parse(part, &e), -EINVAL);
		free(part);
	}
	assert_int_equal(parse(line, &e), 0);
}

static uint64_t sum_of(const char *text)
{
	struct ipvs_sum_of_conns sum = { 0 };

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		ipvs_add_conns(&sum, line, strcspn(line, "\n"));
	return sum.n;
}

/* TCP and firewall marks count, UDP does not. */
static void conns_by_real_server(void **state)
{
	(void)state;
	assert_int_equal(sum_of("IP Virtual Server version 1.2.1 (size=4096)\n"
				"Prot LocalAddress:Port Scheduler Flags\n"
				"  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
				"TCP  0A630001:0050 rr  \n"
				"  -> 0A630101:1F90      Masq    1      3          40         \n"
				"  -> 0A630102:1F90      Route   0      500        6000       \n"
				"UDP  0A630001:0035 rr  \n"
				"  -> 0A630101:0035      Masq    1      1          1          \n"
				"TCP  [fd00:0099:0000:0000:0000:0000:0000:0001]:0050 wlc persistent 300 ffffffff\n"
				"  -> [fd00:0099:0001:0000:0000:0000:0000:0001]:1F90      Tunnel  -1     70000      800000     \n"
				"FWM  00000001 rr  \n"
				"  -> 0A630101:0000      Local   1      9000000    10000000   \n"),
			 19876543);
	assert_int_equal(sum_of(""), 0);
	assert_int_equal(sum_of("  -> 0A630101:1F90      Masq    1      3          40         \n"), 0);
	assert_int_equal(sum_of("TCP  0A630001:0050 rr  \n  -> 0A630101:1F90      Masq    1      3          \n"), 0);
	assert_int_equal(sum_of("TCP  0A630001:0050 rr  \n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"), 0);
}

/* Two processes in one namespace, one in another, and one without a file. */
static void namespaces(void **state)
{
	char path[PATH_MAX];
	struct seen s = { 0 };
	FILE *f;

	(void)state;
	for (int pid = 1; pid <= 2; pid++) {
		f = process(pid, 4026531840);
		fputs(HEADING "TCP C0A80001 0001 0A630001 0050 0A630101 1F90 ESTABLISHED 899\n", f);
		fclose(f);
	}
	f = process(77, 4026532000);
	fputs(HEADING "TCP C0A80001 0010 0A630001 0050 0A630101 1F90 ESTABLISHED 899\n", f);
	fclose(f);
	fclose(process(78, 4026532001));
	snprintf(path, sizeof(path), "%s/78/net/ip_vs_conn", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ipvs_read(root, see, go_on, &s), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.ports, 0x11);
}

/* Before 3.19 mountinfo shows a namespace as a file of procfs, of whatever kind. The one of UTS cannot be entered as a network
 * namespace, and a plain file is none. */
static void mounted_files_of_procfs(void **state)
{
	char path[PATH_MAX];
	struct seen s = { 0 };
	struct stat own;
	FILE *f;

	(void)state;
	if (geteuid())
		skip_because("only root enters namespaces");
	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	snprintf(path, sizeof(path), "%s/self", root);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/self/net", root);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/self/ns", root);
	assert_int_equal(symlink("/proc/self/ns", path), 0);
	snprintf(path, sizeof(path), "%s/self/net/ip_vs_conn", root);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(HEADING "TCP C0A80001 0001 0A630001 0050 0A630101 1F90 ESTABLISHED 899\n", f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/self/mountinfo", root);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("17 61 0:3 / /proc rw,nosuid shared:5 - proc proc rw\n"
	      "53 18 0:3 / /proc/self/ns/uts rw,nosuid shared:5 - proc proc rw\n"
	      "54 18 0:3 / /proc/self/ns/net rw,nosuid shared:5 - proc proc rw\n", f);
	fprintf(f, "55 18 0:21 / %s rw shared:5 - tmpfs tmpfs rw\n", path);
	fclose(f);
	assert_int_equal(ipvs_read(root, see, go_on, &s), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.last.cport, 1);
	assert_int_equal(s.last.netns, (uint32_t)own.st_ino);
}

static void no_proc_at_all(void **state)
{
	struct seen s = { 0 };

	(void)state;
	assert_int_equal(ipvs_read("/nonexistent", see, go_on, &s), -ENOENT);
	assert_int_equal(s.n, 0);
}

/* Two namespaces, and it ends after the first part of one. */
static void ended(void **state)
{
	static const char line[] = "TCP C0A80001 0001 0A630001 0050 0A630101 1F90 ESTABLISHED     899\n";
	struct seen s = { .enough = 1 };

	(void)state;
	for (int pid = 1; pid <= 2; pid++) {
		FILE *f = process(pid, 4026531840U + (unsigned)pid);

		for (int i = 0; i < 3000; i++)
			fputs(line, f);
		fclose(f);
	}
	assert_int_equal(ipvs_read(root, see, go_on, &s), 0);
	assert_int_equal(s.n, 65536 / strlen(line));
}

/* Lines cross the bounds of the chunks that are read, at every position. */
static void many(void **state)
{
	enum { N = 100000 };
	FILE *f = process(1, 4026531840);
	struct timespec from, to;
	struct seen s = { 0 };
	uint64_t ports = 0;
	double seconds;

	(void)state;
	fputs(HEADING, f);
	for (unsigned i = 0; i < N; i++) {
		fprintf(f, "TCP %08X %04X 0A630001 0050 0A63%04X 1F90 ESTABLISHED     899\n", 0x0a000000 + i,
			i % 65535 + 1, i % 65536);
		ports += i % 65535 + 1;
	}
	fclose(f);
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(ipvs_read(root, see, go_on, &s), 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	assert_int_equal(s.n, N);
	assert_int_equal(s.ports, ports);
	assert_true(seconds < 5);	/* with sanitizers; the host suite measures the tool */
}

static void rate_of_packets(void **state)
{
	static const char text[] =
		"   Total Incoming Outgoing         Incoming         Outgoing\n"
		"   Conns  Packets  Packets            Bytes            Bytes\n"
		"      1F       7B       5C             1234              ABC\n\n"
		" Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
		"       2    7A121        3                4                5\n";
	char cut[sizeof(text)];
	uint64_t n = 7;

	(void)state;
	assert_int_equal(ipvs_rate(text, &n), 0);
	assert_int_equal(n, 500001);
	memcpy(cut, text, sizeof(text));
	strstr(cut, "       2")[8] = '\0';	/* no packets */
	assert_int_equal(ipvs_rate(cut, &n), -EBADMSG);
	assert_int_equal(ipvs_rate("", &n), -EBADMSG);
	assert_int_equal(ipvs_rate("Pkts/s\n", &n), -EBADMSG);
}

/* write_own - writes a file of this process's namespace */
static void write_own(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/self/net/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

#define PERCPU(conns) "       Total Incoming Outgoing         Incoming         Outgoing\n" \
	"CPU    Conns  Packets  Packets            Bytes            Bytes\n" \
	"  0        " conns "        0        0                0                0\n"
#define SYNC_HEADING "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n"
#define SYNC_LINE(origin) "TCP 0A000001 C350 0A630001 0050 0A630101 1F90 ESTABLISHED " origin " 899\n"

static void counters_stay_0(void **state)
{
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/self", root);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/self/net", root);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_false(ipvs_counts_none(root));
	write_own("ip_vs_stats_percpu", PERCPU("0"));
	assert_false(ipvs_counts_none(root));
	write_own("ip_vs_conn_sync", SYNC_HEADING SYNC_LINE("SYNC  "));
	assert_false(ipvs_counts_none(root));
	write_own("ip_vs_conn_sync", SYNC_HEADING SYNC_LINE("SYNC  ") SYNC_LINE("LOCAL "));
	assert_true(ipvs_counts_none(root));
	write_own("ip_vs_stats_percpu", PERCPU("1"));
	assert_false(ipvs_counts_none(root));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_of_packets),
		cmocka_unit_test_setup_teardown(counters_stay_0, make_root, remove_root),
		cmocka_unit_test(ipv4_line),
		cmocka_unit_test(ipv6_lines),
		cmocka_unit_test(lines_that_are_no_connection),
		cmocka_unit_test(taken_by_all_cpus),
		cmocka_unit_test(taken_by_nobody_knows),
		cmocka_unit_test(every_beginning_of_a_line),
		cmocka_unit_test_setup_teardown(namespaces, make_root, remove_root),
		cmocka_unit_test_setup_teardown(mounted_files_of_procfs, make_root, remove_root),
		cmocka_unit_test(no_proc_at_all),
		cmocka_unit_test(conns_by_real_server),
		cmocka_unit_test_setup_teardown(ended, make_root, remove_root),
		cmocka_unit_test_setup_teardown(many, make_root, remove_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
