/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of control groups, v2: from the ID that a BPF program reads to the path. A group has its ID as long as it
 * exists. The tool reads the tree once, and then watches it with inotify, so it also knows the groups that are gone.
 */
#ifndef CGROUPS_H
#define CGROUPS_H

#include "host/container.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * Called for each group, when it is first seen.
 * @id:     the lower half of its ID: its inode number, see kernfs_ino(), include/linux/kernfs.h
 * @inside: its container
 */
typedef void (*cgroups_seen)(void *cookie, uint32_t id, const struct container *inside);

struct cgroups {
	char mount[PATH_MAX];		/* "": the host has no v2 hierarchy that this process sees */
	int fd;				/* inotify; -1: not watched */
	int err;			/* negative errno if a group could not be watched */
	char **path;			/* by watch; NULL: not in use */
	size_t n;			/* watches, up to the last one in use */
	cgroups_seen seen;
	void *cookie;
};

/** cgroups_open - find the v2 hierarchy, read and watch it; fails into @g->mount or @g->err; the caller calls cgroups_close() */
void cgroups_open(struct cgroups *g, cgroups_seen seen, void *cookie);

/**
 * cgroups_find - find where the v2 hierarchy is mounted
 * @mount: "" if it is not mounted
 * Return: true if all of it is there: only the root of a hierarchy has inode number 1
 * Source: kernfs_create_root(), fs/kernfs/dir.c
 */
bool cgroups_find(char mount[PATH_MAX]);

/** cgroups_follow - handle what has changed since; does not wait */
void cgroups_follow(struct cgroups *g);

/** cgroups_id - the lower half of the ID of the group at @path, @len bytes; 0: there is none */
uint32_t cgroups_id(const struct cgroups *g, const char *path, size_t len);

void cgroups_close(struct cgroups *g);

#endif
