/* SPDX-License-Identifier: Apache-2.0 */
/*
 * churn NAME...: adds an element to each BPF map of these names and removes it again, all the time, until a signal arrives.
 * A program that interrupts this cannot change the map on kernels from 5.11 to 6.5. The key has all bits set.
 * Prints "ready" on stdout as soon as it has found a map.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPS 16
#define SIZE_MAX_BYTES 4096

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int next_id(uint32_t *id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.start_id = *id;
	if (bpf(BPF_MAP_GET_NEXT_ID, &attr))
		return -1;
	*id = attr.next_id;
	return 0;
}

static int open_map(uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_id = id;
	return bpf(BPF_MAP_GET_FD_BY_ID, &attr);
}

/* True if the map has one of these names, and its key and value fit into SIZE_MAX_BYTES. */
static int is_wanted(int fd, char *const *names)
{
	struct bpf_map_info info;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	memset(&info, 0, sizeof(info));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) || info.key_size > SIZE_MAX_BYTES || info.value_size > SIZE_MAX_BYTES)
		return 0;
	while (*names && strcmp(*names, info.name))
		names++;
	return *names != NULL;
}

static void change(int fd)
{
	static unsigned char key[SIZE_MAX_BYTES], value[SIZE_MAX_BYTES];
	union bpf_attr attr;

	memset(key, 0xff, sizeof(key));
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	bpf(BPF_MAP_UPDATE_ELEM, &attr);
	bpf(BPF_MAP_DELETE_ELEM, &attr);
}

int main(int argc, char **argv)
{
	int fds[MAPS], n = 0;
	uint32_t id = 0;

	if (argc < 2)
		return 2;
	while (n < MAPS && !next_id(&id)) {
		fds[n] = open_map(id);
		if (fds[n] >= 0 && is_wanted(fds[n], argv + 1))
			n++;
		else if (fds[n] >= 0)
			close(fds[n]);
	}
	if (!n) {
		fprintf(stderr, "churn: no such map: %s\n", strerror(errno));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		for (int i = 0; i < n; i++)
			change(fds[i]);
}
