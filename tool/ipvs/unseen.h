/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that IPVS took and no program saw: what it has counted itself less what the programs on ip_vs_conn_new()
 * have. What a kprobe has skipped is known too, see attach_skipped(), but not what comes while kprobes are switched off.
 *
 * It holds for the tool's own network namespace, in which the packets of others come in interrupts (kube-proxy's). In
 * that of the client itself IPVS is called by the thread that connects, which interrupts nothing.
 */
#ifndef UNSEEN_H
#define UNSEEN_H

#include "bpf/loader.h"

struct unseen {
	bool known;		/* base is */
	uint64_t base;		/* IPVS's number less the programs', when they were attached; modulo 2^64 */
	uint64_t now;		/* unseen since then */
	uint64_t before;	/* and while an earlier ip_vs was loaded */
};

/**
 * unseen_look - bring the number up to date; the first call begins to count
 * The programs must be attached, and know the namespace: see settings_count_taken(). Connections that come while one looks
 * may be left out until the next look; none is told that was seen.
 */
void unseen_look(struct unseen *u, const struct loaded *l, const char *proc_root);

/** unseen_pause - the programs are about to be detached, or ip_vs has gone; unseen_look() begins anew */
void unseen_pause(struct unseen *u);

/** unseen_count - how many so far */
uint64_t unseen_count(const struct unseen *u);

#endif
