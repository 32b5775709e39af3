/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/hooks.h"

#include <stddef.h>

static const struct hook table[] = {
	{ HOOK_STATE, HOOK_RAW_TRACEPOINT, NULL, "inet_sock_set_state", "state_raw" },
	{ HOOK_STATE_SECOND, HOOK_RAW_TRACEPOINT, NULL, "inet_sock_set_state", "state_second" },
	{ HOOK_STATE, HOOK_TRACEPOINT, "sock", "inet_sock_set_state", "state_tracepoint" },
	{ HOOK_STATE, HOOK_KPROBE, NULL, "tcp_set_state", "state_kprobe" },
	{ HOOK_RETRANSMIT, HOOK_RAW_TRACEPOINT, NULL, "tcp_retransmit_skb", "retransmit_raw" },
	{ HOOK_RETRANSMIT, HOOK_TRACEPOINT, "tcp", "tcp_retransmit_skb", "retransmit_tracepoint" },
	{ HOOK_RETRANSMIT, HOOK_KPROBE, NULL, "tcp_retransmit_skb", "retransmit_kprobe" },
	{ HOOK_ERROR, HOOK_RAW_TRACEPOINT, NULL, "inet_sk_error_report", "error_raw" },
	{ HOOK_ERROR, HOOK_KPROBE, NULL, "sock_def_error_report", "error_kprobe" },
	{ HOOK_CONNECT, HOOK_KPROBE, NULL, "tcp_connect", "connect_kprobe" },
	{ HOOK_CONNECT_RETURN, HOOK_KRETPROBE, NULL, "tcp_connect", "connect_return" },
	{ HOOK_IPVS, HOOK_KPROBE, NULL, "ip_vs_conn_new", "ipvs_kprobe" },
	{ HOOK_CLIENT_PORT, HOOK_KPROBE, NULL, "ip_vs_conn_fill_cport", "client_port_kprobe" },
	{ HOOK_NO_DESTINATION, HOOK_KPROBE, NULL, "ip_vs_leave", "leave_kprobe" },
	{ HOOK_EXPIRE, HOOK_KPROBE, NULL, "ip_vs_conn_expire", "expire_kprobe" },
	{ HOOK_EXPIRE_NOW, HOOK_KPROBE, NULL, "ip_vs_conn_expire_now", "expire_now_kprobe" },
	{ HOOK_FREE, HOOK_KPROBE, NULL, "ip_vs_conn_rcu_free", "free_kprobe" },
	{ HOOK_FORWARD, HOOK_KPROBE, NULL, "tcp_state_transition", "forward_kprobe" },
	{ HOOK_FORWARD_NEW, HOOK_KPROBE, NULL, "ip_vs_conn_new", "forward_new_kprobe" },
	{ HOOK_FORWARD_REFUSED, HOOK_KPROBE, NULL, "ip_vs_leave", "forward_refused_kprobe" },
	{ HOOK_FORWARD_EXPIRE, HOOK_KPROBE, NULL, "ip_vs_conn_expire", "forward_expire_kprobe" },
	{ HOOK_FORWARD_EXPIRE_NOW, HOOK_KPROBE, NULL, "ip_vs_conn_expire_now", "forward_expire_now_kprobe" },
	{ HOOK_FORWARD_FREE, HOOK_KPROBE, NULL, "ip_vs_conn_rcu_free", "forward_free_kprobe" },
	{ HOOK_SYN_ACK, HOOK_RAW_TRACEPOINT, NULL, "tcp_retransmit_synack", "syn_ack_raw" },
	{ HOOK_SYN_ACK, HOOK_KPROBE, NULL, "tcp_rtx_synack", "syn_ack_kprobe" },
	{ HOOK_RESET, HOOK_RAW_TRACEPOINT, NULL, "tcp_send_reset", "reset_raw" },
	{ HOOK_RESET, HOOK_KPROBE, NULL, "tcp_v4_send_reset", "reset_kprobe" },
	{ HOOK_RESET_V6, HOOK_KPROBE, NULL, "tcp_v6_send_reset", "reset_v6_kprobe" },
	{ HOOK_ACCEPT_SYN, HOOK_KPROBE, NULL, "tcp_conn_request", "accept_syn_kprobe" },
	{ HOOK_ACCEPT_ACK, HOOK_KPROBE, NULL, "tcp_v4_syn_recv_sock", "accept_ack_kprobe" },
	{ HOOK_ACCEPT_ACK_V6, HOOK_KPROBE, NULL, "tcp_v6_syn_recv_sock", "accept_ack_v6_kprobe" },
};

enum { N_HOOKS = sizeof(table) / sizeof(table[0]) };

static bool is_wished_kind(enum hook_choice wish, const struct hook *hook)
{
	switch (hook->kind) {
	case HOOK_RAW_TRACEPOINT:
		return wish == HOOK_CHOICE_RAW;
	case HOOK_TRACEPOINT:
		return wish == HOOK_CHOICE_TRACEPOINT;
	default:
		return wish == HOOK_CHOICE_KPROBE;
	}
}

static bool is_candidate(enum hook_choice wish, const struct hook *hook)
{
	if (wish == HOOK_CHOICE_ANY || is_wished_kind(wish, hook))
		return true;
	for (size_t i = 0; i < N_HOOKS; i++)
		if (table[i].event == hook->event && is_wished_kind(wish, &table[i]))
			return false;
	return true;
}

void hooks_choose(enum hook_choice wish, bool (*has)(void *cookie, const struct hook *),
		  void *cookie, const struct hook *chosen[HOOK_EVENTS])
{
	for (int event = 0; event < HOOK_EVENTS; event++) {
		chosen[event] = NULL;
		for (size_t i = 0; i < N_HOOKS && !chosen[event]; i++)
			if ((int)table[i].event == event && is_candidate(wish, &table[i]) &&
			    has(cookie, &table[i]))
				chosen[event] = &table[i];
	}
}

const struct hook *hooks_next(const struct hook *hook)
{
	if (!hook)
		return table;
	return ++hook < table + N_HOOKS ? hook : NULL;
}

const char *hooks_kind(enum hook_kind kind)
{
	static const char *const words[] = {
		[HOOK_NONE] = "no hook",
		[HOOK_RAW_TRACEPOINT] = "raw tracepoint",
		[HOOK_TRACEPOINT] = "tracepoint",
		[HOOK_KPROBE] = "kprobe",
		[HOOK_KRETPROBE] = "kretprobe",
	};

	return words[kind];
}

const char *hooks_describe(enum hook_event event)
{
	static const char *const words[HOOK_EVENTS] = {
		[HOOK_STATE] = "TCP state changes",
		[HOOK_STATE_SECOND] = "TCP state changes in interrupts",
		[HOOK_RETRANSMIT] = "retransmits",
		[HOOK_ERROR] = "errors that polling programs fetch",
		[HOOK_CONNECT] = "connects",
		[HOOK_CONNECT_RETURN] = "connects that IPVS does not take",
		[HOOK_IPVS] = "IPVS connections",
		[HOOK_NO_DESTINATION] = "virtual services without a real server",
		[HOOK_CLIENT_PORT] = "data connections of passive FTP",
		[HOOK_EXPIRE] = "IPVS connections that time out",
		[HOOK_EXPIRE_NOW] = "IPVS connections that end at once",
		[HOOK_FREE] = "the end of IPVS connections",
		[HOOK_FORWARD] = "packets of forwarded connections",
		[HOOK_FORWARD_NEW] = "new forwarded connections",
		[HOOK_FORWARD_REFUSED] = "forwarded connections without a real server",
		[HOOK_FORWARD_EXPIRE] = "forwarded connections that time out",
		[HOOK_FORWARD_EXPIRE_NOW] = "forwarded connections that end at once",
		[HOOK_FORWARD_FREE] = "the end of forwarded connections",
		[HOOK_SYN_ACK] = "SYN-ACKs sent again",
		[HOOK_RESET] = "SYNs without a listener",
		[HOOK_RESET_V6] = "SYNs without a listener, IPv6",
		[HOOK_ACCEPT_SYN] = "SYNs for a full accept queue",
		[HOOK_ACCEPT_ACK] = "ACKs for a full accept queue",
		[HOOK_ACCEPT_ACK_V6] = "ACKs for a full accept queue, IPv6",
	};

	return words[event];
}
