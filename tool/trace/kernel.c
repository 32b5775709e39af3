/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/kernel.h"

#include "base/cpus.h"
#include "base/log.h"
#include "bpf/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TALLIES_MIN 1024	/* real servers of virtual services, or a quarter of --max-conns if that is more */

static const enum hook_event ipvs_hooks[] = { HOOK_IPVS, HOOK_CLIENT_PORT, HOOK_NO_DESTINATION, HOOK_EXPIRE,
					     HOOK_EXPIRE_NOW, HOOK_FREE, HOOK_FORWARD_FREE, HOOK_FORWARD_EXPIRE,
					     HOOK_FORWARD_EXPIRE_NOW, HOOK_FORWARD_REFUSED, HOOK_FORWARD_NEW,
					     HOOK_FORWARD };

#define N_IPVS_HOOKS (sizeof(ipvs_hooks) / sizeof(ipvs_hooks[0]))

void kernel_init(struct kernel *k, const struct plan *plan)
{
	memset(k, 0, sizeof(*k));
	k->plan = plan;
	k->layout = plan->layout;
	k->layout_final = plan->layout_known;
	memset(&k->loaded, -1, sizeof(k->loaded));
	attach_init(&k->attached, plan->host, plan->named_kprobes);
}

void kernel_choose(struct kernel *k)
{
	plan_choose(k->plan, &k->layout, k->chosen);
}

int kernel_update_settings(const struct kernel *k)
{
	return settings_set(&k->loaded, k->plan->options, &k->layout, k->chosen[HOOK_CONNECT], k->awaits_ipvs, k->adopt);
}

static void set_counting_sizes(struct map_sizes *sizes, const struct options *o)
{
	uint32_t conns = (uint32_t)o->max_conns;

	sizes->tallies = conns / 4 > TALLIES_MIN ? conns / 4 : TALLIES_MIN;
	sizes->buckets = conns > TALLIES_MIN * 16 ? conns : TALLIES_MIN * 16;
	if (o->states)	/* a connection goes through six states */
		sizes->buckets *= 4;
}

int kernel_load(struct kernel *k, const struct object *programs, char *errmsg, size_t len)
{
	const struct options *o = k->plan->options;
	struct map_sizes sizes = {
		.conns = (uint32_t)o->max_conns,
		.open_before = options_counts(o) && options_sockets(o) ? (uint32_t)o->max_conns : 1,
		.paths = options_hold_back(o) && o->failures == FAILURES_WHOLE ? (uint32_t)o->max_conns : 1,
		.tallies = 1,
		.buckets = 1,
		.cpus = (uint32_t)cpus_possible(),
	};
	int err;

	if (options_counts(o))
		set_counting_sizes(&sizes, o);
	err = loader_open(&k->loaded, programs, k->chosen, &sizes, errmsg, len);
	if (err == -E2BIG && options_counts(o))
		snprintf(errmsg, len, "the verifier of this kernel refuses programs as large as counting needs "
			 "(4.7 and later take them); leave out --summary, --histogram and --metrics: rows work");
	if (err)
		return err;
	attach_use(&k->attached, k->loaded.program_fd, k->loaded.runs_fd);
	err = settings_set_filters(&k->loaded, o);
	if (!err)
		err = kernel_update_settings(k);
	if (err)
		snprintf(errmsg, len, "cannot fill a BPF map: %s", strerror(-err));
	return err;
}

static bool is_needed(const struct kernel *k, enum hook_event event)
{
	return event == HOOK_STATE || (event == HOOK_CONNECT && !options_every_socket(k->plan->options));
}

int kernel_attach(struct kernel *k, enum hook_event event, char *errmsg, size_t len)
{
	int err = k->chosen[event] ? attach_hook(&k->attached, k->chosen[event], errmsg, len) : 0;

	if (!err || is_needed(k, event))
		return err;
	log_warning("%s", errmsg);
	k->chosen[event] = NULL;
	kernel_update_settings(k);
	return 0;
}

/* Makes connects wait for IPVS before its programs are attached, so that the tool has seen each connect that IPVS takes
 * begin. They still wait after ip_vs is unloaded, as their elements must be removed. */
static void await_ipvs(struct kernel *k)
{
	if (k->awaits_ipvs || !k->chosen[HOOK_IPVS])
		return;
	k->awaits_ipvs = true;
	kernel_update_settings(k);
}

void kernel_attach_ipvs(struct kernel *k)
{
	char errmsg[512];

	await_ipvs(k);
	for (size_t i = 0; i < N_IPVS_HOOKS; i++) {
		enum hook_event event = ipvs_hooks[i];
		int err;

		if (!k->chosen[event] || k->attached.event_fd[event] >= 0)
			continue;
		err = attach_hook(&k->attached, k->chosen[event], errmsg, sizeof(errmsg));
		if (err == -ENOENT && !kernel_sees_ipvs(k))
			return;		/* the module is being loaded or unloaded */
		if (!err)
			continue;
		if (err == -ENOENT && event != HOOK_NO_DESTINATION && event != HOOK_FREE)
			log_debug("%s", errmsg);
		else
			log_warning("%s", errmsg);
		k->chosen[event] = NULL;
	}
	if (kernel_sees_ipvs(k) && !attach_counts_skips(&k->attached, HOOK_IPVS))
		log_debug("this kernel does not tell which kprobes it skips");
}

void kernel_detach_ipvs(struct kernel *k)
{
	for (size_t i = 0; i < N_IPVS_HOOKS; i++)
		attach_detach(&k->attached, ipvs_hooks[i]);
}

bool kernel_sees_ipvs(const struct kernel *k)
{
	return k->attached.event_fd[HOOK_IPVS] >= 0 || k->attached.event_fd[HOOK_FORWARD_FREE] >= 0;
}

void kernel_close(struct kernel *k)
{
	attach_detach_all(&k->attached);
	loader_close(&k->loaded);
}
