/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's part of map "entries", in which the programs mirror IPVS's table. The tool adds the connections that are older
 * than the programs, and removes ended ones. */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "bpf/loader.h"
#include "ipvs/ipvs.h"

#include <stdint.h>

/**
 * entries_add - add a pre-existing connection of IPVS; an element that is already there does not change
 * @adopt: gets a bit for the port of its virtual service; the caller passes @adopt to settings_set()
 * Return: 0; -EEXIST: it is already there; -E2BIG: the map is full; or another negative errno.
 */
int entries_add(const struct loaded *l, const struct ipvs_entry *e, uint64_t *adopt);

/** entries_count_added - count @more connections that entries_add() has added, for entries_known() */
void entries_count_added(const struct loaded *l, uint64_t more);

/** entries_add_service - add the virtual service of this connection to map "services" */
void entries_add_service(const struct loaded *l, const struct ipvs_entry *e);

/** entries_known - how many connections IPVS has, as far as the programs and entries_add() know */
uint64_t entries_known(const struct loaded *l);

/** entries_forget - remove all connections and virtual services: ip_vs was unloaded */
void entries_forget(const struct loaded *l);

/** entries_sweep - make room by removing ended connections, in maps that do not drop their oldest elements */
void entries_sweep(const struct loaded *l);

/**
 * entries_mark_open, entries_unmark_open - mark a pre-existing connection as counted open until its socket ends, and undo it
 * Return: 0 or a negative errno; entries_unmark_open(): -ENOENT if the programs have seen its end.
 */
int entries_mark_open(const struct loaded *l, const struct ipvs_entry *e);
int entries_unmark_open(const struct loaded *l, const struct ipvs_entry *e);

#endif
