/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "bpf/settings.h"
#include "ipvs/entries.h"
#include "ipvs/ipvs.h"
#include "trace/mirror.h"

#include <inttypes.h>

/* The tool reads IPVS's table again if a connection was missed. It spends at most a hundredth of its time on that. */
#define MIRROR_PAUSE 100
#define MIRROR_PAUSE_MIN_NS 10000000000ULL

static void set_adopt(void *cookie, uint64_t adopt)
{
	struct watch *w = cookie;

	w->kernel->adopt |= adopt;
	kernel_update_settings(w->kernel);
}

static void do_meanwhile(void *cookie)
{
	const struct watch *w = cookie;

	w->meanwhile(w->cookie);
}

static void read_mirror(struct watch *w)
{
	const struct mirror m = {
		.loaded = &w->kernel->loaded,
		.options = w->kernel->plan->options,
		.summary = w->summary,
		.set_adopt = set_adopt,
		.meanwhile = do_meanwhile,
		.cookie = w,
	};
	uint64_t pause_ns = MIRROR_PAUSE * mirror_read(&m, &w->unread);

	w->mirror_after_ns = clock_now_ns() + (pause_ns > MIRROR_PAUSE_MIN_NS ? pause_ns : MIRROR_PAUSE_MIN_NS);
}

void watch_unseen(struct watch *w)
{
	const struct kernel *k = w->kernel;
	uint64_t before = unseen_count(&w->unseen);

	if (!kernel_sees_ipvs(k) || !options_sockets(k->plan->options) || !settings_can_count_taken(&k->layout))
		return;
	unseen_update(&w->unseen, &k->loaded, k->plan->options->proc_root);
	w->mirror_stale |= unseen_count(&w->unseen) > before;
	if (w->mirror_stale && clock_now_ns() >= w->mirror_after_ns) {
		w->mirror_stale = false;
		read_mirror(w);
	}
}

void watch_begin(struct watch *w)
{
	if (!options_sockets(w->kernel->plan->options))
		return;		/* nothing is joined: no map "entries" */
	read_mirror(w);
	watch_unseen(w);
}

void watch_entries(struct watch *w)
{
	const struct kernel *k = w->kernel;
	uint64_t entries = entries_known(&k->loaded), room = (uint64_t)k->plan->options->max_conns;

	if (entries > room / 10 * 9)
		entries_sweep(&k->loaded);
	if (w->warned_entries || entries <= room)
		return;
	w->warned_entries = true;
	log_warning("IPVS has more than %" PRIu64 " connections at once: a connection that reuses an older entry may lack "
		    "its real server; allow more by --max-conns", room);
}

static void on_ipvs_unloaded(struct watch *w)
{
	struct kernel *k = w->kernel;

	unseen_pause(&w->unseen);
	kernel_detach_ipvs(k);
	entries_forget(&k->loaded);
	if (!w->summary)	/* else those counted as open have not ended yet */
		k->adopt = 0;
	kernel_update_settings(k);
	log_info("ip_vs was unloaded; waiting for it");
}

static void on_ipvs_loaded(struct watch *w)
{
	struct kernel *k = w->kernel;

	log_info("ip_vs is loaded; its connections are %s from now on", w->summary ? "counted" : "shown");
	if (layout_read(&k->layout))	/* the module's own types are there now */
		kernel_update_settings(k);
	watch_begin(w);
}

void watch_ipvs(struct watch *w, bool running)
{
	struct kernel *k = w->kernel;
	uint64_t ipvs = host_ipvs();

	if (kernel_sees_ipvs(k) && ipvs != w->ipvs)
		on_ipvs_unloaded(w);
	if (kernel_sees_ipvs(k) || !ipvs)
		return;
	w->ipvs = ipvs;
	kernel_attach_ipvs(k);
	if (running && kernel_sees_ipvs(k))
		on_ipvs_loaded(w);
}

#define PACKETS_FAST 500000	/* a second; the man page has this number */

void watch_rate(struct watch *w)
{
	const struct options *o = w->kernel->plan->options;
	uint64_t rate;

	if (o->director != DIRECTOR_STATES || w->warned_rate || ipvs_packet_rate(o->proc_root, &rate) || rate <= PACKETS_FAST)
		return;
	w->warned_rate = true;
	log_info("IPVS gets %" PRIu64 " packets a second, and a program runs for each; --director=ends runs none", rate);
}

static bool uses_kprobes(const struct kernel *k)
{
	for (int event = 0; event < HOOK_EVENTS; event++)
		if (k->chosen[event] && k->chosen[event]->kind >= HOOK_KPROBE)
			return true;
	return false;
}

void watch_kprobes(struct watch *w)
{
	const struct kernel *k = w->kernel;
	const char *off = uses_kprobes(k) ? host_kprobes_off() : NULL;

	if (off && !w->kprobes_off)
		log_warning("kprobes were switched off: %s; run: %s",
			    !k->chosen[HOOK_STATE] || k->chosen[HOOK_STATE]->kind == HOOK_KPROBE ? "nothing is seen" : "IPVS is not seen", off);
	if (!off && w->kprobes_off)
		log_info("kprobes are switched on again");
	w->kprobes_off = off;
}
