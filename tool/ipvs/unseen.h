/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that IPVS counted and our probe missed: IPVS's own count minus the count of the programs on
 * ip_vs_conn_new(). attach_skipped() also knows what a kprobe skipped, but not what arrives while kprobes are switched off.
 *
 * The count covers the tool's own network namespace. There, packets of other namespaces arrive in interrupts (kube-proxy's).
 * In the client's own namespace, the thread that connects calls IPVS itself, and interrupts nothing.
 */
#ifndef UNSEEN_H
#define UNSEEN_H

#include "bpf/loader.h"

struct unseen {
	bool known;		/* base is known */
	uint64_t base;		/* IPVS's count minus the programs', when they were attached; modulo 2^64 */
	uint64_t now;		/* missed since then */
	uint64_t before;	/* missed before the last unseen_pause() */
};

/**
 * unseen_update - update the count; the first call starts it
 * The programs must be attached, and know the namespace: see settings_can_count_taken(). A connection that arrives during the
 * update may be counted only by the next one. A connection that was seen is never counted.
 */
void unseen_update(struct unseen *u, const struct loaded *l, const char *proc_root);

/** unseen_pause - keep the count: the programs are about to be detached, or ip_vs was unloaded; unseen_update() starts anew */
void unseen_pause(struct unseen *u);

/** unseen_count - how many connections were missed so far */
uint64_t unseen_count(const struct unseen *u);

#endif
