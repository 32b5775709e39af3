/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the same file of /proc/net in every network namespace. */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Called for each line: @len bytes, without the newline; @netns: inode number of the namespace. */
typedef void (*namespaces_line)(void *cookie, const char *line, size_t len, uint32_t netns);

/** Called before each part of a file is read, and before each namespace: false ends the reading. */
typedef bool (*namespaces_go_on)(void *cookie);

/**
 * namespaces_read - read each line of a file in /proc/net of each network namespace, once
 * @proc_root: where procfs is mounted: "/proc"
 * @name:      "tcp", ...; namespaces without that file are skipped
 * @go_on:     NULL: read all
 * It reads the namespaces of the processes under @proc_root, and those that are mounted, as "ip netns" does.
 * Return: 0, also if @go_on has ended it, or the negative errno of the first namespace that could not be read; the others are
 *	read anyway.
 */
int namespaces_read(const char *proc_root, const char *name, namespaces_line seen, namespaces_go_on go_on, void *cookie);

#endif
