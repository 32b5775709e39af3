/* SPDX-License-Identifier: Apache-2.0 */
/* bpf(2), and what it does with maps. */
#ifndef BPF_CALL_H
#define BPF_CALL_H

#include "base/abi.h"

#include <stdint.h>

/** bpf_call - Return: what the system call gives, or its negative errno */
int bpf_call(int cmd, union bpf_attr *attr);

/**
 * bpf_update - set a map's value
 * @flags: BPF_ANY; BPF_NOEXIST: -EEXIST where it is there already; BPF_EXIST: -ENOENT where it is not
 * Return: 0 or a negative errno.
 */
int bpf_update(int map_fd, const void *key, const void *value, uint64_t flags);

/** bpf_delete - remove a map's element; Return: 0 or a negative errno, -ENOENT where there is none */
int bpf_delete(int map_fd, const void *key);

/** bpf_lookup - copy a map's value; Return: 0 or a negative errno, -ENOENT where there is none */
int bpf_lookup(int map_fd, const void *key, void *value);

/**
 * bpf_link_event - let a program run at a perf event for as long as the link is open
 * Return: the link's descriptor, or a negative errno: before 5.15 there are none.
 */
int bpf_link_event(int program_fd, int event_fd);

/** bpf_link_info - what the kernel tells of a link to an event; Return: how many bytes of it the kernel has, or a negative errno */
int bpf_link_info(int link_fd, struct bpf_link_info *info);

/**
 * bpf_next - the key after @key, or the first one where no entry has that key
 * @next: may be @key
 * Return: 0, -ENOENT after the last one, or another negative errno.
 */
int bpf_next(int map_fd, const void *key, void *next);

#endif
