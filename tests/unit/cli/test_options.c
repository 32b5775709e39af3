/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, good and bad, and the help for them. */
#include "../unit.h"
#include "base/file.h"

#include "host/host.h"
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Parses "ipvs-tcpstate WORDS..." */
#define PARSE(o, ...) parse_words(o, (char *[]){ "ipvs-tcpstate", ##__VA_ARGS__, NULL })

static int parse_words(struct options *o, char *argv[])
{
	int argc = 0;

	while (argv[argc])
		argc++;
	memset(o, 0x5a, sizeof(*o));
	return options_parse(o, argc, argv);
}

#define CHECK_ERROR(text, ...)						\
	do {								\
		struct options o_;					\
									\
		assert_int_equal(PARSE(&o_, __VA_ARGS__), -EINVAL);	\
		assert_string_equal(o_.error, text);			\
	} while (0)

static void set_defaults(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->buffer_bytes = 1 << 20;
	o->max_conns = 65536;
	o->max_labels = 512;
}

static void defaults(void **state)
{
	struct options expected, o;

	(void)state;
	set_defaults(&expected);
	assert_int_equal(PARSE(&o), 0);
	assert_string_equal(o.proc_root, "/proc");
	expected.proc_root = o.proc_root;
	assert_memory_equal(&o, &expected, sizeof(o));
}

static void flags_short_and_long(void **state)
{
	static const struct {
		char *letter, *name;
		size_t offset;
	} flags[] = {
		{ "-h", "--help", offsetof(struct options, help) },
		{ "-T", "--time", offsetof(struct options, time) },
		{ "-t", "--timestamp", offsetof(struct options, timestamp) },
		{ "-w", "--wide", offsetof(struct options, wide) },
		{ "-r", "--retransmits", offsetof(struct options, retransmits) },
		{ "-x", "--extended", offsetof(struct options, extended) },
		{ "-s", "--csv", offsetof(struct options, csv) },
		{ "-j", "--json", offsetof(struct options, json) },
		{ "-Y", "--journal", offsetof(struct options, journal) },
		{ "-4", "--ipv4", offsetof(struct options, ipv4) },
		{ "-6", "--ipv6", offsetof(struct options, ipv6) },
		{ "-a", "--all", offsetof(struct options, all) },
		{ "-v", "--verbose", offsetof(struct options, verbose) },
		{ NULL, "--check", offsetof(struct options, check) },
		{ NULL, "--ebpf", offsetof(struct options, ebpf) },
		{ NULL, "--version", offsetof(struct options, version) },
		{ NULL, "--no-cache", offsetof(struct options, no_cache) },
		{ NULL, "--no-realtime", offsetof(struct options, no_realtime) },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(flags); i++) {
		struct options expected, o;

		set_defaults(&expected);
		*((bool *)((char *)&expected + flags[i].offset)) = true;
		assert_int_equal(PARSE(&o, flags[i].name), 0);
		expected.proc_root = o.proc_root;
		assert_memory_equal(&o, &expected, sizeof(o));
		if (!flags[i].letter)
			continue;
		assert_int_equal(PARSE(&o, flags[i].letter), 0);
		assert_memory_equal(&o, &expected, sizeof(o));
	}
}

static void letters_together(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-stTwaL80", "-n", "3"), 0);
	assert_true(o.csv && o.timestamp && o.time && o.wide && o.all);
	assert_false(o.help || o.version || o.ebpf || o.verbose || o.ipv4 || o.ipv6);
	assert_int_equal(o.lports.n, 1);
	assert_int_equal(o.lports.port[0], 80);
	assert_int_equal(o.rports.n, 0);
	assert_int_equal(o.count, 3);
}

static void names_may_be_shortened(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "--local=22", "--rem", "443", "--tim"), -EINVAL);
	assert_int_equal(PARSE(&o, "--local=22", "--rem", "443", "--time"), 0);
	assert_int_equal(o.lports.port[0], 22);
	assert_int_equal(o.rports.port[0], 443);
	assert_true(o.time);
	assert_false(o.timestamp);
}

/* A unique abbreviation of one of tcpstates' names means the same here. */
static void beginnings_of_tcpstates_names(void **state)
{
	static const struct {
		const char *name;
		size_t offset, shortest;
		bool value;
	} names[] = {
		{ "help", offsetof(struct options, help), 1, false },
		{ "time", offsetof(struct options, time), 4, false },
		{ "timestamp", offsetof(struct options, timestamp), 5, false },
		{ "wide", offsetof(struct options, wide), 1, false },
		{ "csv", offsetof(struct options, csv), 1, false },
		{ "localport", offsetof(struct options, lports), 1, true },
		{ "remoteport", offsetof(struct options, rports), 1, true },
		{ "ebpf", offsetof(struct options, ebpf), 1, false },
		{ "journal", offsetof(struct options, journal), 1, false },
		{ "ipv4", offsetof(struct options, ipv4), 4, false },
		{ "ipv6", offsetof(struct options, ipv6), 4, false },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(names); i++) {
		for (size_t len = names[i].shortest; len <= strlen(names[i].name); len++) {
			struct options expected, o;
			char word[32];

			set_defaults(&expected);
			if (names[i].value) {
				struct port_list *list = (struct port_list *)
					((char *)&expected + names[i].offset);

				list->n = 1;
				list->port[0] = 80;
			} else {
				*((bool *)((char *)&expected + names[i].offset)) = true;
			}
			snprintf(word, sizeof(word), "--%.*s%s", (int)len, names[i].name,
				 names[i].value ? "=80" : "");
			assert_int_equal(PARSE(&o, word), 0);
			expected.proc_root = o.proc_root;
			assert_memory_equal(&o, &expected, sizeof(o));
			if (!names[i].value)
				continue;
			word[2 + len] = '\0';
			assert_int_equal(PARSE(&o, word, "80"), 0);
			assert_memory_equal(&o, &expected, sizeof(o));
		}
	}
}

/* tcpstates accepts blanks in a list, and "-L=80". */
static void port_lists_as_tcpstates_takes_them(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-L", "80, 81 , 82", "-D", " 443"), 0);
	assert_int_equal(o.lports.n, 3);
	assert_int_equal(o.lports.port[1], 81);
	assert_int_equal(o.lports.port[2], 82);
	assert_int_equal(o.rports.port[0], 443);
	assert_int_equal(PARSE(&o, "-L=80,81"), 0);
	assert_int_equal(o.lports.n, 2);
	assert_int_equal(o.lports.port[0], 80);
}

static void port_lists(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-L", "1,65535,080", "-D", "443", "-D", "80,81"), 0);
	assert_int_equal(o.lports.n, 3);
	assert_int_equal(o.lports.port[0], 1);
	assert_int_equal(o.lports.port[1], 65535);
	assert_int_equal(o.lports.port[2], 80);
	assert_int_equal(o.rports.n, 3);
	assert_int_equal(o.rports.port[0], 443);
	assert_int_equal(o.rports.port[1], 80);
	assert_int_equal(o.rports.port[2], 81);
}

static void bad_ports(void **state)
{
	(void)state;
	CHECK_ERROR("--localport '0': not a port; give numbers from 1 to 65535", "-L", "0");
	CHECK_ERROR("--localport '65536': not a port; give numbers from 1 to 65535", "-L",
		    "65536");
	CHECK_ERROR("--remoteport '99999999999999999999': not a port; give numbers from 1 to 65535",
		    "-D", "80,99999999999999999999,1");
	CHECK_ERROR("--remoteport 'http': not a port; give numbers from 1 to 65535", "-D", "http");
	CHECK_ERROR("--remoteport '-1': not a port; give numbers from 1 to 65535", "-D", "-1");
	CHECK_ERROR("--remoteport '+1': not a port; give numbers from 1 to 65535", "-D", "+1");
	CHECK_ERROR("--remoteport '0x50': not a port; give numbers from 1 to 65535", "-D", "0x50");
	CHECK_ERROR("--remoteport '8 0': not a port; give numbers from 1 to 65535", "-D", "8 0");
	CHECK_ERROR("--remoteport '=80': not a port; give numbers from 1 to 65535", "-D", "=80");
	CHECK_ERROR("--remoteport '=80': not a port; give numbers from 1 to 65535",
		    "--remoteport==80");
	CHECK_ERROR("--localport '80, ': empty entry; give ports as 80,443", "-L", "80, ");
	CHECK_ERROR("--localport ' ': empty entry; give ports as 80,443", "-L", " ");
	CHECK_ERROR("--localport '80,': empty entry; give ports as 80,443", "-L", "80,");
	CHECK_ERROR("--localport ',80': empty entry; give ports as 80,443", "-L", ",80");
	CHECK_ERROR("--localport '1,,2': empty entry; give ports as 80,443", "-L", "1,,2");
	CHECK_ERROR("--localport '': empty entry; give ports as 80,443", "--localport=");
}

/* Returns @n ports "1,1,..."; the caller frees it */
static char *many_ports(size_t n)
{
	char *list = malloc(2 * n);

	assert_non_null(list);
	for (size_t i = 0; i < n; i++)
		memcpy(list + 2 * i, i + 1 < n ? "1," : "1", 2);
	return list;
}

static void as_many_ports_as_there_is_room(void **state)
{
	char *full = many_ports(FILTER_PORTS_MAX), *over = many_ports(FILTER_PORTS_MAX + 1);
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-L", full, "-D", full), 0);
	assert_int_equal(o.lports.n, FILTER_PORTS_MAX);
	assert_int_equal(o.rports.n, FILTER_PORTS_MAX);
	assert_int_equal(o.lports.port[FILTER_PORTS_MAX - 1], 1);
	CHECK_ERROR("--localport: more than 512 ports; give fewer", "-L", over);
	CHECK_ERROR("--remoteport: more than 512 ports; give fewer", "-D", full, "-D", "2");
	free(full);
	free(over);
}

/* The advice is at the end of the message: a long value must not cut it off. */
static void long_list_leaves_room_for_the_remedy(void **state)
{
	static const char remedy[] = "empty entry; give ports as 80,443";
	char *list = many_ports(200);
	struct options o;

	(void)state;
	list[397] = ',';
	list[398] = '\0';	/* "1,...,1,," */
	assert_int_equal(PARSE(&o, "-L", list), -EINVAL);
	free(list);
	assert_true(strlen(o.error) > strlen(remedy));
	assert_string_equal(o.error + strlen(o.error) - strlen(remedy), remedy);
}

static void numbers(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-n", "1", "-d", "4294967295"), 0);
	assert_int_equal(o.count, 1);
	assert_int_equal(o.seconds, 4294967295);
	assert_int_equal(PARSE(&o, "-n5", "-n", "7", "--duration=10"), 0);
	assert_int_equal(o.count, 7);
	assert_int_equal(o.seconds, 10);
	CHECK_ERROR("--count '0': give a whole number from 1 to 4294967295", "-n", "0");
	CHECK_ERROR("--count '': give a whole number from 1 to 4294967295", "-n", "");
	CHECK_ERROR("--count '-1': give a whole number from 1 to 4294967295", "-n", "-1");
	CHECK_ERROR("--duration '1.5': give a whole number from 1 to 4294967295", "-d", "1.5");
	CHECK_ERROR("--duration '4294967296': give a whole number from 1 to 4294967295", "-d",
		    "4294967296");
	CHECK_ERROR("--duration '18446744073709551617': give a whole number from 1 to 4294967295",
		    "-d", "18446744073709551617");
}

static void ends(void **state)
{
	static const uint8_t ipv4[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
	static const uint8_t ipv6[16] = { 0xfd, [15] = 1 };
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-V", "10.0.0.1,10.0.0.1:80,::ffff:10.0.0.1", "--vip=[fd00::1]:65535",
			       "-R", "fd00::1,[fd00::1]"), 0);
	assert_int_equal(o.vips.n, 4);
	for (int i = 0; i < 3; i++)
		assert_memory_equal(o.vips.end[i].addr, ipv4, 16);
	assert_memory_equal(o.vips.end[3].addr, ipv6, 16);
	assert_int_equal(o.vips.end[0].port, 0);
	assert_int_equal(o.vips.end[1].port, 80);
	assert_int_equal(o.vips.end[2].port, 0);
	assert_int_equal(o.vips.end[3].port, 65535);
	assert_int_equal(o.reals.n, 2);
	for (int i = 0; i < 2; i++) {
		assert_memory_equal(o.reals.end[i].addr, ipv6, 16);
		assert_int_equal(o.reals.end[i].port, 0);
	}
}

static void bad_ends(void **state)
{
	static char *const bad[] = { "", "host", "10.0.0", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536",
				     "10.0.0.1:80:80", "[10.0.0.1]:80", "[fd00::1", "[fd00::1]80", "[fd00::1]:",
				     "fd00::1]:80", "fd00::1::2", "10.0.0.1 ", ":80", "[]:80",
				     "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd" };
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char expected[192];

		snprintf(expected, sizeof(expected),
			 "--real '%.64s': not an address; give them as 10.0.0.1:80,[fd00::1]:80", bad[i]);
		assert_int_equal(PARSE(&o, "-R", bad[i]), -EINVAL);
		assert_string_equal(o.error, expected);
	}
	CHECK_ERROR("--vip '': not an address; give them as 10.0.0.1:80,[fd00::1]:80", "-V", "10.0.0.1,");
	CHECK_ERROR("--vip '': not an address; give them as 10.0.0.1:80,[fd00::1]:80", "-V", "10.0.0.1,,::1");
}

/* A list may be given in several parts. */
static void as_many_ends_as_there_is_room(void **state)
{
	char list[FILTER_ADDRESSES_MAX * sizeof("10.0.0.1")] = "10.0.0.1";
	struct options o;

	(void)state;
	for (int i = 1; i < FILTER_ADDRESSES_MAX; i++)
		strcat(list, ",10.0.0.1");
	assert_int_equal(PARSE(&o, "-V", list), 0);
	assert_int_equal(o.vips.n, FILTER_ADDRESSES_MAX);
	CHECK_ERROR("--vip: more than 512 addresses; give fewer", "-V", list, "-V", "10.0.0.1");
}

/* With -R, a socket that IPVS does not handle has no real server to match. */
static void real_servers_take_all_back(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-a"), 0);
	assert_true(options_every_socket(&o));
	assert_int_equal(PARSE(&o, "-a", "-V", "10.0.0.1"), 0);
	assert_true(options_every_socket(&o));
	assert_int_equal(PARSE(&o, "-a", "-R", "10.0.0.1"), 0);
	assert_false(options_every_socket(&o));
}

static void buffer_size(void **state)
{
#define GIVE ": give a power of two, in pages of 4 KiB from 1 to 16384, or with a suffix from 4K to 64M"
	static char *const wrong[] = {
		"0", "3", "32768", "", "K", "M", "3K", "2K", "2k", "128M", "65537K", "1G", "4KB", "4096B", "-1", "+1", " 1", "1 ", "0x10", "1.5M",
		"18446744073709551616", "18446744073709551615K", "0M",
	};
	static const struct {
		char *text;
		uint64_t bytes;
	} right[] = {
		{ "1", 4096 }, { "256", 1 << 20 }, { "16384", 64 << 20 }, { "4K", 4096 }, { "512K", 512 << 10 }, { "512k", 512 << 10 },
		{ "65536K", 64 << 20 }, { "1M", 1 << 20 }, { "4m", 4 << 20 }, { "64M", 64 << 20 },
	};
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-a"), 0);
	assert_int_equal(o.buffer_bytes, 1 << 20);
	for (size_t i = 0; i < N_OF(right); i++) {
		assert_int_equal(PARSE(&o, "-b", right[i].text), 0);
		assert_int_equal(o.buffer_bytes, right[i].bytes);
	}
	for (size_t i = 0; i < N_OF(wrong); i++) {
		char error[192];

		snprintf(error, sizeof(error), "--buffer-pages '%s'" GIVE, wrong[i]);
		CHECK_ERROR(error, "-b", wrong[i]);
	}
	assert_int_equal(PARSE(&o, "--buffer-pages=2M"), 0);
	assert_int_equal(o.buffer_bytes, 2 << 20);
}

static void down(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-a"), 0);
	assert_int_equal(o.down, 0);
	assert_int_equal(PARSE(&o, "--down"), 0);
	assert_int_equal(o.down, 3);
	assert_int_equal(PARSE(&o, "--down=1"), 0);
	assert_int_equal(o.down, 1);
	assert_int_equal(PARSE(&o, "--down=1000000", "-j"), 0);
	assert_int_equal(o.down, 1000000);
	CHECK_ERROR("--down='0': give a whole number from 1 to 1000000", "--down=0");
	CHECK_ERROR("--down='1000001': give a whole number from 1 to 1000000", "--down=1000001");
	CHECK_ERROR("--down='': give a whole number from 1 to 1000000", "--down=");
	CHECK_ERROR("--down='-1': give a whole number from 1 to 1000000", "--down=-1");
	CHECK_ERROR("unexpected word '5'; see --help", "--down", "5");
}

static void trouble(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-a"), 0);
	assert_false(options_trouble(&o));
	assert_int_equal(PARSE(&o, "--failures"), 0);
	assert_int_equal(o.failures, FAILURES_WHOLE);
	assert_int_equal(PARSE(&o, "--failures=whole", "-r"), 0);
	assert_int_equal(o.failures, FAILURES_WHOLE);
	assert_int_equal(PARSE(&o, "--failures=end", "-n", "1"), 0);
	assert_int_equal(o.failures, FAILURES_END);
	assert_true(options_hold_back(&o));
	assert_int_equal(PARSE(&o, "--slow", "10", "--down"), 0);
	assert_int_equal(o.slow, 10);
	assert_true(options_trouble(&o));
	assert_false(options_hold_back(&o));	/* --down needs the connects that succeed */
	assert_int_equal(PARSE(&o, "--replay", "x", "--failures", "--slow=1"), 0);
	CHECK_ERROR("--failures='ends': give whole or end", "--failures=ends");
	CHECK_ERROR("--failures='': give whole or end", "--failures=");
	CHECK_ERROR("--slow '0': give a whole number from 1 to 4294967295", "--slow", "0");
	CHECK_ERROR("--slow '1.5': give a whole number from 1 to 4294967295", "--slow", "1.5");
	CHECK_ERROR("--summary and --failures exclude each other: it prints no rows; give one", "--summary", "--failures");
	CHECK_ERROR("--metrics and --slow exclude each other: it prints no rows; give one", "--metrics", "x", "--slow", "1");
	CHECK_ERROR("--slow and --director=ends exclude each other: begin and end do not tell how long a connect took; give "
		    "--director=states", "--director=ends", "--slow", "1");
}

static void hooks_and_cache_dir(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "--hooks", "kprobe", "--cache-dir", "/x y"), 0);
	assert_int_equal(o.hooks, HOOK_CHOICE_KPROBE);
	assert_string_equal(o.cache_dir, "/x y");
	assert_int_equal(PARSE(&o, "--hooks=tracepoint"), 0);
	assert_int_equal(o.hooks, HOOK_CHOICE_TRACEPOINT);
	assert_null(o.cache_dir);
	assert_int_equal(PARSE(&o, "--hooks=raw"), 0);
	assert_int_equal(o.hooks, HOOK_CHOICE_RAW);
	CHECK_ERROR("--hooks 'kprobes': give raw, tracepoint or kprobe", "--hooks", "kprobes");
	CHECK_ERROR("--hooks '': give raw, tracepoint or kprobe", "--hooks=");
	CHECK_ERROR("--cache-dir '': give a DIR", "--cache-dir", "");
}

static void netns(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o), 0);
	assert_null(o.netns);
	assert_int_equal(PARSE(&o, "--netns", "4026531833", "--summary", "--director"), 0);
	assert_int_equal(o.netns_inum, 4026531833U);
	assert_int_equal(PARSE(&o, "--netns", "4194304"), 0);
	assert_string_equal(o.netns, "4194304");
	assert_int_equal(o.netns_inum, 0);
	assert_int_equal(PARSE(&o, "--netns=/run/netns/pod"), 0);
	assert_string_equal(o.netns, "/run/netns/pod");
	assert_int_equal(o.netns_inum, 0);
	CHECK_ERROR("--netns 'pod': give an inode number, a PID or a path, as /run/netns/NAME", "--netns", "pod");
	CHECK_ERROR("--netns '0': give an inode number, a PID or a path, as /run/netns/NAME", "--netns", "0");
	CHECK_ERROR("--netns '': give an inode number, a PID or a path, as /run/netns/NAME", "--netns=");
	CHECK_ERROR("--netns '4294967296': give an inode number, a PID or a path, as /run/netns/NAME", "--netns", "4294967296");
	assert_int_equal(PARSE(&o, "--netns", "4026531833", "--replay", "x"), 0);
	CHECK_ERROR("--netns '7': a recording has inode numbers only; give one, as -x shows them", "--netns", "7", "--replay", "x");
}

static void container(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0";
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o), 0);
	assert_null(o.container);
	assert_false(options_containers(&o));
	assert_int_equal(PARSE(&o, "--container", "0123456789ab"), 0);
	assert_string_equal(o.container, "0123456789ab");
	assert_true(options_containers(&o));
	assert_int_equal(PARSE(&o, "--container", "01234567-89ab-cdef-0123-456789abcdef", "--record", "x"), 0);
	CHECK_ERROR("--container '0123456789a': give the first 12 digits of a container's ID, or more, or the UID of a pod",
		    "--container", "0123456789a");
	CHECK_ERROR("--container '0123456789AB': give the first 12 digits of a container's ID, or more, or the UID of a pod",
		    "--container", "0123456789AB");
	CHECK_ERROR("--container '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef': give the first 12 digits of a "
		    "container's ID, or more, or the UID of a pod", "--container", (char *)id);
	CHECK_ERROR("--metrics and --container exclude each other: it prints no rows; give one", "--metrics", "x", "--container",
		    "0123456789ab");
	CHECK_ERROR("--director and --container exclude each other: forwarded connections have no process; give one",
		    "--director", "-a", "--container", "0123456789ab");
	CHECK_ERROR("--replay and --container exclude each other: a recording is printed as it was traced; give one",
		    "--replay", "x", "--container", "0123456789ab");
}

static void director(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-a"), 0);
	assert_int_equal(o.director, DIRECTOR_OFF);
	assert_true(options_sockets(&o));
	assert_int_equal(PARSE(&o, "--director=states"), 0);
	assert_int_equal(o.director, DIRECTOR_STATES);
	assert_int_equal(PARSE(&o, "--director"), 0);
	assert_int_equal(o.director, DIRECTOR_DEFAULT);
	assert_false(options_sockets(&o));
	assert_int_equal(PARSE(&o, "--director=ends", "-a"), 0);
	assert_int_equal(o.director, DIRECTOR_ENDS);
	assert_true(options_sockets(&o));
	assert_int_equal(PARSE(&o, "--replay", "x", "--director", "-x"), 0);
	CHECK_ERROR("--director='all': give states or ends", "--director=all");
	CHECK_ERROR("--director and --pid exclude each other: forwarded connections have no process; give one", "--director", "-a",
		    "-p", "1");
	assert_int_equal(PARSE(&o, "--director=states", "--summary", "5"), 0);
	assert_int_equal(PARSE(&o, "--director=states", "--histogram", "--states", "-a"), 0);
	assert_int_equal(PARSE(&o, "--director=states", "--metrics", "x"), 0);
	assert_int_equal(PARSE(&o, "--director", "-ar"), 0);
	CHECK_ERROR("--summary and --director=ends exclude each other: begin and end do not tell what became of a connection; "
		    "give --director=states", "--director=ends", "--summary");
	CHECK_ERROR("--metrics and --director=ends exclude each other: begin and end do not tell what became of a connection; "
		    "give --director=states", "--metrics", "x", "--director=ends", "-a");
	CHECK_ERROR("--retransmits: --director shows SYNs sent again, and IPVS knows no others; leave it out, or add -a", "-r",
		    "--director");
}

static void real_server(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-a"), 0);
	assert_false(o.server);
	assert_int_equal(PARSE(&o, "--server", "-L", "80", "-V", "10.0.0.1", "--failures", "--record", "x"), 0);
	assert_true(o.server);
	assert_false(options_sockets(&o));
	assert_int_equal(PARSE(&o, "--server", "-ar", "--down", "--slow", "5"), 0);
	assert_true(options_sockets(&o));
	assert_int_equal(PARSE(&o, "--replay", "x", "--server", "--down"), 0);
	CHECK_ERROR("--server and --director exclude each other: run the tool twice; give one", "--server", "--director");
	CHECK_ERROR("--server and --pid exclude each other: there is no process yet, and no other real server than this host; give "
		    "one", "--server", "-a", "-p", "1");
	CHECK_ERROR("--server and --real exclude each other: there is no process yet, and no other real server than this host; give "
		    "one", "-R", "10.0.0.1", "--server");
	CHECK_ERROR("--slow: --server alone shows no connects and no data; leave it out, or add -a", "--server", "--slow", "5");
	CHECK_ERROR("--retransmits: --server alone shows no connects and no data; leave it out, or add -a", "--server", "-r");
	assert_int_equal(PARSE(&o, "--server", "--summary", "5"), 0);
	CHECK_ERROR("--metrics and --server exclude each other: give --summary, or run the tool twice", "--server", "-a", "--summary",
		    "--metrics", "x");
	CHECK_ERROR("--histogram and --server exclude each other: give --summary, or run the tool twice", "--server", "--histogram");
}

static void families_exclude_each_other(void **state)
{
	(void)state;
	CHECK_ERROR("-4 and -6 exclude each other; give one, or none for both", "-4", "-6");
	CHECK_ERROR("-4 and -6 exclude each other; give one, or none for both", "-64");
	CHECK_ERROR("-4 and -6 exclude each other; give one, or none for both", "--ipv6", "-a",
		    "--ipv4");
}

static void formats_exclude_each_other(void **state)
{
	(void)state;
	CHECK_ERROR("-s and -j exclude each other; give one", "-sj");
	CHECK_ERROR("-s and -j exclude each other; give one", "--json", "-T", "--csv");
}

static void recordings(void **state)
{
	static char *const live[][2] = {
		{ "-a", "all" }, { "-R10.0.0.1", "real" }, { "-p1", "pid" }, { "-r", "retransmits" },
		{ "-d1", "duration" }, { "-b256", "buffer-pages" }, { "--check", "check" },
		{ "--record=x", "record" }, { "--ebpf", "ebpf" }, { "--no-cache", "no-cache" },
		{ "--cache-dir=x", "cache-dir" }, { "--hooks=raw", "hooks" },
		{ "--summary", "summary" }, { "--histogram", "histogram" }, { "-C", "noclear" },
		{ "-m", "milliseconds" }, { "--states", "states" }, { "--metrics=x", "metrics" }, { "--forget=1", "forget" },
		{ "--labels=vip", "labels" }, { "--max-labels=9", "max-labels" },
	};
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "--record", "file"), 0);
	assert_string_equal(o.record, "file");
	assert_null(o.replay);
	assert_int_equal(PARSE(&o, "--replay", "-", "-jL80", "-D443", "-4", "-n5", "-V10.0.0.1:80", "-v"), 0);
	assert_string_equal(o.replay, "-");
	assert_int_equal(PARSE(&o, "-TtwsL80", "-6", "--replay=file"), 0);
	CHECK_ERROR("--replay '': give a FILE", "--replay", "");
	for (size_t i = 0; i < N_OF(live); i++) {
		char error[192];

		snprintf(error, sizeof(error), "--replay and --%s exclude each other: a recording is printed as "
			 "it was traced; give one", live[i][1]);
		CHECK_ERROR(error, "--replay", "file", live[i][0]);
		CHECK_ERROR(error, live[i][0], "--replay=file", "-w");
	}
}

static void counting(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o), 0);
	assert_false(options_counts(&o));
	assert_int_equal(PARSE(&o, "--summary"), 0);
	assert_true(o.summary);
	assert_true(options_counts(&o));
	assert_int_equal(o.interval, 0);
	assert_int_equal(o.tables, 0);
	assert_int_equal(PARSE(&o, "--summary", "5"), 0);
	assert_int_equal(o.interval, 5);
	assert_int_equal(o.tables, 0);
	assert_int_equal(PARSE(&o, "--histogram", "--states"), 0);
	assert_true(o.histogram && o.states);
	assert_int_equal(PARSE(&o, "--histogram", "-mC", "10", "3"), 0);
	assert_false(o.states);
	assert_true(o.histogram);
	assert_true(o.milliseconds);
	assert_true(o.noclear);
	assert_int_equal(o.interval, 10);
	assert_int_equal(o.tables, 3);
	assert_int_equal(PARSE(&o, "--metrics", "file", "--forget", "60"), 0);
	assert_string_equal(o.metrics, "file");
	assert_int_equal(o.forget, 60);
	assert_int_equal(PARSE(&o, "7", "--hist", "-a", "99999999"), 0);
	assert_int_equal(o.interval, 7);
	assert_int_equal(o.tables, 99999999);
	assert_int_equal(PARSE(&o, "--summary", "-TjaL80", "-D443", "-V10.0.0.1", "-R10.0.0.2", "-4", "-p1", "-d9",
			       "--record=x", "-b8", "--", "5"), 0);
	assert_int_equal(o.interval, 5);
	assert_string_equal(o.record, "x");
}

static void names_and_labels(void **state)
{
	char *many[2 * FILTER_FILES_MAX + 4] = { "x" };
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o), 0);
	assert_int_equal(o.names.n, 0);
	assert_int_equal(o.labels, LABELS_BOTH);
	assert_int_equal(o.max_labels, 512);
	assert_int_equal(PARSE(&o, "--names", "a", "--replay", "x", "--names=b"), 0);
	assert_int_equal(o.names.n, 2);
	assert_string_equal(o.names.path[0], "a");
	assert_string_equal(o.names.path[1], "b");
	CHECK_ERROR("--names '': give a FILE", "--names", "");
	CHECK_ERROR("--names: value missing; give --names FILE", "--names");
	for (int i = 0; i < FILTER_FILES_MAX + 1; i++) {
		many[2 * i + 1] = "--names";
		many[2 * i + 2] = "y";
	}
	assert_int_equal(options_parse(&o, 2 * FILTER_FILES_MAX + 1, many), 0);
	assert_int_equal(options_parse(&o, 2 * FILTER_FILES_MAX + 3, many), -EINVAL);
	assert_string_equal(o.error, "--names: more than 16 files; give fewer");
	assert_int_equal(PARSE(&o, "--metrics=x", "--labels=vip", "--max-labels", "65536"), 0);
	assert_int_equal(o.labels, LABELS_VIP);
	assert_int_equal(o.max_labels, 65536);
	assert_int_equal(PARSE(&o, "--labels", "real", "--metrics=x"), 0);
	assert_int_equal(o.labels, LABELS_REAL);
	assert_int_equal(PARSE(&o, "--labels=vip", "--metrics=x", "--labels", "both"), 0);
	assert_int_equal(o.labels, LABELS_BOTH);
	CHECK_ERROR("--labels 'v': give vip, real or both", "--metrics=x", "--labels", "v");
	CHECK_ERROR("--labels: goes with --metrics only", "--summary", "--labels=real");
	CHECK_ERROR("--max-labels: goes with --metrics only", "--summary", "--max-labels=3");
	CHECK_ERROR("--max-labels '0': give a whole number from 1 to 65536", "--metrics=x", "--max-labels=0");
	CHECK_ERROR("--max-labels '65537': give a whole number from 1 to 65536", "--metrics=x", "--max-labels=65537");
}

static void bad_intervals(void **state)
{
	(void)state;
	CHECK_ERROR("INTERVAL '0': give a number from 1 to 99999999", "--summary", "0");
	CHECK_ERROR("INTERVAL '1.5': give a number from 1 to 99999999", "--summary", "1.5");
	CHECK_ERROR("INTERVAL '': give a number from 1 to 99999999", "--histogram", "");
	CHECK_ERROR("INTERVAL '100000000': give a number from 1 to 99999999", "--summary", "100000000");
	CHECK_ERROR("COUNT '0': give a number from 1 to 99999999", "--summary", "1", "0");
	CHECK_ERROR("COUNT '-1': give a number from 1 to 99999999", "--summary", "1", "--", "-1");
	CHECK_ERROR("unexpected word '3'; see --help", "--summary", "1", "2", "3");
	CHECK_ERROR("unexpected word '3'; see --help", "1", "2", "3", "4", "--summary");
	CHECK_ERROR("unexpected word '5'; see --help", "-a", "5");
}

static void counting_excludes_rows(void **state)
{
	static char *const rows[][2] = {
		{ "-t", "timestamp" }, { "-w", "wide" }, { "-x", "extended" }, { "-Y", "journal" },
		{ "-r", "retransmits" }, { "-n1", "count" },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(rows); i++) {
		char error[192];

		snprintf(error, sizeof(error), "--summary and --%s exclude each other: it prints no rows; give one",
			 rows[i][1]);
		CHECK_ERROR(error, rows[i][0], "--summary");
		snprintf(error, sizeof(error), "--histogram and --%s exclude each other: it prints no rows; give one",
			 rows[i][1]);
		CHECK_ERROR(error, "--histogram", "5", rows[i][0]);
	}
	CHECK_ERROR("--summary and --histogram exclude each other; give one", "--summary", "--histogram");
	CHECK_ERROR("--noclear: goes with --summary or --histogram only", "-C");
	CHECK_ERROR("--milliseconds: goes with --summary or --histogram only", "-am");
	CHECK_ERROR("--states: goes with --histogram only", "--summary", "--states");
	CHECK_ERROR("--states: goes with --histogram only", "--states");
	CHECK_ERROR("--forget: goes with --metrics only", "--summary", "--forget", "60");
	CHECK_ERROR("--forget '0': give a whole number from 1 to 4294967295", "--metrics=x", "--forget=0");
}

static void unknown_options(void **state)
{
	(void)state;
	CHECK_ERROR("unknown option '-z'; see --help", "-z");
	CHECK_ERROR("unknown option '-z'; see --help", "-az", "-T");
	CHECK_ERROR("unknown option '-?'; see --help", "-?");
	CHECK_ERROR("unknown option '-:'; see --help", "-:");
	CHECK_ERROR("unknown or ambiguous option '--nonsense'; see --help", "-a", "--nonsense");
	CHECK_ERROR("unknown or ambiguous option '--ti'; see --help", "--ti");
	CHECK_ERROR("unknown or ambiguous option '-\xe9'; see --help", "-\xe9");
}

/* A letter of two bytes, as in -é: getopt stops in the middle of the word. */
static void unknown_letter_beyond_ascii(void **state)
{
	(void)state;
	CHECK_ERROR("unknown or ambiguous option '-\xc3\xa9'; see --help", "-a", "-\xc3\xa9");
}

static void values_missing_or_too_many(void **state)
{
	(void)state;
	CHECK_ERROR("--localport: value missing; give --localport PORTS", "-L");
	CHECK_ERROR("--localport: value missing; give --localport PORTS", "--localport");
	CHECK_ERROR("--count: value missing; give --count COUNT", "-an");
	CHECK_ERROR("--cache-dir: value missing; give --cache-dir DIR", "--cache-dir");
	CHECK_ERROR("'--all=1': --all takes no value", "--all=1");
	CHECK_ERROR("'--ebpf=': --ebpf takes no value", "--ebpf=");
}

static void words_without_dash(void **state)
{
	(void)state;
	CHECK_ERROR("unexpected word 'foo'; see --help", "foo");
	CHECK_ERROR("unexpected word 'foo'; see --help", "-a", "foo", "-T");
	CHECK_ERROR("unexpected word '-T'; see --help", "-a", "--", "-T");
	CHECK_ERROR("unexpected word '-'; see --help", "-");
	CHECK_ERROR("unexpected word ''; see --help", "");
}

/* options.h promises that argv does not change; GNU getopt moves words. */
static void argv_keeps_its_order(void **state)
{
	char *argv[] = { "ipvs-tcpstate", "foo", "-a", "bar", "-T", NULL };
	struct options o;

	(void)state;
	assert_int_equal(options_parse(&o, 5, argv), -EINVAL);
	assert_string_equal(o.error, "unexpected word 'foo'; see --help");
	assert_string_equal(argv[1], "foo");
	assert_string_equal(argv[2], "-a");
	assert_string_equal(argv[3], "bar");
	assert_string_equal(argv[4], "-T");
}

static void starts_anew_each_time(void **state)
{
	struct options o;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(PARSE(&o, "-aTz"), -EINVAL);
		assert_int_equal(PARSE(&o, "-L", "80", "-t"), 0);
		assert_false(o.all);
		assert_true(o.timestamp);
		assert_int_equal(o.lports.n, 1);
		assert_string_equal(o.error, "");
	}
}

static void no_words_at_all(void **state)
{
	char *argv[] = { NULL };
	struct options o;

	(void)state;
	assert_int_equal(options_parse(&o, 0, argv), 0);
	assert_false(o.all);
}

static char *help_text(const char *name)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	options_help(to, name);
	fclose(to);
	return text;
}

static void help_calls_the_program_by_its_name(void **state)
{
	char *text = help_text("ipvs-tcpstate-bpfcc");

	(void)state;
	assert_int_equal(strncmp(text, "usage: ipvs-tcpstate-bpfcc [", 28), 0);
	assert_non_null(strstr(text, "\n  ipvs-tcpstate-bpfcc -a "));
	assert_null(strstr(text, " ipvs-tcpstate "));
	assert_non_null(strstr(text, "\n  -L, --localport PORTS"));
	assert_non_null(strstr(text, "\n      --cache-dir DIR"));
	assert_null(strstr(text, "--hooks"));
	free(text);
}

static void help_fits_a_terminal(void **state)
{
	char *text = help_text("ipvs-tcpstate"), *line, *rest = text;

	(void)state;
	while ((line = strsep(&rest, "\n")))
		assert_in_range(strlen(line), 0, 100);
	free(text);
}

/* Parses "  -L, --localport PORTS   ...": stores the name, and the value or "". */
static bool option_of_line(const char *line, char name[32], char value[16])
{
	const char *at = strstr(line, "--");

	value[0] = '\0';
	return line[0] == ' ' && at && at - line == 6 &&
	       sscanf(at, "%31[a-z0-9-]%*1[ ]%15[A-Z]", name, value) >= 1;
}

static char *sample(const char *value)
{
	return !*value ? NULL : !strcmp(value, "ADDR") ? "::1" : !strcmp(value, "ID") ? "0123456789ab" : "8";
}

/* True if the option works without another one. */
static bool alone(const char *name)
{
	return strcmp(name, "--noclear") != 0 && strcmp(name, "--milliseconds") != 0 &&
	       strcmp(name, "--states") != 0 && strcmp(name, "--forget") != 0 &&
	       strcmp(name, "--labels") != 0 && strcmp(name, "--max-labels") != 0;
}

static void help_lists_what_the_parser_takes(void **state)
{
	char *text = help_text("x"), *line, *rest = text;
	int n = 0;

	(void)state;
	while ((line = strsep(&rest, "\n"))) {
		char name[32], value[16];
		struct options o;

		if (!option_of_line(line, name, value))
			continue;
		n += alone(name);
		if (!alone(name))	/* the others are tested above */
			continue;
		assert_int_equal(PARSE(&o, name, sample(value)), 0);
		if (line[2] == '-') {
			char letter[3] = { '-', line[3], '\0' };
			struct options same;

			assert_int_equal(PARSE(&same, letter, sample(value)), 0);
			assert_memory_equal(&o, &same, sizeof(o));
		}
	}
	assert_in_range(n, 20, 60);
	free(text);
}

/* roff writes the hyphen of an option as \- */
static char *without_backslashes(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != '\\')
			*to++ = *from;
	*to = '\0';
	return text;
}

static void help_and_manual_agree(void **state)
{
	char *manual = file_read("man/ipvs-tcpstate.8");
	char *text, *line, *rest;

	(void)state;
	if (!manual)
		skip_because("no man/ipvs-tcpstate.8");
	without_backslashes(manual);
	rest = text = help_text("x");
	while ((line = strsep(&rest, "\n"))) {
		char name[32], value[16];
		const char *at = manual;

		if (!option_of_line(line, name, value))
			continue;
		while ((at = strstr(at, name)) && (isalnum(at[strlen(name)]) || at[strlen(name)] == '-'))
			at++;
		if (!at)
			print_message("# --%s is not in the manual\n", name);
		assert_non_null(at);
	}
	free(text);
	free(manual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(flags_short_and_long),
		cmocka_unit_test(letters_together),
		cmocka_unit_test(names_may_be_shortened),
		cmocka_unit_test(beginnings_of_tcpstates_names),
		cmocka_unit_test(port_lists_as_tcpstates_takes_them),
		cmocka_unit_test(port_lists),
		cmocka_unit_test(bad_ports),
		cmocka_unit_test(as_many_ports_as_there_is_room),
		cmocka_unit_test(long_list_leaves_room_for_the_remedy),
		cmocka_unit_test(numbers),
		cmocka_unit_test(ends),
		cmocka_unit_test(bad_ends),
		cmocka_unit_test(as_many_ends_as_there_is_room),
		cmocka_unit_test(real_servers_take_all_back),
		cmocka_unit_test(buffer_size),
		cmocka_unit_test(down),
		cmocka_unit_test(trouble),
		cmocka_unit_test(hooks_and_cache_dir),
		cmocka_unit_test(netns),
		cmocka_unit_test(container),
		cmocka_unit_test(director),
		cmocka_unit_test(real_server),
		cmocka_unit_test(families_exclude_each_other),
		cmocka_unit_test(formats_exclude_each_other),
		cmocka_unit_test(recordings),
		cmocka_unit_test(counting),
		cmocka_unit_test(names_and_labels),
		cmocka_unit_test(bad_intervals),
		cmocka_unit_test(counting_excludes_rows),
		cmocka_unit_test(unknown_options),
		cmocka_unit_test(unknown_letter_beyond_ascii),
		cmocka_unit_test(values_missing_or_too_many),
		cmocka_unit_test(words_without_dash),
		cmocka_unit_test(argv_keeps_its_order),
		cmocka_unit_test(starts_anew_each_time),
		cmocka_unit_test(no_words_at_all),
		cmocka_unit_test(help_calls_the_program_by_its_name),
		cmocka_unit_test(help_fits_a_terminal),
		cmocka_unit_test(help_lists_what_the_parser_takes),
		cmocka_unit_test(help_and_manual_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
