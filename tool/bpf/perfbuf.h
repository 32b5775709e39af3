/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A perf buffer per CPU. The kernel wakes us by volume only; the caller's time
 * limit bounds the delay of what is less than that.
 */
#ifndef PERFBUF_H
#define PERFBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct perfbuf_ring {
	int fd;				/* -1: this CPU has none */
	void *base;			/* one control page, then the data pages */
	bool online, was_online;	/* its CPU, at the last look and before */
};

struct perfbuf {
	size_t n;			/* by CPU number */
	struct perfbuf_ring *rings;
	size_t data_size;		/* bytes per CPU, a power of two */
	int epoll_fd;
	char *scratch;			/* a record that wraps around the end */
};

/** Called for each sample, in the order of its CPU's buffer; @data is not aligned. */
typedef void (*perfbuf_sample)(void *cookie, const void *data, size_t len);

/**
 * perfbuf_open - map a buffer for each online CPU and put it into @map_fd
 * @p:      filled; on failure too: perfbuf_close() it
 * @map_fd: the BPF_MAP_TYPE_PERF_EVENT_ARRAY that the programs send to
 * @pages:  per CPU, a power of two
 * Return: 0 or a negative errno.
 */
int perfbuf_open(struct perfbuf *p, int map_fd, size_t pages);

/**
 * perfbuf_wait - wait until a buffer is filled to an eighth, at most @timeout_ms
 * Return: 0, or -EINTR after a signal.
 */
int perfbuf_wait(struct perfbuf *p, int timeout_ms);

/**
 * perfbuf_drain - hand over what all buffers hold now
 * Source: perf_output_begin(), kernel/events/ring_buffer.c; perf_event_mmap_page's own comments
 */
void perfbuf_drain(struct perfbuf *p, perfbuf_sample sample, void *cookie);

/**
 * perfbuf_follow - buffers for CPUs that are there now and were not at the last look; to be drained before
 * A buffer does not outlive its CPU: where that comes again it needs another one.
 * @came: called with the number of each CPU, and 0 or the negative errno for which it has none
 * Source: perf_event_exit_cpu(), kernel/events/core.c
 */
void perfbuf_follow(struct perfbuf *p, int map_fd, void (*came)(int cpu, int err));

/** perfbuf_close - unmap and close all; NULL-safe, half-open is fine */
void perfbuf_close(struct perfbuf *p);

#endif
