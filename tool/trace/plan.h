/* SPDX-License-Identifier: Apache-2.0 */
/* How this host is to be traced, as far as it is known before anything is compiled or loaded. Does not change after that:
 * what is learnt later is in struct kernel. */
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
	struct probe_defines defines;	/* points into itself: a plan is not copied */
	struct layout layout;		/* what the kernel's own types tell; 0: not known */
	bool layout_known;		/* they tell all of sockets: nothing is to be compiled for it */
	bool named_kprobes;		/* kprobes are lines of kprobe_events: before 4.17, or asked for */
};

/** plan_make - @options and @host must outlive @p */
void plan_make(struct plan *p, const struct options *options, const struct host *host);

/** plan_add_defines - what the host adds to the text, and what the programs are for; a part of plan_make() */
void plan_add_defines(struct plan *p, bool rows, bool counts);

/**
 * plan_choose - choose the hooks by what the host has and what is known of the layout by now
 * @chosen: NULL for an event that cannot be had, or is not wanted
 */
void plan_choose(const struct plan *p, const struct layout *layout, const struct hook *chosen[HOOK_FACTS]);

/**
 * plan_possible - whether the chosen hooks can do what the options ask for
 * @line: one line, set where false is returned
 */
bool plan_possible(const struct plan *p, const struct hook *const chosen[HOOK_FACTS], char *line, size_t len);

/** plan_main_text, plan_layout_text - what there is to compile; point into @p */
struct programs_text plan_main_text(const struct plan *p);
struct programs_text plan_layout_text(void);

/** plan_cache_dir - where compiled programs are kept; NULL: nowhere */
const char *plan_cache_dir(const struct plan *p);

#endif
