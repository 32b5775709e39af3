/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/follow.h"

#include "base/log.h"
#include "bpf/settings.h"
#include "ipvs/entries.h"
#include "trace/mirror.h"

#include <errno.h>
#include <inttypes.h>

int follow_settings(struct trace *t)
{
	return settings_set(&t->loaded, t->plan->options, &t->plan->offsets,
			  t->plan->chosen[HOOK_CONNECT], t->awaits_ipvs, t->adopt);
}

static const enum hook_fact of_ipvs[] = { HOOK_IPVS, HOOK_CLIENT_PORT, HOOK_NO_DESTINATION, HOOK_EXPIRE,
					  HOOK_EXPIRE_NOW, HOOK_FREE };

#define N_OF_IPVS (sizeof(of_ipvs) / sizeof(of_ipvs[0]))

static void detach_ipvs(struct trace *t)
{
	unseen_pause(&t->unseen);
	for (size_t i = 0; i < N_OF_IPVS; i++)
		attach_undo(&t->attached, of_ipvs[i]);
}

/* Connects wait for IPVS before it is seen: so each that it takes was seen to begin. They go on to when it has gone,
 * as their elements are to be removed. */
static void await_ipvs(struct trace *t)
{
	if (t->awaits_ipvs || !t->plan->chosen[HOOK_IPVS])
		return;
	t->awaits_ipvs = true;
	follow_settings(t);
}

static void attach_ipvs(struct trace *t)
{
	char cause[512];

	for (size_t i = 0; i < N_OF_IPVS; i++) {
		const struct hook *hook = t->plan->chosen[of_ipvs[i]];
		int err;

		if (!hook || t->attached.event_fd[of_ipvs[i]] >= 0)
			continue;
		err = attach_hook(&t->attached, hook, cause, sizeof(cause));
		if (err == -ENOENT && of_ipvs[i] == HOOK_IPVS)
			return;		/* the module is about to come or to go */
		if (err == -ENOENT && of_ipvs[i] != HOOK_NO_DESTINATION && of_ipvs[i] != HOOK_FREE) {
			log_debug("%s", cause);
			t->plan->chosen[of_ipvs[i]] = NULL;
			continue;
		}
		if (!err)
			continue;
		log_warning("%s", cause);
		t->plan->chosen[of_ipvs[i]] = NULL;
	}
}

static void set_adopt(void *cookie)
{
	struct trace *t = cookie;

	follow_settings(t);
}

/* The table is read again where something of it was not seen, for no more than a hundredth of the time. */
#define MIRROR_PAUSE 100
#define MIRROR_PAUSE_MIN_NS 10000000000ULL

void follow_mirror(struct trace *t)
{
	const struct options *o = t->plan->options;
	uint64_t took_ns;

	took_ns = mirror_read(&t->loaded, o, options_counts(o) ? &t->summary : NULL, &t->adopt, set_adopt, t);
	t->mirror_after_ns = trace_now_ns() + (took_ns * MIRROR_PAUSE > MIRROR_PAUSE_MIN_NS ? took_ns * MIRROR_PAUSE :
											 MIRROR_PAUSE_MIN_NS);
}

void follow_unseen(struct trace *t)
{
	uint64_t before = unseen_count(&t->unseen);

	if (t->attached.event_fd[HOOK_IPVS] < 0 || !settings_count_taken(&t->plan->offsets))
		return;
	unseen_look(&t->unseen, &t->loaded, t->plan->options->proc_root);
	t->mirror_stale |= unseen_count(&t->unseen) > before;
	if (t->mirror_stale && trace_now_ns() >= t->mirror_after_ns) {
		t->mirror_stale = false;
		follow_mirror(t);
	}
}

void follow_entries(struct trace *t)
{
	uint64_t entries = entries_known(&t->loaded), room = (uint64_t)t->plan->options->max_conns;

	if (entries > room / 10 * 9)
		entries_sweep(&t->loaded);
	if (t->told_entries || entries <= room)
		return;
	t->told_entries = true;
	log_warning("IPVS has more than %" PRIu64 " connections at once: one that uses an older connection's entry may lack "
		    "its real server; allow more by --max-conns", room);
}

void follow_ipvs(struct trace *t)
{
	bool attached = t->attached.event_fd[HOOK_IPVS] >= 0;
	uint64_t ipvs = host_ipvs();

	if (attached && ipvs != t->ipvs) {
		detach_ipvs(t);
		attached = false;
		entries_forget(&t->loaded);
		if (!options_counts(t->plan->options))	/* else the end of those counted as open is still to come */
			t->adopt = 0;
		follow_settings(t);
		log_info("ip_vs was unloaded; waiting for it");
	}
	if (attached || !ipvs)
		return;
	t->ipvs = ipvs;
	await_ipvs(t);
	attach_ipvs(t);
	if (t->attached.event_fd[HOOK_IPVS] >= 0 && !attach_tells_skips(&t->attached, HOOK_IPVS))
		log_debug("this kernel does not tell which kprobes it skips");
	if (t->ready && t->attached.event_fd[HOOK_IPVS] >= 0) {
		log_info("ip_vs is loaded; its connections are %s from now on",
			 options_counts(t->plan->options) ? "counted" : "shown");
		if (plan_read_btf(t->plan))	/* now with the module's own types */
			follow_settings(t);
		follow_mirror(t);
		follow_unseen(t);
	}
}

static bool uses_kprobes(const struct trace *t)
{
	for (int fact = 0; fact < HOOK_FACTS; fact++)
		if (t->plan->chosen[fact] && t->plan->chosen[fact]->kind >= HOOK_KPROBE)
			return true;
	return false;
}

void follow_kprobes(struct trace *t)
{
	bool off = uses_kprobes(t) && host_kprobes_off();

	if (off && !t->kprobes_off)
		log_warning("somebody has switched kprobes off: %s until: echo 1 >" HOST_KPROBES_SWITCH,
			    t->plan->chosen[HOOK_STATE]->kind == HOOK_KPROBE ? "nothing is seen" : "IPVS is not seen");
	if (!off && t->kprobes_off)
		log_info("kprobes are switched on again");
	t->kprobes_off = off;
}
