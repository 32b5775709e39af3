/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One perf buffer per CPU. The kernel wakes the tool only once a buffer holds
 * enough. The caller's time limit bounds the delay of smaller amounts.
 */
#ifndef PERFBUF_H
#define PERFBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct perfbuf_ring {
	int fd;				/* -1: this CPU has none */
	void *base;			/* one control page, then the data pages */
	bool online, was_online;	/* its CPU, at the last check and at the one before */
};

struct perfbuf {
	size_t n;			/* rings, indexed by CPU number */
	struct perfbuf_ring *rings;
	size_t data_size;		/* bytes per CPU, a power of two */
	int epoll_fd;
	char *scratch;			/* copy of a record that wraps around the buffer's end */
};

/** perfbuf_size - the size of a buffer for which @size bytes are asked, if a page has @page bytes; both are powers of two */
static inline size_t perfbuf_size(size_t size, size_t page)
{
	return size < page ? page : size;
}

/** Called for each sample, in the order of its CPU's buffer; @data is not aligned. */
typedef void (*perfbuf_sample)(void *cookie, const void *data, size_t len);

/**
 * perfbuf_open - map a buffer for each online CPU and put it into @map_fd
 * @p:      filled, on failure too; the caller calls perfbuf_close()
 * @map_fd: the BPF_MAP_TYPE_PERF_EVENT_ARRAY that the programs send to
 * @size:   bytes per CPU, for perfbuf_size()
 * Return: 0 or a negative errno.
 */
int perfbuf_open(struct perfbuf *p, int map_fd, size_t size);

/**
 * perfbuf_wait - wait until a buffer is one eighth full, at most @timeout_ms
 * Return: 0, or -EINTR after a signal.
 */
int perfbuf_wait(struct perfbuf *p, int timeout_ms);

/** perfbuf_wake_by - wait no longer when @fd can be read; Return: 0 or a negative errno */
int perfbuf_wake_by(struct perfbuf *p, int fd);

/**
 * perfbuf_drain - pass all samples that the buffers hold now to @sample
 * Source: perf_output_begin(), kernel/events/ring_buffer.c; perf_event_mmap_page's own comments
 */
void perfbuf_drain(struct perfbuf *p, perfbuf_sample sample, void *cookie);

/**
 * perfbuf_update_cpus - open buffers for the CPUs that came online since the last check; the caller drains before
 * The kernel ends a buffer when its CPU goes offline. A CPU that comes online again needs a new one.
 * @on_cpu: called with the number of each such CPU, and 0, or the negative errno if it has no buffer
 * Source: perf_event_exit_cpu(), kernel/events/core.c
 */
void perfbuf_update_cpus(struct perfbuf *p, int map_fd, void (*on_cpu)(int cpu, int err));

/** perfbuf_close - unmap and close all; @p may be NULL or half open */
void perfbuf_close(struct perfbuf *p);

#endif
