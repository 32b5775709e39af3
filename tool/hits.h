/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel has counted at kprobes that live and die with their descriptors: it does for each, and until 6.7 it shows
 * it nowhere. So it is read from its memory, once the kprobe was seen to be registered.
 */
#ifndef HITS_H
#define HITS_H

#include "hooks.h"
#include "peek.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HITS_WATCHED "register_kprobe"	/* the function that the kernel registers them by */

struct hits {
	struct peek peek;
	int program_fd;
	bool open;
	uint64_t kprobe[HOOK_FACTS];	/* kernel address of the fact's struct kprobe; 0: not known */
	uint64_t nhit[HOOK_FACTS];	/* its counter of each CPU */
	size_t cpus;			/* that may ever be there */
	uint64_t *offset;		/* of each CPU's variables; 0: not known */
};

/** hits_init - nothing known yet */
void hits_init(struct hits *h);

/**
 * hits_open - load what is needed; the program @h->program_fd is then to be put on a kprobe on HITS_WATCHED
 * @h:            filled; on failure too: hits_close() it
 * @read_helper:  as in struct host
 * @kern_version: as in struct loaded
 * Return: 0 or a negative errno; -ENOTSUP on machines whose registers we do not know.
 */
int hits_open(struct hits *h, int read_helper, uint32_t kern_version);

/** hits_expect - the kprobe of a fact is about to be registered, not enabled yet */
void hits_expect(struct hits *h);

/**
 * hits_find - it has been; find its counters
 * @function: that it is on
 * Return: 0; -EAGAIN where somebody else registered one, too; -ENOENT where it was not seen to be, or does not look like
 *	one; or another negative errno.
 * Source: struct kprobe, struct kretprobe, include/linux/kprobes.h; struct trace_kprobe, kernel/trace/trace_kprobe.c. From
 *	4.17 to 6.6 nothing before the name was moved, and the counters of each CPU are before the second pointer to it.
 */
int hits_find(struct hits *h, enum hook_fact fact, const char *function);

/** hits_forget - the kprobe is about to go */
void hits_forget(struct hits *h, enum hook_fact fact);

/** hits_follow - look for CPUs that have come */
void hits_follow(struct hits *h);

/**
 * hits_read - what is counted
 * @missed: hits in the course of another kprobe's, which ran no program
 * @hits:   all hits, also those, on the CPUs that are known
 * Return: whether it is known.
 * Source: kprobes_inc_nmissed_count(), kernel/kprobes.c; kprobe_dispatcher(), kernel/trace/trace_kprobe.c
 */
bool hits_read(struct hits *h, enum hook_fact fact, uint64_t *missed, uint64_t *hits);

/** hits_close - give all back */
void hits_close(struct hits *h);

#endif
