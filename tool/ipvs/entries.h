/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's side of map "entries", where the programs mirror IPVS's table: what was there before them, and what is to go. */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "bpf/loader.h"
#include "ipvs/ipvs.h"

#include <stdint.h>

/**
 * entries_add - mirror a connection that IPVS had already; one that is there stays as it is
 * @adopt: a bit for the port of its service is added; settings_set() is to come
 * Return: 0; -EEXIST: it is there; -E2BIG: there is no more room; or another negative errno.
 */
int entries_add(const struct loaded *l, const struct ipvs_entry *e, uint64_t *adopt);

/** entries_count_added - @more were added by entries_add(), for entries_known() */
void entries_count_added(const struct loaded *l, uint64_t more);

/** entries_add_service - IPVS serves the virtual service of this connection */
void entries_add_service(const struct loaded *l, const struct ipvs_entry *e);

/** entries_known - how many connections of IPVS there are, as far as the programs and entries_add() know */
uint64_t entries_known(const struct loaded *l);

/** entries_forget - ip_vs has gone, with all its connections */
void entries_forget(const struct loaded *l);

/** entries_sweep - make room in maps that keep their oldest elements, by removing those that have ended */
void entries_sweep(const struct loaded *l);

/**
 * entries_mark_open, entries_unmark_open - a connection from before the start is counted as open, until its socket ends
 * Return: 0 or a negative errno; entries_unmark_open(): -ENOENT where the programs have seen its end.
 */
int entries_mark_open(const struct loaded *l, const struct ipvs_entry *e);
int entries_unmark_open(const struct loaded *l, const struct ipvs_entry *e);

#endif
