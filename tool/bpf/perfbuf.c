/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/perfbuf.h"

#include "base/abi.h"
#include "base/cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A record's size is 16 bits wide. */
#define RECORD_MAX 65536

/* The kernel wakes the reader when a buffer is 1/WATERMARK full. The rest holds what arrives until the reader runs. */
#define WATERMARK 8

static void mark_online(void *cookie, size_t cpu)
{
	struct perfbuf *p = cookie;

	if (cpu < p->n)
		p->rings[cpu].online = true;
}

static int open_buffer_event(int cpu, size_t watermark)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.size = sizeof(attr),
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)watermark,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int set_map_element(int map_fd, int cpu, int fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));	/* an initializer clears one member only, from gcc 15 on */
	attr.map_fd = (uint32_t)map_fd;
	attr.key = (uintptr_t)&cpu;
	attr.value = (uintptr_t)&fd;
	return syscall(__NR_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) ? -errno : 0;
}

static int open_ring(struct perfbuf *p, int map_fd, int cpu)
{
	struct perfbuf_ring *ring = &p->rings[cpu];
	struct epoll_event event = { .events = EPOLLIN };
	int fd = open_buffer_event(cpu, p->data_size / WATERMARK);

	if (fd == -ENODEV || fd == -ENXIO)
		return 0;	/* not online */
	if (fd < 0)
		return fd;
	ring->fd = fd;
	ring->base = mmap(NULL, p->data_size + (size_t)getpagesize(), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	if (ring->base == MAP_FAILED) {
		ring->base = NULL;
		return -errno;
	}
	if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) ||
	    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return set_map_element(map_fd, cpu, fd);
}

int perfbuf_open(struct perfbuf *p, int map_fd, size_t size)
{
	int err = 0;

	memset(p, 0, sizeof(*p));
	p->n = cpus_possible();
	p->data_size = perfbuf_size(size, (size_t)getpagesize());
	p->scratch = malloc(RECORD_MAX);
	p->rings = calloc(p->n, sizeof(*p->rings));
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!p->rings || !p->scratch) {
		p->n = 0;
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->n; i++)
		p->rings[i].fd = -1;
	if (p->epoll_fd < 0)
		return -errno;
	for (size_t i = 0; i < p->n && !err; i++) {
		err = open_ring(p, map_fd, (int)i);
		p->rings[i].online = p->rings[i].fd >= 0;
	}
	return err;
}

static void close_ring(struct perfbuf *p, struct perfbuf_ring *ring)
{
	if (ring->base)
		munmap(ring->base, p->data_size + (size_t)getpagesize());
	if (ring->fd >= 0)
		close(ring->fd);
	ring->base = NULL;
	ring->fd = -1;
}

void perfbuf_update_cpus(struct perfbuf *p, int map_fd, void (*on_cpu)(int cpu, int err))
{
	for (size_t i = 0; i < p->n; i++) {
		p->rings[i].was_online = p->rings[i].online;
		p->rings[i].online = false;
	}
	if (!cpus_online(mark_online, p))	/* the list cannot be read now: no change */
		for (size_t i = 0; i < p->n; i++)
			p->rings[i].online = p->rings[i].was_online;
	for (size_t i = 0; i < p->n; i++) {
		struct perfbuf_ring *ring = &p->rings[i];
		int err;

		if (ring->was_online || !ring->online)
			continue;
		close_ring(p, ring);
		err = open_ring(p, map_fd, (int)i);
		if (err)
			close_ring(p, ring);
		on_cpu((int)i, err);
	}
}

int perfbuf_wait(struct perfbuf *p, int timeout_ms)
{
	struct epoll_event event;

	return epoll_wait(p->epoll_fd, &event, 1, timeout_ms) < 0 ? -errno : 0;
}

int perfbuf_wake_by(struct perfbuf *p, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Returns the record at @tail, in one piece. */
static const struct perf_event_header *record_at(struct perfbuf *p, const char *data, uint64_t tail)
{
	size_t at = tail & (p->data_size - 1);
	const struct perf_event_header *head = (const void *)(data + at);
	size_t first = p->data_size - at;

	if (head->size <= first)	/* a header never wraps: records are 8-byte aligned */
		return head;
	memcpy(p->scratch, head, first);
	memcpy(p->scratch + first, data, head->size - first);
	return (const void *)p->scratch;
}

static void drain_ring(struct perfbuf *p, struct perfbuf_ring *ring, perfbuf_sample sample,
		       void *cookie)
{
	struct perf_event_mmap_page *control = ring->base;
	const char *data = (const char *)ring->base + getpagesize();
	uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = control->data_tail;

	while (tail != head) {
		const struct perf_event_header *record = record_at(p, data, tail);

		/* PERF_RECORD_LOST is ignored: the programs count what did not fit. */
		if (record->type == PERF_RECORD_SAMPLE) {
			const char *raw = (const char *)(record + 1);
			uint32_t len;

			memcpy(&len, raw, sizeof(len));
			sample(cookie, raw + sizeof(len), len);
		}
		tail += record->size;
	}
	__atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
}

void perfbuf_drain(struct perfbuf *p, perfbuf_sample sample, void *cookie)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->rings[i].base)
			drain_ring(p, &p->rings[i], sample, cookie);
}

void perfbuf_close(struct perfbuf *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		close_ring(p, &p->rings[i]);
	free(p->rings);
	free(p->scratch);
	if (p->epoll_fd > 0)
		close(p->epoll_fd);
	memset(p, 0, sizeof(*p));
}
