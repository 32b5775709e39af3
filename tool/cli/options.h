/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. Pure: reads argv, prints nothing but help. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "cli/filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum hook_wish { HOOK_WISH_ANY, HOOK_WISH_RAW, HOOK_WISH_TRACEPOINT, HOOK_WISH_KPROBE };

struct options {
	bool help, version, ebpf, verbose;
	bool time, timestamp, wide, csv, json;
	bool journal;
	bool check, rehearse;
	bool all, ipv4, ipv6;
	bool extended;
	bool retransmits;			/* of every segment, not of the first SYN only */
	uint64_t down;				/* failed connects in a row until a real server is; 0: not said */
	struct port_list lports, rports;
	struct end_list vips, reals;
	uint64_t pid;				/* 0: every process */
	uint64_t count;				/* rows; 0: no end */
	uint64_t seconds;			/* 0: no end */
	uint64_t pages;				/* perf buffer of each CPU; a power of two */
	bool summary, histogram;		/* counts in place of rows; at most one of them */
	bool noclear, milliseconds, states;
	const char *metrics;			/* file; NULL: none */
	uint64_t interval;			/* seconds from table to table; 0: one at the end, metrics each 15 */
	uint64_t tables;			/* stop after so many; 0: no end */
	enum hook_wish hooks;
	bool no_cache;
	const char *cache_dir;
	uint64_t max_conns;			/* sockets followed at a time */
	const char *proc_root;			/* where procfs is */
	const char *record, *replay;		/* files; NULL: none */
	char error[192];			/* one line, set where parsing fails */
};

/**
 * options_parse - read the command line
 * @o:    filled; const ever after; keeps pointers into @argv
 * @argc: as main() has it
 * @argv: not changed
 * Return: 0, or -EINVAL with the cause, the value and the remedy in @o->error.
 */
int options_parse(struct options *o, int argc, char *const argv[]);

/** options_every_socket - whether sockets that IPVS does not handle are shown too: they have no real server */
static inline bool options_every_socket(const struct options *o)
{
	return o->all && !o->reals.n;
}

/** options_counts - whether the programs are to count, and print no rows */
static inline bool options_counts(const struct options *o)
{
	return o->summary || o->histogram || o->metrics;
}

/** options_sends - whether the programs are to send events */
static inline bool options_sends(const struct options *o)
{
	return !options_counts(o) || o->record;
}

/** options_tables - whether what was counted is printed, too */
static inline bool options_tables(const struct options *o)
{
	return o->summary || o->histogram;
}

/**
 * options_help - print usage, options and examples
 * @name: of the program, as it was called
 */
void options_help(FILE *to, const char *name);

#endif
