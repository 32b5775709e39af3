/* SPDX-License-Identifier: Apache-2.0 */
/* Attaches programs to their hooks, and detaches them. */
#ifndef ATTACH_H
#define ATTACH_H

#include "bpf/hooks.h"
#include "host/host.h"

struct attached {
	const struct host *host;
	int program_fd[HOOK_EVENTS];	/* not owned */
	int runs_fd;			/* map "runs", not owned; -1: none */
	bool by_name;			/* kprobes are lines of kprobe_events, as before 4.17 */
	const struct hook *hook[HOOK_EVENTS];
	int event_fd[HOOK_EVENTS];	/* event or raw tracepoint; closing it detaches the program; -1: not attached */
	int link_fd[HOOK_EVENTS];	/* link from the program to a kprobe's event, closed before the event; -1: none */
	bool named[HOOK_EVENTS];		/* we added a line to kprobe_events */
	uint64_t unmatched[HOOK_EVENTS];	/* a kprobe's hits minus its program's runs, when it was attached */
	uint64_t now[HOOK_EVENTS];	/* runs skipped since then; see attach_skipped() */
	uint64_t skipped[HOOK_EVENTS];	/* runs skipped while it was attached before */
};

/**
 * attach_init - start with nothing attached, and no programs
 * @host: must outlive @a
 * @by_name: see struct attached
 */
void attach_init(struct attached *a, const struct host *host, bool by_name);

/**
 * attach_use - use these programs
 * @program_fd: by event
 * @runs_fd: the map in which programs on kprobes count their runs; -1: none
 * Neither is closed, and both must stay open as long as anything is attached.
 */
void attach_use(struct attached *a, const int program_fd[HOOK_EVENTS], int runs_fd);

/**
 * attach_hook - attach a loaded program to its hook
 * @errmsg: one line, set on failure
 * Return: 0, -ENOENT if the kernel has no such function or tracepoint now, or another
 *	negative errno.
 */
int attach_hook(struct attached *a, const struct hook *hook, char *errmsg, size_t len);

/**
 * attach_skipped - how often the kernel hit a kprobe but did not run its program, as another one ran on that CPU
 * The count is exact once the kprobe is no longer hit. If kprobes have lines in kprobe_events, it is the kprobe's hits
 * minus its program's runs. Otherwise it is the kernel's own count of skips, from 6.7 on. For kretprobes, and from 4.17
 * to 6.6, the count is not known, and 0.
 * Source: kprobe_dispatcher(), probes_profile_seq_show() in kernel/trace/trace_kprobe.c; before 4.6 CPUs may overwrite
 *	each other's hits there. bpf_perf_link_fill_kprobe() in kernel/bpf/syscall.c.
 */
uint64_t attach_skipped(struct attached *a, enum hook_event event);

/** attach_counts_skips - true if attach_skipped() can count the skips of this attached kprobe */
bool attach_counts_skips(const struct attached *a, enum hook_event event);

/**
 * attach_allowed - true if this process, as it is now, may attach the kprobe of @hook
 * Debian's and other kernels demand more than CAP_PERFMON for it (kernel.perf_event_paranoid above 2). So the tool opens
 * the kprobe and closes it again; it runs nothing. If kprobes are lines of kprobe_events, the tool does not try, and
 * returns false: the kernels that need such lines have no CAP_PERFMON.
 */
bool attach_allowed(const struct attached *a, const struct hook *hook);

/**
 * attach_clear_leftovers - remove kprobes that killed processes of this tool have left in tracefs
 * It removes nobody else's: the name holds the pid, and the kernel refuses to remove one that is in use.
 */
void attach_clear_leftovers(const struct host *host);

/** attach_detach - detach one hook's program, if it is attached */
void attach_detach(struct attached *a, enum hook_event event);

/** attach_detach_all - detach all programs */
void attach_detach_all(struct attached *a);

#endif
