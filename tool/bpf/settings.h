/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs are told: the options, the kernel's layout, the filters. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "bpf/loader.h"
#include "build/layout.h"
#include "cli/options.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * settings_set - give the programs what the options ask for, and what is known of the kernel's layout
 * @connects: tcp_connect() is probed
 * @ipvs:     so is ip_vs_conn_new(), or was
 * @adopt:    as entries_add() has made it; 0: no socket from before the start is IPVS's
 * Return: 0 or a negative errno.
 */
int settings_set(const struct loaded *l, const struct options *o, const struct layout *layout,
	       bool connects, bool ipvs, uint64_t adopt);

/** settings_count_taken - whether settings_set() with this @layout lets the programs count what IPVS takes */
bool settings_count_taken(const struct layout *layout);

/** settings_set_filters - fill the filters by port and by address, once; Return: 0 or a negative errno */
int settings_set_filters(const struct loaded *l, const struct options *o);

#endif
