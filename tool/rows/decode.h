/* SPDX-License-Identifier: Apache-2.0 */
/* Turns bytes from a perf buffer or a recording into a checked event. Pure. */
#ifndef DECODE_H
#define DECODE_H

#include <linux/types.h>
#include <stddef.h>

#include "probes/event.h"

/**
 * decode - check a sample and copy it
 * @ev:   filled on 0; aligned
 * @data: @len bytes, any alignment; the kernel pads to 8 bytes
 * Return: 0, or -EBADMSG if size, type, states or family are not those of our events.
 */
int decode(struct event *ev, const void *data, size_t len);

#endif
