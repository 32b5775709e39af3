/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's lists of CPUs. */
#ifndef CPUS_H
#define CPUS_H

#include <stdbool.h>
#include <stddef.h>

/** cpus_possible - the largest number of CPUs that this machine can have, at least 1 */
size_t cpus_possible(void);

/**
 * cpus_online - call @online for each CPU that is online now
 * Return: false if the kernel's list cannot be read.
 */
bool cpus_online(void (*online)(void *cookie, size_t cpu), void *cookie);

#endif
