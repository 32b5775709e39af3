/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the container of the process that opened a socket:
 *   - by its control group, if the kernel has told it: 4.18 and later, and the group is in the v2 hierarchy
 *   - else by /proc/PID/cgroup at the socket's first row, which is kept for its later rows
 *   - if its process is not known or gone: by the other processes in its network namespace, except the host's. Containers
 *     of a pod share one, so only the pod is known then.
 */
#ifndef CONTAINERS_H
#define CONTAINERS_H

#include "host/cgroups.h"
#include "host/container.h"

#include <stdbool.h>
#include <stdint.h>

struct known;

struct containers {
	const char *proc_root;
	struct cgroups groups;
	bool partial;			/* there are v1 hierarchies too, or not all of v2 is seen: containers may be elsewhere */
	uint32_t host_netns;
	uint64_t scan_after_ns;		/* the earliest time to read all of /proc again */
	struct known *known;		/* a hash table of KNOWN_SETS * KNOWN_WAYS; what is used least is forgotten */
	struct container found;		/* the last answer */
};

struct containers_query {
	uint64_t now_ns;	/* time of the row, CLOCK_MONOTONIC */
	uint32_t cgroup;	/* lower half of the ID of the opener's group, 0: not known */
	uint64_t skaddr;
	uint32_t netns;		/* 0: not known */
	uint32_t pid;		/* the opener's; 0: not known */
	bool opens, ends;	/* the first row of the socket, the last one */
};

/**
 * containers_open - read the control groups
 * @proc_root: mount point of the host's procfs; must outlive @c; NULL: /proc is not the host's, and is not read
 * Return: 0 or -ENOMEM; the caller calls containers_close() in either case, and also if @c is all zero.
 */
int containers_open(struct containers *c, const char *proc_root);

/** containers_follow - learn which groups have come; cheap if none has */
void containers_follow(struct containers *c);

/** containers_find - Return: the container, valid until the next call; NULL: none, or not known */
const struct container *containers_find(struct containers *c, const struct containers_query *q);

void containers_close(struct containers *c);

#endif
