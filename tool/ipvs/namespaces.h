/* SPDX-License-Identifier: Apache-2.0 */
/* The same file of /proc/net in every network namespace. */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#include <stddef.h>
#include <stdint.h>

/** Called for each line of @len bytes, its end not among them; @netns: inode number of the namespace. */
typedef void (*namespaces_line)(void *cookie, const char *line, size_t len, uint32_t netns);

/**
 * namespaces_read - each line of a file in /proc/net of each network namespace, once
 * @proc_root: where procfs is, "/proc"
 * @name:      "tcp", ...; namespaces without that file are none
 * Namespaces are those of the processes under @proc_root and those that are mounted, as "ip netns" does.
 * Return: 0, or the negative errno of the first namespace that could not be read; the others were.
 */
int namespaces_read(const char *proc_root, const char *name, namespaces_line seen, void *cookie);

#endif
