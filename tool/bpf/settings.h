/* SPDX-License-Identifier: Apache-2.0 */
/* Passes the options, the kernel's layout and the filters to the programs. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "bpf/loader.h"
#include "build/layout.h"
#include "cli/options.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * settings_set - pass the options and the known part of the kernel's layout to the programs
 * @connects: tcp_connect() is probed
 * @ipvs:     ip_vs_conn_new() is probed too, or was
 * @adopt:    as set by entries_add(); 0: IPVS handles no pre-existing socket
 * Return: 0 or a negative errno.
 */
int settings_set(const struct loaded *l, const struct options *o, const struct layout *layout,
	       bool connects, bool ipvs, uint64_t adopt);

/** settings_can_count_taken - true if, with this @layout, the programs can count the connections that IPVS takes */
bool settings_can_count_taken(const struct layout *layout);

/** settings_set_filters - fill the port and address filters; called once; Return: 0 or a negative errno */
int settings_set_filters(const struct loaded *l, const struct options *o);

#endif
