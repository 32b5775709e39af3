/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BTF "/sys/kernel/btf/"

bool plan_read_btf(struct plan *p)
{
	size_t len = 0, ipvs_len = 0;
	char *btf = host_read_bytes(BTF "vmlinux", &len);
	char *ipvs = btf ? host_read_bytes(BTF "ip_vs", &ipvs_len) : NULL;
	bool all = btf && layout_from_btf(&p->offsets, btf, len, ipvs, ipvs_len);

	free(btf);
	free(ipvs);
	return all;
}

void plan_take_layout(struct plan *p, const struct object *layout)
{
	layout_from_object(&p->offsets, layout);
	p->offsets_final = true;
}

/* State: all is read from the socket. Where a thread may lose its CPU within the program, all that comes
 * to this CPU meanwhile would be skipped: so there only behind the tracepoint, unless it is asked for. */
static bool has_raw(const struct plan *p, enum hook_fact fact)
{
	if (fact == HOOK_ERROR)
		return p->host->error_tracepoint;
	if (fact == HOOK_RETRANSMIT)
		return p->defines.retransmit_tracepoint;
	if (!p->defines.state_tracepoint || !layout_knows_sockets(&p->offsets))
		return false;
	if (fact == HOOK_STATE_SECOND)
		return p->host->raw_skipped;
	return !p->host->raw_preemptible ||
	       p->options->hooks == HOOK_WISH_RAW;
}

static bool has_kprobes(const struct plan *p)
{
	return p->host->kprobes && !p->host->kprobes_off;
}

static bool has_hook(void *cookie, const struct hook *hook)
{
	const struct plan *p = cookie;

	switch (hook->kind) {
	case HOOK_RAW_TRACEPOINT:
		return p->host->raw_tracepoints && has_raw(p, hook->fact);
	case HOOK_TRACEPOINT:
		return hook->fact == HOOK_STATE ? p->defines.state_tracepoint
						: p->defines.retransmit_tracepoint;
	case HOOK_KRETPROBE:		/* IPVS's own connects are shown without it */
		return has_kprobes(p) && options_every_socket(p->options);
	default:
		return has_kprobes(p);
	}
}

void plan_add_defines(struct plan *p, bool rows, bool counts)
{
	probe_text_tell(&p->defines, rows, counts);
	if (p->host->lru_maps)
		probe_text_add(&p->defines, "LRU_MAPS");
	if (p->host->raw_tracepoints)
		probe_text_add(&p->defines, "RAW_TRACEPOINTS");
	if (p->host->raw_skipped)
		probe_text_add(&p->defines, "SECOND_PROGRAM");
}

/* Where nothing that decides the choice is still to come. Without BTF a later start may choose otherwise, and is not to
 * compile again. */
static void leave_out_unused(struct plan *p)
{
	plan_choose(p);
	for (const struct hook *hook = hooks_next(NULL); hook; hook = hooks_next(hook))
		if ((hook->fact == HOOK_STATE || hook->fact == HOOK_RETRANSMIT) && p->chosen[hook->fact] != hook)
			probe_text_leave_out(&p->defines, hook->program);
}

void plan_make(struct plan *p, const struct options *options, const struct host *host)
{
	char *state = host_format(host, "sock", "inet_sock_set_state");
	char *retransmit = host_format(host, "tcp", "tcp_retransmit_skb");

	memset(p, 0, sizeof(*p));
	p->options = options;
	p->host = host;
	probe_text_defines(&p->defines, host->read_helper, state, retransmit);
	plan_add_defines(p, options_sends(options), options_counts(options));
	p->named_kprobes = host->kprobes && (host->kprobe_pmu < 0 || options->hooks == HOOK_WISH_KPROBE);
	if (p->named_kprobes)
		probe_text_add(&p->defines, "NAMED_KPROBES");
	p->offsets_final = plan_read_btf(p);
	if (p->offsets_final)
		leave_out_unused(p);
	free(state);
	free(retransmit);
}

/* Whether the program for state changes may be skipped, and a second one can stand behind it. */
static bool may_be_skipped(const struct plan *p, const struct hook *state)
{
	if (!state)
		return false;
	return state->kind == HOOK_RAW_TRACEPOINT ||
	       (state->kind == HOOK_TRACEPOINT && p->host->raw_preemptible &&
		p->options->hooks == HOOK_WISH_ANY);
}

void plan_choose(struct plan *p)
{
	hooks_choose(p->options->hooks, has_hook, p, p->chosen);
	if (!may_be_skipped(p, p->chosen[HOOK_STATE]))
		p->chosen[HOOK_STATE_SECOND] = NULL;
}

bool plan_possible(const struct plan *p, char *line, size_t len)
{
	const char *release = p->host->uts.release;
	bool whole = p->chosen[HOOK_STATE] &&
		     (options_every_socket(p->options) || (p->chosen[HOOK_CONNECT] && p->chosen[HOOK_IPVS]));

	if (whole)
		return true;
	if (p->host->kprobes && p->host->kprobes_off)
		snprintf(line, len, "kprobes are switched off on this host, so IPVS cannot be seen; run: echo 1 >"
			 HOST_KPROBES_SWITCH);
	else if (!p->chosen[HOOK_STATE] && p->options->hooks != HOOK_WISH_ANY)
		snprintf(line, len, "kernel %s has no hook of the kind that --hooks asks for", release);
	else if (!p->chosen[HOOK_STATE])
		snprintf(line, len, "kernel %s has neither tracepoint sock:inet_sock_set_state nor "
			 "kprobes; it needs CONFIG_KPROBE_EVENTS", release);
	else
		snprintf(line, len, "kernel %s has no kprobes (CONFIG_KPROBE_EVENTS), so IPVS cannot be "
			 "seen; -a still shows every TCP socket", release);
	return false;
}

/* Each has its own entry in the cache. */
static const char *main_kind(const struct options *o)
{
	if (!options_counts(o))
		return "rows";
	return options_sends(o) ? "both" : "counts";
}

struct programs_text plan_main_text(const struct plan *p)
{
	return (struct programs_text){
		.kind = main_kind(p->options),
		.text = probe_text_main(),
		.flags = p->defines.flags,
		.n_flags = p->defines.n,
	};
}

struct programs_text plan_layout_text(void)
{
	return (struct programs_text){
		.kind = "layout",
		.text = probe_text_layout(),
		.fallback = "-DWITHOUT_IPVS",
		.optional = true,
	};
}

const char *plan_cache_dir(const struct plan *p)
{
	if (p->options->no_cache)
		return NULL;
	return p->options->cache_dir ? p->options->cache_dir : CACHE_DIR;
}
