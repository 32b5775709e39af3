/* SPDX-License-Identifier: Apache-2.0 */
#include "build/layout.h"

#include "base/file.h"
#include "build/btf.h"

#include <stddef.h>
#include <stdlib.h>

#define BTF "/sys/kernel/btf/"

/* A member, its function in the layout text, and its place in struct layout. */
static const struct place {
	const char *type, *member, *function;
	size_t at;
} places[] = {
#define PLACE(type, member, name) { type, member, #name, offsetof(struct layout, name) }
	PLACE("sock", "sk_err", sk_err),
	PLACE("sock", "sk_protocol", sk_protocol),
	PLACE("inet_sock", "inet_sport", inet_sport),
	PLACE("inet_sock", "inet_saddr", inet_saddr),
	PLACE("sock_common", "skc_net", skc_net),
	PLACE("sock_common", "skc_v6_daddr", skc_v6_daddr),
	PLACE("sock_common", "skc_v6_rcv_saddr", skc_v6_rcv_saddr),
	PLACE("net", "ns", net_inum),		/* in BTF: of ns, inum is within */
	PLACE("sk_buff", "data", skb_data),
	PLACE("netns_ipvs", "net", ipvs_net),	/* from here on: module ip_vs */
	PLACE("ip_vs_dest", "conn_flags", dest_conn_flags),
	PLACE("ip_vs_service", "af", svc_af),
	PLACE("ip_vs_service", "ipvs", svc_ipvs),
	PLACE("ip_vs_conn", "callback_head", cp_rcu_head),	/* to the compiler, rcu_head is a macro */
	PLACE("ip_vs_conn", "ipvs", cp_ipvs),
	PLACE("ip_vs_conn", "protocol", cp_protocol),
	PLACE("ip_vs_conn", "caddr", cp_caddr),
	PLACE("ip_vs_conn", "vaddr", cp_vaddr),
	PLACE("ip_vs_conn", "daddr", cp_daddr),
	PLACE("ip_vs_conn", "cport", cp_cport),
	PLACE("ip_vs_conn", "vport", cp_vport),
	PLACE("ip_vs_conn", "dport", cp_dport),
	PLACE("ip_vs_conn", "timer", cp_timer),
#undef PLACE
};

enum { SK_PROTOCOL = 1, NET_NS = 7, OF_KERNEL = 9, N_PLACES = sizeof(places) / sizeof(places[0]) };

static void set(struct layout *l, const struct place *p, long offset)
{
	if (offset > 0 && offset <= UINT16_MAX)
		*(uint16_t *)((char *)l + p->at) = (uint16_t)offset;
}

void layout_from_object(struct layout *l, const struct object *o)
{
	int size = object_constant(o, "protocol_size");

	*l = (struct layout){ .protocol_size = size > 0 ? (uint16_t)size : 0 };
	for (int i = 0; i < N_PLACES; i++)
		set(l, &places[i], object_constant(o, places[i].function));
}

bool layout_from_btf(struct layout *l, const void *btf, size_t len, const void *ipvs,
		     size_t ipvs_len)
{
	struct btf_member m[N_PLACES + 1] = { [N_PLACES] = { .type = "ns_common", .name = "inum" } };
	const struct btf_member *inum = &m[N_PLACES];

	for (int i = 0; i < N_PLACES; i++)
		m[i] = (struct btf_member){ .type = places[i].type, .name = places[i].member };
	if (btf_find(btf, len, NULL, 0, m, N_PLACES + 1))
		return false;
	if (ipvs)
		btf_find(ipvs, ipvs_len, btf, len, &m[OF_KERNEL], N_PLACES - OF_KERNEL);
	if (m[SK_PROTOCOL].found)
		l->protocol_size = m[SK_PROTOCOL].bitfield ? 1 : 2;
	m[NET_NS].found = m[NET_NS].found && inum->found;
	m[NET_NS].offset += inum->offset;
	for (int i = 0; i < N_PLACES; i++)
		if (m[i].found)
			set(l, &places[i], m[i].offset);
	return layout_knows_sockets(l);
}

bool layout_read(struct layout *l)
{
	size_t len = 0, ipvs_len = 0;
	char *btf = file_read_bytes(BTF "vmlinux", &len);
	char *ipvs = btf ? file_read_bytes(BTF "ip_vs", &ipvs_len) : NULL;
	bool all = btf && layout_from_btf(l, btf, len, ipvs, ipvs_len);

	free(btf);
	free(ipvs);
	return all;
}

bool layout_knows_sockets(const struct layout *l)
{
	return l->sk_err && l->sk_protocol && l->protocol_size && l->inet_sport && l->inet_saddr &&
	       l->skc_net && l->skc_v6_daddr && l->skc_v6_rcv_saddr && l->net_inum;
}
