/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool has in the kernel: programs, the hooks that they are on, and what they are told. */
#ifndef KERNEL_H
#define KERNEL_H

#include "bpf/attach.h"
#include "bpf/loader.h"
#include "trace/plan.h"

struct kernel {
	const struct plan *plan;
	const struct hook *chosen[HOOK_FACTS];	/* NULL: cannot be had, is not wanted, or was given up */
	struct layout layout;		/* what is known by now; 0: not known, or not yet */
	bool layout_final;		/* nothing more is to come */
	struct loaded loaded;
	struct attached attached;
	uint64_t adopt;			/* see entries_add() */
	bool awaits_ipvs;		/* connects wait for IPVS: its hook is there, or was */
};

/** kernel_init - nothing is loaded yet; @plan must outlive @k; kernel_close() it */
void kernel_init(struct kernel *k, const struct plan *plan);

/** kernel_choose - choose the hooks by what is known of the layout by now */
void kernel_choose(struct kernel *k);

/**
 * kernel_load - programs, their maps, settings and filters into the kernel
 * @programs: as compiled; not kept
 * @cause: one line, set on failure
 * Return: 0 or a negative errno.
 */
int kernel_load(struct kernel *k, const struct object *programs, char *cause, size_t len);

/** kernel_tell - hand what is known by now to the programs; Return: 0 or a negative errno */
int kernel_tell(const struct kernel *k);

/**
 * kernel_attach - put a loaded program on its hook, if one was chosen
 * One that is not needed may fail: then there is a warning, and it is given up.
 * Return: 0 or a negative errno with @cause.
 */
int kernel_attach(struct kernel *k, enum hook_fact fact, char *cause, size_t len);

/** kernel_attach_ipvs - put programs on the functions of module ip_vs that are there and have none yet */
void kernel_attach_ipvs(struct kernel *k);

/** kernel_detach_ipvs - take all of them off */
void kernel_detach_ipvs(struct kernel *k);

/** kernel_sees_ipvs - true if the program for new connections of IPVS is on its hook */
bool kernel_sees_ipvs(const struct kernel *k);

/** kernel_close - undo all */
void kernel_close(struct kernel *k);

#endif
