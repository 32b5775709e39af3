/* SPDX-License-Identifier: Apache-2.0 */
#include "rows/decode.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(AF_INET == 2 && AF_INET6 == 10, "the probes define the same numbers");

static int family_known(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

/* Reads a member that is one byte wide. */
#define BYTE(data, member) (((const uint8_t *)(data))[offsetof(struct event, member)])

int decode(struct event *ev, const void *data, size_t len)
{
	const size_t size = len < sizeof(*ev) ? EVENT_SIZE_OLD : sizeof(*ev);
	uint8_t real;

	if (len < size || len >= size + 8)
		return -EBADMSG;
	if (BYTE(data, type) < EVENT_STATE || BYTE(data, type) >= EVENT_TYPES)
		return -EBADMSG;
	real = BYTE(data, conn.real.family);
	if (BYTE(data, oldstate) > 15 || BYTE(data, newstate) > 15 ||
	    !family_known(BYTE(data, conn.family)) || (real && !family_known(real)))
		return -EBADMSG;
	ev->cgroup = ev->pad = 0;
	memcpy(ev, data, size);
	ev->conn.owner.comm[sizeof(ev->conn.owner.comm) - 1] = '\0';
	return 0;
}
