/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/settings.h"

#include "base/bpf.h"
#include "host/namespace.h"

#include <string.h>
#include <sys/stat.h>

static uint32_t own_netns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) ? 0 : (uint32_t)st.st_ino;
}

bool settings_can_count_taken(const struct layout *layout)
{
	return layout->ipvs_net && layout->net_inum;
}

int settings_set(const struct loaded *l, const struct options *o, const struct layout *layout,
	       bool connects, bool ipvs, uint64_t adopt)
{
	const struct namespace_pid own = namespace_own_pid();
	const struct settings s = {
		.flags = (options_every_socket(o) ? SETTING_ALL : 0U) | (o->ipv4 ? SETTING_IPV4 : 0U) |
			 (o->ipv6 ? SETTING_IPV6 : 0U) | (o->lports.n ? SETTING_LPORTS : 0U) |
			 (o->rports.n ? SETTING_RPORTS : 0U) | (connects ? SETTING_CONNECT : 0U) |
			 (connects && ipvs ? SETTING_IPVS : 0U) |
			 (o->pid ? SETTING_PID : 0U) | (o->vips.n ? SETTING_VIPS : 0U) |
			 (o->reals.n ? SETTING_REALS : 0U) |
			 (o->retransmits ? SETTING_RETRANSMITS : 0U) | (options_containers(o) ? SETTING_CGROUPS : 0U) |
			 (o->netns ? SETTING_NETNS : 0U) |
			 (o->states ? SETTING_STATE_TIMES : 0U) |
			 (o->director == DIRECTOR_ENDS ? SETTING_ENDS : 0U) |
			 (options_hold_back(o) ? SETTING_TROUBLE : 0U) |
			 (options_hold_back(o) && o->failures ? SETTING_FAILURES : 0U) |
			 (options_hold_back(o) && o->failures == FAILURES_WHOLE ? SETTING_WHOLE : 0U),
		.slow_ms = options_hold_back(o) ? (uint32_t)o->slow : 0,
		.pid = (uint32_t)o->pid,
		.netns = o->netns_inum,
		.pidns = own.inum,
		.pidns_dev = own.dev,
		.sk_err = layout->sk_err,
		.skc_net = layout->skc_net,
		.skc_v6_daddr = layout->skc_v6_daddr,
		.skc_v6_rcv_saddr = layout->skc_v6_rcv_saddr,
		.net_inum = layout->net_inum,
		.sk_protocol = layout->sk_protocol,
		.protocol_size = layout->protocol_size,
		.inet_sport = layout->inet_sport,
		.inet_saddr = layout->inet_saddr,
		.ipvs_net = layout->ipvs_net,
		.skb_data = layout->skb_data,
		.dest_conn_flags = layout->dest_conn_flags,
		.svc_af = layout->svc_af,
		.svc_ipvs = layout->svc_ipvs,
		.cp_rcu_head = layout->cp_rcu_head,
		.cp_ipvs = layout->cp_ipvs,
		.cp_protocol = layout->cp_protocol,
		.cp_caddr = layout->cp_caddr,
		.cp_vaddr = layout->cp_vaddr,
		.cp_daddr = layout->cp_daddr,
		.cp_cport = layout->cp_cport,
		.cp_vport = layout->cp_vport,
		.cp_dport = layout->cp_dport,
		.cp_timer = layout->cp_timer,
		.cp_timeout = layout->cp_timeout,
		.cp_state = layout->cp_state,
		.cp_flags = layout->cp_flags,
		.cp_dest = layout->cp_dest,
		.cp_in_pkts = layout->cp_in_pkts,
		.dest_flags = layout->dest_flags,
		.dest_weight = layout->dest_weight,
		.pd_state_table = layout->pd_state_table,
		.pd_timeouts = layout->pd_timeouts,
		.skb_len = layout->skb_len,
		.transition_args = layout->transition_args,
		.timer_expires = layout->timer_expires,
		.adopt = adopt,
		.own_netns = settings_can_count_taken(layout) ? own_netns() : 0,
	};
	const int zero = 0;

	return bpf_update(l->settings_fd, &zero, &s, BPF_ANY);
}

static int add_ports(const struct loaded *l, const struct port_list *list, uint32_t which)
{
	const uint8_t one = 1;
	int err = 0;

	for (size_t i = 0; i < list->n && !err; i++) {
		uint32_t key = list->port[i] | which;

		err = bpf_update(l->ports_fd, &key, &one, BPF_ANY);
	}
	return err;
}

static int add_addresses(const struct loaded *l, const struct address_list *list, uint16_t side)
{
	const uint8_t one = 1;
	int err = 0;

	for (size_t i = 0; i < list->n && !err; i++) {
		struct address key = { .port = list->end[i].port, .side = side };

		memcpy(key.addr, list->end[i].addr, sizeof(key.addr));
		err = bpf_update(l->addresses_fd, &key, &one, BPF_ANY);
	}
	return err;
}

int settings_set_filters(const struct loaded *l, const struct options *o)
{
	int err = add_ports(l, &o->lports, 0);

	if (!err)
		err = add_ports(l, &o->rports, PORT_REMOTE);
	if (!err)
		err = add_addresses(l, &o->vips, ADDRESS_VIP);
	if (!err)
		err = add_addresses(l, &o->reals, ADDRESS_REAL);
	return err;
}
