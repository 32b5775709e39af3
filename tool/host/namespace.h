/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces that the user names, and the one that the tool itself runs in. */
#ifndef NAMESPACE_H
#define NAMESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * namespace_net - find a network namespace
 * @name:      the PID of a process in it, or a path, such as /run/netns/NAME
 * @proc_root: mount point of procfs
 * @inum:      set on 0: its inode number
 * @errmsg:    one line, set on failure
 * Return: 0 or a negative errno.
 */
int namespace_net(const char *name, const char *proc_root, uint32_t *inum, char *errmsg, size_t len);

/** The PID namespace of this process. Both are 0 if it is the host's. */
struct namespace_pid {
	uint32_t inum;
	uint32_t dev;		/* as the kernel has it: 12 bits major, 20 bits minor */
};

/** namespace_own_pid - Source: PROC_PID_INIT_INO, include/linux/proc_ns.h, the same since 3.8 */
struct namespace_pid namespace_own_pid(void);

/** namespace_host_proc - true if /proc has the host's processes: it may, also in a container */
bool namespace_host_proc(void);

#endif
