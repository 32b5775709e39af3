/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/runs.h"

#include "base/bpf.h"
#include "probes/event.h"

static const int run_slots[HOOK_EVENTS] = {
	[HOOK_STATE] = RUN_STATE, [HOOK_STATE_SECOND] = -1, [HOOK_RETRANSMIT] = RUN_RETRANSMIT,
	[HOOK_ERROR] = RUN_ERROR, [HOOK_CONNECT] = RUN_CONNECT, [HOOK_CONNECT_RETURN] = -1,
	[HOOK_IPVS] = RUN_IPVS, [HOOK_CLIENT_PORT] = RUN_CLIENT_PORT, [HOOK_NO_DESTINATION] = RUN_NO_DESTINATION,
	[HOOK_EXPIRE] = RUN_EXPIRE, [HOOK_EXPIRE_NOW] = RUN_EXPIRE_NOW, [HOOK_FREE] = RUN_FREE,
	[HOOK_FORWARD] = RUN_FORWARD, [HOOK_FORWARD_NEW] = RUN_FORWARD_NEW, [HOOK_FORWARD_REFUSED] = RUN_FORWARD_REFUSED,
	[HOOK_FORWARD_EXPIRE] = RUN_FORWARD_EXPIRE, [HOOK_FORWARD_EXPIRE_NOW] = RUN_FORWARD_EXPIRE_NOW,
	[HOOK_FORWARD_FREE] = RUN_FORWARD_FREE, [HOOK_SYN_ACK] = RUN_SYN_ACK, [HOOK_RESET] = RUN_RESET,
	[HOOK_RESET_V6] = RUN_RESET_V6, [HOOK_ACCEPT_SYN] = RUN_ACCEPT_SYN, [HOOK_ACCEPT_ACK] = RUN_ACCEPT_ACK,
	[HOOK_ACCEPT_ACK_V6] = RUN_ACCEPT_ACK_V6,
};

uint64_t runs_count(int map_fd, enum hook_event event)
{
	uint64_t sum = 0, n;

	if (map_fd < 0 || run_slots[event] < 0)
		return 0;
	for (int slot = run_slots[event]; !bpf_lookup(map_fd, &slot, &n); slot += RUN_SLOTS)
		sum += n;
	return sum;
}
