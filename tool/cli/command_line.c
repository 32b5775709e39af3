/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include "cli/parse.h"
#include "cli/value.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MAX 99999999	/* BCC's tools wait this long if no interval is given */

#define AT(member) offsetof(struct options, member)

enum { RECORD = 270, REPLAY, SUMMARY, HISTOGRAM, DOWN, METRICS, STATES, FORGET, NO_REALTIME, FORWARDED, PROGRAMS, SAVE_PROGRAMS,
       NAMES, LABELS_OF, MAX_LABELS, IN_NETNS, IN_CONTAINER, FAILED, SLOW, SERVER };

static const struct option_row rows[] = {
	{ 'h', "help", FLAG, AT(help), NULL, "show this text and stop" },
	{ 'T', "time", FLAG, AT(time), NULL, "include a time column (HH:MM:SS)" },
	{ 't', "timestamp", FLAG, AT(timestamp), NULL,
	  "include a column of seconds since the first row" },
	{ 'w', "wide", FLAG, AT(wide), NULL, "wider columns (fit IPv6 addresses)" },
	{ 's', "csv", FLAG, AT(csv), NULL, "comma-separated values" },
	{ 'x', "extended", FLAG, AT(extended), NULL,
	  "more columns: forwarding method, namespace, age in IPVS, container, ..." },
	{ 'j', "json", FLAG, AT(json), NULL, "one JSON object a line" },
	{ 'Y', "journal", FLAG, AT(journal), NULL, "also log rows to the systemd journal" },
	{ NAMES, "names", FILES, AT(names), "FILE",
	  "show names of services and real servers: lines ADDR[:PORT] NAME" },
	{ 'L', "localport", PORTS, AT(lports), "PORTS", "only these local ports, comma-separated" },
	{ 'D', "remoteport", PORTS, AT(rports), "PORTS",
	  "only these remote ports, comma-separated" },
	{ 'V', "vip", ENDS, AT(vips), "ADDR[:PORT],...",
	  "only these virtual IPs; [ADDR]:PORT for IPv6" },
	{ 'R', "real", ENDS, AT(reals), "ADDR[:PORT],...", "only these real servers" },
	{ 'p', "pid", NUMBER, AT(pid), "PID", "only sockets that this process opened" },
	{ IN_NETNS, "netns", NETNS, AT(netns), "INODE|PID|PATH", "only this network namespace" },
	{ IN_CONTAINER, "container", CONTAINER, AT(container), "ID", "only this container, 12 digits or more; or pod, by its UID" },
	{ '4', "ipv4", FLAG, AT(ipv4), NULL, "only IPv4 sockets" },
	{ '6', "ipv6", FLAG, AT(ipv6), NULL, "only IPv6 sockets" },
	{ 'a', "all", FLAG, AT(all), NULL, "every TCP socket, not only those that IPVS handles" },
	{ FORWARDED, "director", DIRECTOR, AT(director), "[=KIND]",
	  "the connections that IPVS forwards: states, or only their ends" },
	{ SERVER, "server", FLAG, AT(server), NULL,
	  "on a real server: SYN-ACKs sent again, SYNs and ACKs refused or dropped" },
	{ 'r', "retransmits", FLAG, AT(retransmits), NULL,
	  "every retransmit, not only those of the first SYN" },
	{ DOWN, "down", FAILURES, AT(down), "[=N]",
	  "also a row when a real server goes down (N connects failed, 3) or up" },
	{ FAILED, "failures", FORM, AT(failures), "[=FORM]",
	  "only connections that fail: all their rows (whole), or the end" },
	{ SLOW, "slow", NUMBER, AT(slow), "MS", "only connects that took MS milliseconds or more" },
	{ SUMMARY, "summary", FLAG, AT(summary), NULL,
	  "counts for each real server, every INTERVAL seconds" },
	{ HISTOGRAM, "histogram", FLAG, AT(histogram), NULL,
	  "connect times of each real server, as a histogram" },
	{ STATES, "states", FLAG, AT(states), NULL,
	  "with --histogram: times in each TCP state, not connect times" },
	{ METRICS, "metrics", STRING, AT(metrics), "FILE",
	  "counts for Prometheus to FILE, every INTERVAL seconds (15)" },
	{ FORGET, "forget", NUMBER, AT(forget), "SECONDS",
	  "with --metrics: without real servers idle for SECONDS (300)" },
	{ LABELS_OF, "labels", LABELS, AT(labels), "WHICH", "with --metrics: labels of vip, real or both (both)" },
	{ MAX_LABELS, "max-labels", SETS, AT(max_labels), "N",
	  "with --metrics: at most N sets of labels, the rest in \"other\" (512)" },
	{ 'C', "noclear", FLAG, AT(noclear), NULL, "with tables: do not clear the screen" },
	{ 'm', "milliseconds", FLAG, AT(milliseconds), NULL, "with --histogram: in milliseconds" },
	{ 'n', "count", NUMBER, AT(count), "COUNT", "stop after COUNT rows" },
	{ 'd', "duration", NUMBER, AT(seconds), "SECONDS", "stop after SECONDS" },
	{ 'b', "buffer-pages", SIZE, AT(buffer_bytes), "SIZE",
	  "perf buffer of each CPU: 512K, 4M or 4 KiB pages; a power of two (1M)" },
	{ NO_REALTIME, "no-realtime", FLAG, AT(no_realtime), NULL, "read at an ordinary priority, not at a realtime one" },
	{ 263, "max-conns", CONNS, AT(max_conns), "N", "track at most N connections at a time (65536)" },
	{ RECORD, "record", STRING, AT(record), "FILE", "also save the events in FILE, for --replay" },
	{ REPLAY, "replay", STRING, AT(replay), "FILE",
	  "print the rows of a recording; -: stdin; needs no root" },
	{ 'v', "verbose", FLAG, AT(verbose), NULL, "report on stderr what the tool finds and does" },
	{ 261, "check", FLAG, AT(check), NULL,
	  "report what this host has and lacks for tracing, and stop" },
	{ 256, "ebpf", FLAG, AT(ebpf), NULL, "print the text of the BPF program and stop" },
	{ 257, "version", FLAG, AT(version), NULL, "print the version and stop" },
	{ 258, "no-cache", FLAG, AT(no_cache), NULL, "compile again; neither read nor write the cache" },
	{ 259, "cache-dir", STRING, AT(cache_dir), "DIR",
	  "keep compiled programs in DIR (/var/cache/ipvs-tcpstate)" },
	{ PROGRAMS, "programs", STRING, AT(programs), "FILE",
	  "use programs saved on this kernel: no headers, no libbcc; or a folder" },
	{ SAVE_PROGRAMS, "save-programs", STRING, AT(save_programs), "FILE",
	  "compile for this kernel, save in FILE for --programs, and stop" },
	{ 264, "proc-root", STRING, AT(proc_root), "DIR", NULL },
	{ 260, "hooks", HOOKS, AT(hooks), "KIND", NULL },
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Options that exclude --replay: they take effect while events are recorded, or they ask for something else. */
static const char *const not_with_replay[] = {
	"all", "real", "pid", "journal", "retransmits", "duration", "buffer-pages", "no-realtime", "record", "check",
	"ebpf", "no-cache", "cache-dir", "max-conns", "proc-root", "hooks", "summary", "histogram", "states",
	"metrics", "forget", "labels", "max-labels", "noclear", "milliseconds", "programs", "save-programs", "container",
};

/* Options that only matter for rows, which --summary, --histogram and --metrics do not print. */
static const char *const only_for_rows[] = {
	"timestamp", "wide", "extended", "journal", "retransmits", "count", "down", "failures", "slow", "container",
};

static bool is_among(const char *const *names, size_t n, const struct option_row *row)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(row->name, names[i]))
			return true;
	return false;
}

#define IS_AMONG(names, row) is_among(names, sizeof(names) / sizeof((names)[0]), row)

/* Abbreviations that are unique among the options of tcpstates, but ambiguous among ours.
 * They mean the same as in tcpstates. */
static const struct abbreviation {
	const char *text;
	int letter;
} abbreviations[] = {
	{ "c", 's' }, { "e", 256 }, { "h", 'h' }, { "j", 'Y' }, { "l", 'L' }, { "r", 'D' }, { "re", 'D' },
};

enum { N_ABBREVIATIONS = sizeof(abbreviations) / sizeof(abbreviations[0]) };

/* Returns has_arg of struct option, for getopt_long(). */
static int has_value(const struct option_row *row)
{
	return row->kind == FLAG ? no_argument : *row->value == '[' ? optional_argument : required_argument;
}

static const struct option_row *find_row(int letter)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static int refuse(struct options *o, int what, const char *word)
{
	const struct option_row *row = find_row(optopt);

	if (what == ':' && row)
		return parse_error(o, "--%s: value missing; give --%s %s", row->name, row->name, row->value);
	if (row && row->kind == FLAG)
		return parse_error(o, "'%.64s': --%s takes no value", word, row->name);
	if (optopt > 0 && optopt < 128)
		return parse_error(o, "unknown option '-%c'; see --help", optopt);
	return parse_error(o, "unknown or ambiguous option '%.64s'; see --help", word);
}

/* Arguments that belong to no option. */
struct words {
	const char *word[3];		/* one more than the tool accepts */
	size_t n;
};

static void add_word(struct words *w, const char *word)
{
	if (w->n < sizeof(w->word) / sizeof(w->word[0]))
		w->word[w->n++] = word;
}

/* Parses INTERVAL and COUNT, which BCC's tools accept in the same way. */
static int parse_words(struct options *o, const struct words *w)
{
	static const char *const names[] = { "INTERVAL", "COUNT" };
	uint64_t *targets[] = { &o->interval, &o->tables };

	if (w->n && !options_counts(o))
		return parse_error(o, "unexpected word '%.64s'; see --help", w->word[0]);
	if (w->n > 2)
		return parse_error(o, "unexpected word '%.64s'; see --help", w->word[2]);
	for (size_t i = 0; i < w->n; i++)
		if (value_number(w->word[i], strlen(w->word[i]), INTERVAL_MAX, targets[i]) || !*targets[i])
			return parse_error(o, "%s '%.64s': give a number from 1 to %d", names[i], w->word[i], INTERVAL_MAX);
	return 0;
}

/* @rows_option: a given option that only matters for rows, or NULL */
static int check_counting(struct options *o, const struct option_row *rows_option)
{
	const char *name = o->summary ? "summary" : o->histogram ? "histogram" : "metrics";

	if (o->summary && o->histogram)
		return parse_error(o, "--summary and --histogram exclude each other; give one");
	if (options_counts(o) && rows_option)
		return parse_error(o, "--%s and --%s exclude each other: it prints no rows; give one", name, rows_option->name);
	if ((o->noclear || o->milliseconds) && !options_tables(o))
		return parse_error(o, "--%s: goes with --summary or --histogram only",
			    o->noclear ? "noclear" : "milliseconds");
	if (o->forget && !o->metrics)
		return parse_error(o, "--forget: goes with --metrics only");
	if ((o->labels || o->max_labels != PARSE_LABELS_DEFAULT) && !o->metrics)
		return parse_error(o, "--%s: goes with --metrics only", o->labels ? "labels" : "max-labels");
	if (options_counts(o) && o->director == DIRECTOR_ENDS)
		return parse_error(o, "--%s and --director=ends exclude each other: begin and end do not tell what became of a "
			    "connection; give --director=states", name);
	if (o->server && (o->histogram || o->metrics))
		return parse_error(o, "--%s and --server exclude each other: give --summary, or run the tool twice",
			    o->histogram ? "histogram" : "metrics");
	if (o->states && !o->histogram)
		return parse_error(o, "--states: goes with --histogram only");
	return 0;
}

/* @unfit: an option that does not go with --replay; NULL: none was given */
static int check_pairs(struct options *o, const struct option_row *unfit)
{
	if (o->csv && o->json)
		return parse_error(o, "-s and -j exclude each other; give one");
	if (o->ipv4 && o->ipv6)
		return parse_error(o, "-4 and -6 exclude each other; give one, or none for both");
	if (o->director && o->pid)
		return parse_error(o, "--director and --pid exclude each other: forwarded connections have no process; give one");
	if (o->director && o->container)
		return parse_error(o, "--director and --container exclude each other: forwarded connections have no process; give one");
	if (o->replay && o->netns && !o->netns_inum)
		return parse_error(o, "--netns '%.64s': a recording has inode numbers only; give one, as -x shows them", o->netns);
	if (o->server && o->director)
		return parse_error(o, "--server and --director exclude each other: run the tool twice; give one");
	if (o->server && (o->pid || o->container || o->reals.n))
		return parse_error(o, "--server and --%s exclude each other: there is no process yet, and no other real server than "
			    "this host; give one", o->pid ? "pid" : o->container ? "container" : "real");
	if (o->server && !o->all && !o->replay && (o->retransmits || o->down || o->slow))
		return parse_error(o, "--%s: --server alone shows no connects and no data; leave it out, or add -a",
			    o->retransmits ? "retransmits" : o->down ? "down" : "slow");
	if (o->director && o->retransmits && !o->all)
		return parse_error(o, "--retransmits: --director shows SYNs sent again, and IPVS knows no others; leave it out, or "
			    "add -a");
	if (o->slow && o->director == DIRECTOR_ENDS)
		return parse_error(o, "--slow and --director=ends exclude each other: begin and end do not tell how long a connect "
			    "took; give --director=states");
	if (o->replay && unfit)
		return parse_error(o, "--replay and --%s exclude each other: a recording is printed as it was traced; "
			    "give one", unfit->name);
	if (o->programs && o->save_programs)
		return parse_error(o, "--programs and --save-programs exclude each other; give one");
	return 0;
}

int options_parse(struct options *o, int argc, char *const argv[])
{
	struct option longs[N_ROWS + N_ABBREVIATIONS + 1] = { 0 };
	const struct option_row *unfit = NULL, *rows_option = NULL;
	struct words words = { .n = 0 };
	char shorts[2 * N_ROWS + 3];
	size_t len = 0;
	int c, err;

	memset(o, 0, sizeof(*o));
	o->buffer_bytes = PARSE_BUFFER_DEFAULT;
	o->max_conns = PARSE_CONNS_DEFAULT;
	o->max_labels = PARSE_LABELS_DEFAULT;
	o->proc_root = "/proc";
	shorts[len++] = '-';	/* words are returned in order, as option 1; argv is not changed */
	shorts[len++] = ':';
	for (size_t i = 0; i < N_ROWS; i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg = has_value(&rows[i]);
		longs[i].val = rows[i].letter;
		if (rows[i].letter > 255)
			continue;
		shorts[len++] = (char)rows[i].letter;
		if (rows[i].kind != FLAG)
			shorts[len++] = ':';
	}
	for (size_t i = 0; i < N_ABBREVIATIONS; i++) {
		const struct option_row *row = find_row(abbreviations[i].letter);
		bool flag = row && row->kind == FLAG;

		longs[N_ROWS + i].name = abbreviations[i].text;
		longs[N_ROWS + i].has_arg = flag ? no_argument : required_argument;
		longs[N_ROWS + i].val = abbreviations[i].letter;
	}
	shorts[len] = '\0';
	opterr = 0;
	optind = 0;	/* glibc: restart the scan */
	for (;;) {
		int at = optind ? optind : 1;	/* the word that getopt_long() looks at next */
		const struct option_row *row;

		c = getopt_long(argc, argv, shorts, longs, NULL);
		if (c == -1)
			break;
		if (c == 1) {
			add_word(&words, optarg);
			continue;
		}
		row = c == '?' || c == ':' ? NULL : find_row(c);
		if (row && optarg && argv[at][2] == '=')
			optarg++;	/* "-L=80", which tcpstates accepts too */
		err = row ? parse_value(o, row, optarg) : refuse(o, c, argv[at]);
		if (err)
			return err;
		if (IS_AMONG(not_with_replay, row))
			unfit = row;
		if (IS_AMONG(only_for_rows, row))
			rows_option = row;
	}
	while (optind < argc)
		add_word(&words, argv[optind++]);
	err = parse_words(o, &words);
	if (err)
		return err;
	err = check_pairs(o, unfit);
	return err ? err : check_counting(o, rows_option);
}

void options_help(FILE *to, const char *name)
{
	fprintf(to, "usage: %s [-hTtwsxjYarv] [-L PORTS] [-D PORTS] [-4 | -6] [-V ADDR[:PORT],...]\n"
		"          [-R ADDR[:PORT],...] [-p PID] [--netns INODE|PID|PATH] [--container ID]\n"
		"          [-n COUNT] [-d SECONDS] [-b SIZE]\n"
		"          [--director[=states|ends] | --server] [--failures[=whole|end]] [--slow MS] [--down[=N]]\n"
		"          [--record FILE | --replay FILE]\n"
		"          [--summary | --histogram [--states] [-m]] [-C] [--metrics FILE] [INTERVAL [COUNT]]\n\n"
		"Trace TCP state changes with durations, and the IPVS real server of each connection.\n\n"
		"options:\n", name);
	for (size_t i = 0; i < N_ROWS; i++) {
		char left[64], letter[8] = "    ";

		if (!rows[i].help)
			continue;
		if (rows[i].letter < 256)
			snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, rows[i].name,
			 has_value(&rows[i]) == required_argument ? " " : "", rows[i].value ? rows[i].value : "");
		fprintf(to, "  %-26s %s\n", left, rows[i].help);
	}
	fprintf(to, "\nexamples:\n"
		"  %s           # connections that IPVS handles\n"
		"  %s -a        # all TCP connections, as tcpstates\n"
		"  %s -T        # with the time of day\n"
		"  %s -tw       # with seconds since the first row, wide enough for IPv6\n"
		"  %s -stT      # CSV with times and timestamps\n"
		"  %s -Y        # also to the systemd journal\n"
		"  %s -D 80,443 # only remote ports 80 and 443\n"
		"  %s --down    # also report real servers that go down or up\n"
		"  %s --failures # only connections that fail\n"
		"  %s -n 1      # stop after one row\n"
		"  %s --summary 5      # counts for each real server, every 5 seconds\n"
		"  %s --histogram 10 1 # connect times, once, after 10 seconds\n",
		name, name, name, name, name, name, name, name, name, name, name, name);
}
