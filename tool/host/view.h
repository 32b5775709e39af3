/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This module tells how much of the host this process sees, and what it may do there: a container's runtime or a service manager
 * may take parts away. It asks only the kernel, and reads no file that a container may bring along.
 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stddef.h>

enum view_root {
	VIEW_NOT_KNOWN,
	VIEW_HOST,		/* this process has the root folder of the host's first process */
	VIEW_OTHER		/* it has another one, or is in another PID namespace than the host's */
};

struct view {
	enum view_root root;
	bool filtered;		/* a seccomp filter is set on this process */
	int perf_err;		/* of perf_event_open(2): -EPERM, -EACCES or -ENOSYS if it is not permitted, else 0 */
};

/** view_probe - fill @v; call it before this process sets a filter itself */
void view_probe(struct view *v);

/** What mends something that is missing: on a host, and for a container */
struct remedy {
	const char *command;	/* NULL: none */
	const char *docker, *kubernetes;
};

/**
 * view_remedy - write what mends it here: the command, or the settings of a container, or both if the root is not known
 * Return: true if @line does not begin with a command
 */
bool view_remedy(const struct view *v, const struct remedy *r, char *line, size_t len);

/** view_forbids - what forbids a system call for which this process has the capabilities, in words */
const char *view_forbids(const struct view *v);

/** view_permit - write what permits it; Return: as view_remedy() */
bool view_permit(const struct view *v, char *line, size_t len);

/**
 * view_forbids_perf - the same two for perf_event_open(2), if @v->perf_err is set
 * Some distributions refuse it to all but CAP_SYS_ADMIN if kernel.perf_event_paranoid is above 2.
 * Return: as view_remedy()
 */
bool view_forbids_perf(const struct view *v, char *why, size_t why_len, char *mend, size_t mend_len);

/**
 * view_processes - count the processes under @proc_root that have a network namespace
 * @hidden: those among them into which this process may not look
 */
size_t view_processes(const char *proc_root, size_t *hidden);

#endif
