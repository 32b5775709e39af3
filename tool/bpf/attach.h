/* SPDX-License-Identifier: Apache-2.0 */
/* Programs onto their hooks, and off again. */
#ifndef ATTACH_H
#define ATTACH_H

#include "bpf/hooks.h"
#include "host/host.h"
#include "bpf/loader.h"

struct attached {
	const struct host *host;
	const struct loaded *loaded;
	bool by_name;			/* kprobes by lines of kprobe_events, as before 4.17 */
	const struct hook *hook[HOOK_FACTS];
	int event_fd[HOOK_FACTS];	/* what runs the program, closed to stop it; -1: not attached */
	int link_fd[HOOK_FACTS];	/* by which its program is on a kprobe's event, closed before that; -1: none */
	bool named[HOOK_FACTS];		/* a line in kprobe_events is ours */
	uint64_t unmatched[HOOK_FACTS];	/* a kprobe's hits less runs of its program, when it was attached */
	uint64_t now[HOOK_FACTS];	/* skipped since then; see attach_skipped() */
	uint64_t skipped[HOOK_FACTS];	/* of the times that it was attached before */
};

/**
 * attach_init - nothing attached yet
 * @host, @loaded: must outlive @a; programs are still to be loaded
 * @by_name: see above
 */
void attach_init(struct attached *a, const struct host *host, const struct loaded *loaded, bool by_name);

/**
 * attach_hook - run a loaded program at its hook from now on
 * @cause: one line, set on failure
 * Return: 0, or -ENOENT where the kernel has no such function or tracepoint now, or another
 *	negative errno.
 */
int attach_hook(struct attached *a, const struct hook *hook, char *cause, size_t len);

/**
 * attach_skipped - how often the kernel has hit a kprobe and not run its program, as another one ran on that CPU
 * Exact once it is not hit any more: by the kprobe's hits less its program's runs, where kprobes have a line in
 * kprobe_events; else by what the kernel itself has counted as skipped, from 6.7 on. Not known, and 0, for kretprobes, and
 * from 4.17 to 6.6.
 * Source: kprobe_dispatcher(), probes_profile_seq_show() in kernel/trace/trace_kprobe.c; before 4.6 CPUs may overwrite
 *	each other's hits there. bpf_perf_link_fill_kprobe() in kernel/bpf/syscall.c.
 */
uint64_t attach_skipped(struct attached *a, enum hook_fact fact);

/** attach_tells_skips - true if attach_skipped() knows of this kprobe, which is attached */
bool attach_tells_skips(const struct attached *a, enum hook_fact fact);

/**
 * attach_allowed - whether a kprobe of @hook could be put on by this process as it is now
 * Debian's and other kernels want more than CAP_PERFMON for it (kernel.perf_event_paranoid above 2). Tried, and
 * taken off again; it runs nothing. By name it is not tried: the kernels that need that have no CAP_PERFMON.
 */
bool attach_allowed(const struct attached *a, const struct hook *hook);

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
