/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool has in the kernel: the programs, their hooks and their settings. */
#ifndef KERNEL_H
#define KERNEL_H

#include "bpf/attach.h"
#include "bpf/loader.h"
#include "trace/plan.h"

struct kernel {
	const struct plan *plan;
	const struct hook *chosen[HOOK_EVENTS];	/* NULL: not available, not wanted, or failed to attach */
	struct layout layout;		/* offsets known so far; 0: not known, or not yet */
	bool layout_final;		/* no offsets will come from the layout text any more */
	struct loaded loaded;
	struct attached attached;
	uint64_t adopt;			/* bits for settings_set(); see entries_add() */
	bool awaits_ipvs;		/* connects wait for IPVS; set before its programs are first attached */
};

/** kernel_init - set up @k, load nothing; @plan must outlive @k; the caller calls kernel_close() */
void kernel_init(struct kernel *k, const struct plan *plan);

/** kernel_choose - choose the hooks by the layout that is known so far */
void kernel_choose(struct kernel *k);

/**
 * kernel_load - load the programs, their maps, settings and filters into the kernel
 * @programs: compiled programs; not kept
 * @errmsg: one line, set on failure
 * Return: 0 or a negative errno.
 */
int kernel_load(struct kernel *k, const struct object *programs, char *errmsg, size_t len);

/** kernel_update_settings - give the programs the settings known so far; Return: 0 or a negative errno */
int kernel_update_settings(const struct kernel *k);

/**
 * kernel_attach - attach a loaded program to its hook, if one was chosen
 * If a program that is not needed fails, the tool warns and goes on without it.
 * Return: 0 or a negative errno with @errmsg.
 */
int kernel_attach(struct kernel *k, enum hook_event event, char *errmsg, size_t len);

/** kernel_attach_ipvs - attach programs to the functions of module ip_vs that exist and have none yet */
void kernel_attach_ipvs(struct kernel *k);

/** kernel_detach_ipvs - detach all of them */
void kernel_detach_ipvs(struct kernel *k);

/** kernel_sees_ipvs - true if the program for new connections of IPVS is attached */
bool kernel_sees_ipvs(const struct kernel *k);

/** kernel_close - detach and unload everything */
void kernel_close(struct kernel *k);

#endif
