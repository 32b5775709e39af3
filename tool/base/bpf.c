/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bpf.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int bpf_call(int cmd, union bpf_attr *attr)
{
	long n = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return n < 0 ? -errno : (int)n;
}

int bpf_update(int map_fd, const void *key, const void *value, uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));	/* an initializer clears one member only, from gcc 15 on */
	attr.flags = flags;
	attr.map_fd = (uint32_t)map_fd;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	return bpf_call(BPF_MAP_UPDATE_ELEM, &attr);
}

int bpf_delete(int map_fd, const void *key)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map_fd;
	attr.key = (uintptr_t)key;
	return bpf_call(BPF_MAP_DELETE_ELEM, &attr);
}

int bpf_lookup(int map_fd, const void *key, void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map_fd;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	return bpf_call(BPF_MAP_LOOKUP_ELEM, &attr);
}

void bpf_wait(void)
{
#ifdef __NR_membarrier
	if (!syscall(__NR_membarrier, MEMBARRIER_CMD_SHARED, 0))
		return;
#endif
	poll(NULL, 0, 50);
}

int bpf_link_event(int program_fd, int event_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program_fd;
	attr.link_create.target_fd = (uint32_t)event_fd;
	attr.link_create.attach_type = BPF_PERF_EVENT;
	return bpf_call(BPF_LINK_CREATE, &attr);
}

int bpf_link_info(int link_fd, struct bpf_link_info *info)
{
	union bpf_attr attr;
	int err;

	memset(info, 0, sizeof(*info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)link_fd;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uintptr_t)info;
	err = bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr);
	return err ? err : (int)attr.info.info_len;
}

int bpf_next(int map_fd, const void *key, void *next)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map_fd;
	attr.key = (uintptr_t)key;
	attr.next_key = (uintptr_t)next;
	return bpf_call(BPF_MAP_GET_NEXT_KEY, &attr);
}
