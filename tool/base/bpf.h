/* SPDX-License-Identifier: Apache-2.0 */
/* bpf(2), for maps and links. */
#ifndef BPF_CALL_H
#define BPF_CALL_H

#include "base/abi.h"

#include <stdint.h>

/** bpf_call - call bpf(2); Return: its result, or a negative errno */
int bpf_call(int cmd, union bpf_attr *attr);

/**
 * bpf_update - set a map's value
 * @flags: BPF_ANY; BPF_NOEXIST: -EEXIST if the key exists; BPF_EXIST: -ENOENT if it does not
 * Return: 0 or a negative errno.
 */
int bpf_update(int map_fd, const void *key, const void *value, uint64_t flags);

/** bpf_delete - remove a map's element; Return: 0 or a negative errno, -ENOENT if there is none */
int bpf_delete(int map_fd, const void *key);

/** bpf_lookup - copy a map's value; Return: 0 or a negative errno, -ENOENT if there is none */
int bpf_lookup(int map_fd, const void *key, void *value);

/**
 * bpf_wait - wait until each BPF program that runs now has ended
 * It takes some milliseconds. If the kernel refuses membarrier(2), as with nohz_full, it takes 50: a program runs for some
 * microseconds, but interrupts may stop it for longer.
 * Source: membarrier_global, kernel/sched/membarrier.c, waits for all readers of RCU; programs on kprobes and tracepoints
 *	are such readers: trace_call_bpf() and __bpf_trace_run(), kernel/trace/bpf_trace.c
 */
void bpf_wait(void);

/**
 * bpf_link_event - attach a program to a perf event for as long as the link is open
 * Return: the link's descriptor, or a negative errno: before 5.15 there are no such links.
 */
int bpf_link_event(int program_fd, int event_fd);

/** bpf_link_info - get information about a link to an event; Return: bytes that the kernel has set, or a negative errno */
int bpf_link_info(int link_fd, struct bpf_link_info *info);

/**
 * bpf_next - get the key after @key, or the first one if no element has that key
 * @next: may be @key
 * Return: 0, -ENOENT after the last one, or another negative errno.
 */
int bpf_next(int map_fd, const void *key, void *next);

#endif
