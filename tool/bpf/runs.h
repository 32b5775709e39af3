/* SPDX-License-Identifier: Apache-2.0 */
/* How often programs on kprobes ran, as they count it themselves. */
#ifndef RUNS_H
#define RUNS_H

#include "bpf/hooks.h"

#include <stdint.h>

/**
 * runs_count - how often the program of @event has run, on all CPUs
 * @map_fd: the map "runs"; -1 if the programs do not count their runs (see NAMED_KPROBES in probes/common.bpf.h)
 * Return: 0 too if this program does not count.
 */
uint64_t runs_count(int map_fd, enum hook_event event);

#endif
