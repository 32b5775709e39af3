/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. Pure: reads argv, prints only the help. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "cli/filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum hook_choice { HOOK_CHOICE_ANY, HOOK_CHOICE_RAW, HOOK_CHOICE_TRACEPOINT, HOOK_CHOICE_KPROBE };

/* Which labels the metrics have: those of the virtual service, those of the real server, or both. */
enum label_choice { LABELS_BOTH, LABELS_VIP, LABELS_REAL };

enum director {
	DIRECTOR_OFF, DIRECTOR_STATES, DIRECTOR_ENDS,
#ifdef __aarch64__	/* a kprobe is an exception there: it costs several times as much, and one is hit for each packet */
	DIRECTOR_DEFAULT = DIRECTOR_ENDS
#else
	DIRECTOR_DEFAULT = DIRECTOR_STATES
#endif
};

enum failures { FAILURES_OFF, FAILURES_WHOLE, FAILURES_END };

struct options {
	bool help, version, ebpf, verbose;
	bool time, timestamp, wide, csv, json;
	bool journal;
	bool check;
	bool all, ipv4, ipv6;
	bool extended;
	enum director director;			/* rows of IPVS's own entries */
	bool server;				/* rows of connections that have no socket on this host, a real server */
	bool retransmits;			/* of every segment, not only of the first SYN */
	uint64_t down;				/* failed connects in a row until a real server is down; 0: not reported */
	enum failures failures;			/* only connections that fail: all their rows, or those of the failure */
	uint64_t slow;				/* milliseconds: only connects that took as long; 0: all */
	struct port_list lports, rports;
	struct address_list vips, reals;
	uint64_t pid;				/* 0: every process */
	const char *netns;			/* inode number, PID or path; NULL: every network namespace */
	uint32_t netns_inum;			/* 0 for a PID or a path: main() finds it */
	const char *container;			/* the begin of its ID, or the UID of a pod; NULL: all */
	uint64_t count;				/* rows to print; 0: no limit */
	uint64_t seconds;			/* time to trace; 0: no limit */
	uint64_t buffer_bytes;			/* size of the perf buffer of each CPU; a power of two */
	bool no_realtime;			/* read at an ordinary priority */
	bool summary, histogram;		/* print counts, not rows; at most one is set */
	bool noclear, milliseconds, states;
	const char *metrics;			/* file; NULL: none */
	uint64_t forget;			/* seconds until an idle real server leaves the metrics; 0: default */
	enum label_choice labels;
	uint64_t max_labels;			/* sets of labels in the metrics */
	struct file_list names;			/* files with names of addresses */
	uint64_t interval;			/* seconds between tables; 0: one at the end, metrics every 15 */
	uint64_t tables;			/* number of tables to print; 0: no limit */
	enum hook_choice hooks;
	bool no_cache;
	const char *cache_dir;
	uint64_t max_conns;			/* sockets tracked at a time */
	const char *proc_root;			/* mount point of procfs */
	const char *programs, *save_programs;	/* files, or a folder of them; NULL: none */
	const char *record, *replay;		/* files; NULL: none */
	char error[192];			/* one line, set if parsing fails */
};

/**
 * options_parse - read the command line
 * @o:    filled; the caller does not change it later; keeps pointers into @argv
 * @argc: as main() has it
 * @argv: not changed
 * Return: 0, or -EINVAL with the cause, the value and the remedy in @o->error.
 */
int options_parse(struct options *o, int argc, char *const argv[]);

/** options_every_socket - true if the tool also shows sockets that IPVS does not handle; -R excludes them: no real server */
static inline bool options_every_socket(const struct options *o)
{
	return o->all && !o->reals.n;
}

/** options_sockets - true if the tool shows sockets */
static inline bool options_sockets(const struct options *o)
{
	return (!o->director && !o->server) || o->all;
}

/** options_counts - true if the BPF programs count, and the tool prints no rows */
static inline bool options_counts(const struct options *o)
{
	return o->summary || o->histogram || o->metrics;
}

/** options_sends - true if the BPF programs send events */
static inline bool options_sends(const struct options *o)
{
	return !options_counts(o) || o->record;
}

/** options_containers - true if the tool looks for the containers of the processes that open sockets */
static inline bool options_containers(const struct options *o)
{
	return !options_counts(o) && options_sockets(o) && (o->extended || o->json || o->journal || o->container);
}

/** options_trouble - true if the tool shows only what has failed or was slow */
static inline bool options_trouble(const struct options *o)
{
	return o->failures || o->slow;
}

/** options_hold_back - true if the BPF programs send no other rows; --down needs the connects that succeed, too */
static inline bool options_hold_back(const struct options *o)
{
	return options_trouble(o) && !o->down;
}

/** options_tables - true if the tool prints the counts as tables */
static inline bool options_tables(const struct options *o)
{
	return o->summary || o->histogram;
}

/**
 * options_help - print usage, options and examples
 * @name: name of the program, as the user called it
 */
void options_help(FILE *to, const char *name);

#endif
