/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/plan.h"

#include "build/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the choice of hooks depends on. */
struct known {
	const struct plan *plan;
	const struct layout *layout;
};

/* True if the raw tracepoint can be used. The programs for state changes read everything from the socket there. If a thread
 * may lose its CPU within a raw tracepoint's program, the kernel skips that program for everything that this CPU handles
 * until the thread goes on. So the first program is on the tracepoint there, unless --hooks asks for the raw one. */
static bool has_raw(const struct known *k, enum hook_event event)
{
	const struct plan *p = k->plan;

	if (event == HOOK_ERROR)
		return p->host->error_tracepoint;
	if (event == HOOK_RETRANSMIT)
		return p->defines.retransmit_tracepoint;
	if (event == HOOK_SYN_ACK)
		return p->host->syn_ack_tracepoint;
	if (event == HOOK_RESET)
		return p->host->reset_tracepoint;
	if (!p->defines.state_tracepoint || !layout_knows_sockets(k->layout))
		return false;
	if (event == HOOK_STATE_SECOND)
		return p->host->raw_may_skip;
	return !p->host->raw_preemptible || p->options->hooks == HOOK_CHOICE_RAW;
}

static bool has_kprobes(const struct plan *p)
{
	return p->host->kprobes && !p->host->kprobes_off;
}

bool plan_wants(const struct plan *p, enum hook_event event)
{
	const struct options *o = p->options;

	if (event >= HOOK_SYN_ACK)
		return o->server;
	if (event == HOOK_FORWARD)
		return o->director == DIRECTOR_STATES;
	if (event > HOOK_FORWARD)
		return o->director;
	if (event == HOOK_CONNECT_RETURN)	/* connects that IPVS takes are shown without it */
		return options_every_socket(o);
	return options_sockets(o);
}

static bool has_hook(void *cookie, const struct hook *hook)
{
	const struct known *k = cookie;
	const struct plan *p = k->plan;

	if (!plan_wants(p, hook->event))
		return false;
	switch (hook->kind) {
	case HOOK_RAW_TRACEPOINT:
		return p->host->raw_tracepoints && has_raw(k, hook->event);
	case HOOK_TRACEPOINT:
		return hook->event == HOOK_STATE ? p->defines.state_tracepoint
						: p->defines.retransmit_tracepoint;
	default:
		return has_kprobes(p);
	}
}

void plan_add_defines(struct plan *p, bool rows, bool counts)
{
	probe_text_report(&p->defines, rows, counts);
	if (p->host->lru_maps)
		probe_text_add(&p->defines, "LRU_MAPS");
	if (p->host->raw_tracepoints)
		probe_text_add(&p->defines, "RAW_TRACEPOINTS");
	if (p->host->raw_may_skip)
		probe_text_add(&p->defines, "SECOND_PROGRAM");
	if (p->host->cgroup_ids)
		probe_text_add(&p->defines, "CGROUP_IDS");
	if (p->host->namespace_pids)
		probe_text_add(&p->defines, "PIDS_IN_NAMESPACE");
	if (p->host->jiffies)
		probe_text_add(&p->defines, "JIFFIES");
	if (p->options->director)
		probe_text_add(&p->defines, "DIRECTOR");
	if (p->options->server)
		probe_text_add(&p->defines, "SERVER");
}

/* Leaves out the programs that are not chosen. Only for a layout from BTF, with which the choice is final. Without BTF a
 * later start may choose differently, and should not need to compile again. */
static void leave_out_unused(struct plan *p)
{
	const struct hook *chosen[HOOK_EVENTS];

	plan_choose(p, &p->layout, chosen);
	for (const struct hook *hook = hooks_next(NULL); hook; hook = hooks_next(hook))
		if ((hook->event == HOOK_STATE || hook->event == HOOK_RETRANSMIT) && chosen[hook->event] != hook)
			probe_text_omit(&p->defines, hook->program);
}

const char *plan_cache_dir(const struct plan *p)
{
	if (p->options->no_cache || p->saved)
		return NULL;
	return p->options->cache_dir ? p->options->cache_dir : CACHE_DIR;
}

void plan_make(struct plan *p, const struct options *options, const struct host *host, const struct saved *saved)
{
	char *state = host_format(host, "sock", "inet_sock_set_state");
	char *retransmit = host_format(host, "tcp", "tcp_retransmit_skb");

	memset(p, 0, sizeof(*p));
	p->options = options;
	p->host = host;
	p->saved = saved;
	probe_text_defines(&p->defines, host->read_helper, state, retransmit);
	plan_add_defines(p, options_sends(options), options_counts(options));
	p->named_kprobes = host->kprobes && (host->kprobe_pmu < 0 || options->hooks == HOOK_CHOICE_KPROBE);
	if (p->named_kprobes)
		probe_text_add(&p->defines, "NAMED_KPROBES");
	p->layout_known = layout_read_kept(&p->layout, host, plan_cache_dir(p), !options->check && !options->ebpf, saved);
	if (p->layout_known)
		leave_out_unused(p);
	/* BTF of modules may be missing, or ip_vs is not loaded yet: then the layout text has the offsets. */
	if (options->director && !layout_knows_states(&p->layout))
		p->layout_known = false;
	free(state);
	free(retransmit);
}

/* True if the kernel may skip this program for state changes, and a second one can be attached after it. */
static bool needs_second(const struct plan *p, const struct hook *state)
{
	if (!state)
		return false;
	return state->kind == HOOK_RAW_TRACEPOINT ||
	       (state->kind == HOOK_TRACEPOINT && p->host->raw_preemptible && p->options->hooks == HOOK_CHOICE_ANY);
}

void plan_choose(const struct plan *p, const struct layout *layout, const struct hook *chosen[HOOK_EVENTS])
{
	struct known known = { p, layout };

	hooks_choose(p->options->hooks, has_hook, &known, chosen);
	if (!needs_second(p, chosen[HOOK_STATE]))
		chosen[HOOK_STATE_SECOND] = NULL;
	if (chosen[HOOK_RESET] && chosen[HOOK_RESET]->kind != HOOK_KPROBE)	/* it has both families */
		chosen[HOOK_RESET_V6] = NULL;
}

bool plan_possible(const struct plan *p, const struct hook *const chosen[HOOK_EVENTS], char *line, size_t len)
{
	const char *release = p->host->uts.release;
	bool whole = (!options_sockets(p->options) || chosen[HOOK_STATE]) &&
		     (options_every_socket(p->options) || !options_sockets(p->options) ||
		      (chosen[HOOK_CONNECT] && chosen[HOOK_IPVS])) &&
		     (!p->options->director || chosen[HOOK_FORWARD_FREE]) &&
		     (!p->options->server || chosen[HOOK_SYN_ACK]);

	if (whole)
		return true;
	if (p->host->kprobes && p->host->kprobes_off)
		snprintf(line, len, "kprobes are switched off on this host, so IPVS cannot be seen; run: %s",
			 p->host->kprobes_off);
	else if (p->options->director && !chosen[HOOK_FORWARD_FREE])
		snprintf(line, len, "kernel %s has no kprobes (CONFIG_KPROBE_EVENTS), so IPVS cannot be "
			 "seen; --director needs them", release);
	else if (p->options->server && !chosen[HOOK_SYN_ACK])
		snprintf(line, len, "kernel %s has neither tracepoint tcp:tcp_retransmit_synack nor kprobes; --server needs "
			 "CONFIG_KPROBE_EVENTS", release);
	else if (!chosen[HOOK_STATE] && p->options->hooks != HOOK_CHOICE_ANY)
		snprintf(line, len, "kernel %s has no hook of the kind that --hooks asks for", release);
	else if (!chosen[HOOK_STATE])
		snprintf(line, len, "kernel %s has neither tracepoint sock:inet_sock_set_state nor "
			 "kprobes; it needs CONFIG_KPROBE_EVENTS", release);
	else
		snprintf(line, len, "kernel %s has no kprobes (CONFIG_KPROBE_EVENTS), so IPVS cannot be "
			 "seen; -a still shows every TCP socket", release);
	return false;
}

/* Returns the name of the programs in the cache; each kind has its own entry there. */
static const char *main_kind(const struct options *o)
{
	static const char *const kinds[5][3] = {
		{ "rows", "counts", "both" },
		{ "director", "director-counts", "director-both" },
		{ "director-all", "director-all-counts", "director-all-both" },
		{ "server", "server-counts", "server-both" },
		{ "server-all", "server-all-counts", "server-all-both" },
	};
	int what = o->director ? 1 : o->server ? 3 : 0;

	return kinds[what && options_sockets(o) ? what + 1 : what][!options_counts(o) ? 0 : options_sends(o) ? 2 : 1];
}

struct programs_text plan_main_text(const struct plan *p)
{
	return (struct programs_text){
		.kind = main_kind(p->options),
		.text = p->options->server && !options_sockets(p->options) ? probe_text_server() : probe_text_main(),
		.flags = p->defines.flags,
		.n_flags = p->defines.n,
		.saved = p->saved,
	};
}

struct programs_text plan_layout_text(const struct plan *p)
{
	return (struct programs_text){
		.kind = "layout",
		.text = probe_text_layout(),
		.flags = probe_text_layout_flags,
		.n_flags = PROBE_TEXT_LAYOUT_FLAGS,
		.fallback = "-DWITHOUT_IPVS",
		.optional = true,
		.saved = p->saved,
	};
}
