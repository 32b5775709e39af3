/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include "earlier.h"
#include "log.h"

#include <errno.h>

int follow_settings(struct trace *t)
{
	return loader_set(&t->loaded, t->plan->options, &t->plan->offsets,
			  t->plan->chosen[HOOK_CONNECT], t->services);
}

static const enum hook_fact of_ipvs[] = { HOOK_IPVS, HOOK_NO_DESTINATION, HOOK_EXPIRY };

#define N_OF_IPVS (sizeof(of_ipvs) / sizeof(of_ipvs[0]))

static void detach_ipvs(struct trace *t)
{
	unseen_pause(&t->unseen);
	for (size_t i = 0; i < N_OF_IPVS; i++)
		attach_undo(&t->attached, of_ipvs[i]);
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
		if (!err)
			continue;
		log_warning("%s", cause);
		t->plan->chosen[of_ipvs[i]] = NULL;
	}
}

void follow_earlier(struct trace *t)
{
	const struct options *o = t->plan->options;
	bool counts = options_counts(o);

	t->services |= earlier_read(&t->loaded, o->proc_root, counts ? &t->summary : NULL);
	if (!t->services)
		return;
	follow_settings(t);
	if (counts)
		earlier_count_open(&t->loaded, o, &t->summary);
}

void follow_unseen(struct trace *t)
{
	if (t->attached.event_fd[HOOK_IPVS] >= 0 && loader_counts_taken(&t->plan->offsets))
		unseen_look(&t->unseen, &t->loaded, t->plan->options->proc_root);
}

void follow_ipvs(struct trace *t)
{
	bool attached = t->attached.event_fd[HOOK_IPVS] >= 0;
	uint64_t ipvs = host_ipvs();

	if (attached && ipvs != t->ipvs) {
		detach_ipvs(t);
		attached = false;
		if (!options_counts(t->plan->options))	/* else the end of those counted as open is still to come */
			t->services = 0;		/* its connections are gone */
		follow_settings(t);
		log_info("ip_vs was unloaded; waiting for it");
	}
	if (attached || !ipvs)
		return;
	t->ipvs = ipvs;
	attach_ipvs(t);
	if (t->ready && t->attached.event_fd[HOOK_IPVS] >= 0) {
		log_info("ip_vs is loaded; its connections are %s from now on",
			 options_counts(t->plan->options) ? "counted" : "shown");
		if (plan_read_btf(t->plan))	/* now with the module's own types */
			follow_settings(t);
		follow_earlier(t);
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
