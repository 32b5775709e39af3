/* SPDX-License-Identifier: Apache-2.0 */
/* Seccomp filters: which system calls this process may still make. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A system call; with the range of values for its argument number @arg, whose lower 32 bits count; up to UINT32_MAX: any. */
struct call {
	int number;
	uint32_t arg, low, high;
};

struct calls {
	const struct call *call;
	size_t n;
};

/**
 * syscalls_restrict - filter the system calls of this thread, for good; sets no_new_privs
 * @lists: @n_lists lists of calls; an empty list has n 0
 * @allow: only these calls are allowed; else all others are. A call that is not allowed fails with EPERM, and so does each by
 *	the numbers of another architecture, such as a 32-bit or x32 call.
 * Return: 0 or a negative errno: -EINVAL if the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER), -ENOSYS if the tool knows
 *	none for this architecture.
 * Source: Documentation/userspace-api/seccomp_filter.rst
 */
int syscalls_restrict(const struct calls *lists, size_t n_lists, bool allow);

#endif
