/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which container and which pod a control group belongs to, by its path. Pure.
 *
 *   /docker/ID  /kubepods/burstable/podUID/ID					cgroupfs driver
 *   /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice/	systemd driver: docker-ID.scope,
 *	cri-containerd-ID.scope, crio-ID.scope; the UID has _ in place of -
 *   /system.slice/kubepods-burstable-podUID.slice:cri-containerd:ID		a systemd path with the cgroupfs driver
 *
 * A group may be deeper than its container's, and a container may be within another one: the innermost counts.
 */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_ID_DIGITS 64

struct container {
	char id[CONTAINER_ID_DIGITS + 1];	/* hexadecimal; "": not in a container, or not known */
	char pod[37];				/* UID of a Kubernetes pod; "": none */
};

/** container_known - true if there is a container or a pod */
static inline bool container_known(const struct container *c)
{
	return *c->id || *c->pod;
}

/**
 * container_enter - go from a control group into one of its children
 * @c:    the container of the group; becomes that of the child
 * @name: of the child, @len bytes
 */
void container_enter(struct container *c, const char *name, size_t len);

/** container_from_path - the container of the control group at @path, @len bytes; all empty if there is none */
struct container container_from_path(const char *path, size_t len);

/**
 * container_from_process - the container of a process
 * @text: /proc/PID/cgroup: a line for each hierarchy, ID:CONTROLLERS:PATH. They may differ; the first container is taken.
 */
struct container container_from_process(const char *text);

/** container_has_name - true if @name is the begin of its ID, or the pod's UID */
bool container_has_name(const struct container *c, const char *name);

/** container_unified_path - the path in the v2 hierarchy, @len bytes of @text of /proc/PID/cgroup; NULL: none */
const char *container_unified_path(const char *text, size_t *len);

#endif
