/* SPDX-License-Identifier: Apache-2.0 */
/* How this host is to be traced: hooks, -D list, what is known of the kernel's
 * structs. Made from options and host, before anything is compiled or loaded. */
#ifndef PLAN_H
#define PLAN_H

#include "bpf/hooks.h"
#include "host/host.h"
#include "build/layout.h"
#include "cli/options.h"
#include "build/probe_text.h"
#include "build/programs.h"

struct plan {
	const struct options *options;
	const struct host *host;
	struct probe_defines defines;	/* points into itself: a plan is not copied */
	struct layout offsets;		/* 0: not known, or not yet */
	bool offsets_final;		/* nothing is left to ask */
	bool named_kprobes;		/* kprobes are lines of kprobe_events: before 4.17, or asked for */
	const struct hook *chosen[HOOK_FACTS];	/* NULL: this fact is not to be had, or not wanted */
};

/** plan_make - @options and @host must outlive @p; plan_choose() is still to come */
void plan_make(struct plan *p, const struct options *options, const struct host *host);

/** plan_add_defines - what the host adds to the text, and what the programs are for; a part of plan_make() */
void plan_add_defines(struct plan *p, bool rows, bool counts);

/** plan_read_btf - take offsets from the kernel's types; true where that settles the sockets' */
bool plan_read_btf(struct plan *p);

/** plan_take_layout - take offsets from the compiled layout text */
void plan_take_layout(struct plan *p, const struct object *layout);

/** plan_choose - choose the hooks by what the host has and what is known by now */
void plan_choose(struct plan *p);

/**
 * plan_possible - whether the chosen hooks can do what the options ask for
 * @line: one line, set where false is returned
 */
bool plan_possible(const struct plan *p, char *line, size_t len);

/** plan_main_text, plan_layout_text - what there is to compile; point into @p */
struct programs_text plan_main_text(const struct plan *p);
struct programs_text plan_layout_text(void);

/** plan_cache_dir - where compiled programs are kept; NULL: nowhere */
const char *plan_cache_dir(const struct plan *p);

#endif
