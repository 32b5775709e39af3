/* SPDX-License-Identifier: Apache-2.0 */
/* How to trace on this host, decided before anything is compiled or loaded. The plan does not change after that: what the
 * tool learns later is in struct kernel. */
#ifndef PLAN_H
#define PLAN_H

#include "bpf/hooks.h"
#include "build/layout.h"
#include "build/probe_text.h"
#include "build/programs.h"
#include "cli/options.h"
#include "host/host.h"

struct plan {
	const struct options *options;
	const struct host *host;
	const struct saved *saved;	/* with --programs: their only source; else NULL */
	struct probe_defines defines;	/* points into itself: do not copy a plan */
	struct layout layout;		/* offsets from the kernel's own types; 0: not known */
	bool layout_known;		/* all offsets that are needed are known: no layout text is compiled */
	bool named_kprobes;		/* kprobes are lines of kprobe_events: before 4.17, or if asked for */
};

/** plan_make - make the plan; @options, @host and @saved (NULL: none) must outlive @p */
void plan_make(struct plan *p, const struct options *options, const struct host *host, const struct saved *saved);

/** plan_add_defines - add the defines for the host, and for what the programs do; a part of plan_make() */
void plan_add_defines(struct plan *p, bool rows, bool counts);

/**
 * plan_choose - choose the hooks by what the host has and the layout that is known so far
 * @chosen: NULL for an event that has no hook here, or is not wanted
 */
void plan_choose(const struct plan *p, const struct layout *layout, const struct hook *chosen[HOOK_EVENTS]);

/** plan_wants - true if the options need a hook for the event, whether this host has one or not */
bool plan_wants(const struct plan *p, enum hook_event event);

/**
 * plan_possible - true if the chosen hooks can do what the options ask for
 * @line: one line with the cause, set if false is returned
 */
bool plan_possible(const struct plan *p, const struct hook *const chosen[HOOK_EVENTS], char *line, size_t len);

/** plan_main_text, plan_layout_text - the texts to compile; the main text points into @p */
struct programs_text plan_main_text(const struct plan *p);
struct programs_text plan_layout_text(const struct plan *p);

/** plan_cache_dir - the folder of compiled programs; NULL: none, also with --programs */
const char *plan_cache_dir(const struct plan *p);

#endif
