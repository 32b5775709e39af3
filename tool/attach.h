/* SPDX-License-Identifier: Apache-2.0 */
/* Programs onto their hooks, and off again. */
#ifndef ATTACH_H
#define ATTACH_H

#include "hooks.h"
#include "host.h"
#include "loader.h"

struct attached {
	const struct host *host;
	const struct hook *hook[HOOK_FACTS];
	int event_fd[HOOK_FACTS];	/* what runs the program, closed to stop it; -1: not attached */
	bool named[HOOK_FACTS];		/* a line in kprobe_events is ours */
};

/** attach_init - nothing attached yet; @host must outlive @a */
void attach_init(struct attached *a, const struct host *host);

/**
 * attach_hook - run a loaded program at its hook from now on
 * @cause: one line, set on failure
 * Return: 0, or -ENOENT where the kernel has no such function or tracepoint now, or another
 *	negative errno.
 */
int attach_hook(struct attached *a, const struct loaded *l, const struct hook *hook, char *cause,
		size_t len);

/**
 * attach_allowed - whether a kprobe of @hook could be put on by this process as it is now
 * Debian's and other kernels want more than CAP_PERFMON for it (kernel.perf_event_paranoid above 2). Tried, and
 * taken off again; it runs nothing.
 */
bool attach_allowed(const struct host *host, const struct hook *hook);

/**
 * attach_clear_leftovers - remove kprobes that killed processes of ours have left in tracefs
 * Nobody else's: the name holds the pid, and the kernel refuses to remove one that is in use.
 */
void attach_clear_leftovers(const struct host *host);

/** attach_undo - take one hook off, if it is on */
void attach_undo(struct attached *a, enum hook_fact fact);

/** attach_close - take all hooks off */
void attach_close(struct attached *a);

#endif
