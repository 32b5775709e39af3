/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of kernel memory, read by a small BPF program that runs when it is told to; before 5.10, on a timer that is there for
 * as long. No header, no symbol and no privilege is needed but those that programs need anyway, and nothing that others do
 * runs it. (At a page fault of this thread it would cost all page faults of the host: perf's software events are switched on
 * in the kernel's text.)
 */
#ifndef PEEK_H
#define PEEK_H

#include <stddef.h>
#include <stdint.h>

#define PEEK_WORDS 64

/* What the programs have of the tool, and the tool of them: the value of map "peek". */
struct peek_value {
	uint64_t registered, times;	/* see hits.c */
	uint64_t runs;
	uint64_t failed;		/* not 0: words of the last run that could not be read */
	/* Kernel addresses: of both maps, and of their values; that of "spot" on the CPU that it ran on. */
	uint64_t map, value, spot_map, spot_value;
	uint64_t addr[PEEK_WORDS];
	uint64_t word[PEEK_WORDS];
};

enum peek_way {
	PEEK_NOW,	/* from 5.10 on */
	PEEK_TIMER	/* from 4.17 on */
};

struct peek {
	enum peek_way way;
	int map_fd, spot_fd, program_fd;
	struct peek_value value;	/* as last read */
};

/**
 * peek_open_by - make the maps, load the program and try it
 * @p:           filled; on failure too: peek_close() it
 * @read_helper: as in struct host
 * Return: 0 or a negative errno; -EAGAIN where the program does not run.
 */
int peek_open_by(struct peek *p, enum peek_way way, int read_helper);

/** peek_open - peek_open_by(), by the first way that this kernel has */
int peek_open(struct peek *p, int read_helper);

/**
 * peek_words - read words of kernel memory
 * @addr, @word: @n of each, PEEK_WORDS at most
 * Return: 0, -EFAULT where one of them cannot be read, or another negative errno.
 */
int peek_words(struct peek *p, const uint64_t *addr, uint64_t *word, size_t n);

/**
 * peek_cpu_offset - what the kernel adds to the address of a variable of each CPU for this one
 * Return: 0; -ENXIO, -ENODEV or -EINVAL where it is not online or there is none; or another negative errno.
 * Source: struct bpf_array, include/linux/bpf.h: values of an array, and the pointers to those of each CPU, have the same
 *	place in it, from 4.6 to 7.x; SHIFT_PERCPU_PTR(), include/linux/percpu-defs.h
 */
int peek_cpu_offset(struct peek *p, int cpu, uint64_t *offset);

/** peek_close - take the program off and give all back */
void peek_close(struct peek *p);

#endif
