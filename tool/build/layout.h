/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets in kernel structs: from the kernel's type information where it has
 * any, else from the compiled layout text. Pure. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "build/object.h"

#include <stdbool.h>

/* Bytes from the start of the struct; 0: not known. */
struct layout {
	uint16_t sk_err, sk_protocol;			/* struct sock */
	uint16_t inet_sport, inet_saddr;		/* struct inet_sock */
	uint16_t skc_net, skc_v6_daddr, skc_v6_rcv_saddr;	/* struct sock_common */
	uint16_t net_inum;				/* struct net */
	uint16_t ipvs_net;				/* struct netns_ipvs */
	uint16_t skb_data;				/* struct sk_buff */
	uint16_t dest_conn_flags;			/* struct ip_vs_dest */
	uint16_t svc_af, svc_ipvs;			/* struct ip_vs_service */
	uint16_t cp_rcu_head, cp_ipvs, cp_protocol;	/* struct ip_vs_conn */
	uint16_t cp_caddr, cp_vaddr, cp_daddr, cp_cport, cp_vport, cp_dport;
	uint16_t cp_timer;				/* where timers hand themselves to their function; else 0 */
	uint16_t protocol_size;				/* bytes of sk_protocol */
};

/** layout_from_object - take the offsets from the compiled layout text; what it lacks is 0 */
void layout_from_object(struct layout *l, const struct object *o);

/**
 * layout_from_btf - take the offsets from type information
 * @l:    those found are set, the others untouched
 * @btf:  of the kernel, @len bytes, as /sys/kernel/btf/vmlinux
 * @ipvs: of module ip_vs, @ipvs_len bytes, or NULL: then its two offsets are looked for in @btf
 * Return: true where all offsets of sockets are known.
 */
bool layout_from_btf(struct layout *l, const void *btf, size_t len, const void *ipvs,
		     size_t ipvs_len);

/** layout_knows_sockets - whether all but IPVS's offsets are known */
bool layout_knows_sockets(const struct layout *l);

/**
 * layout_read - take the offsets from this kernel's own types, where it has them
 * May be called again once module ip_vs has come, whose types are in a file of their own.
 * Return: as layout_from_btf(); false too where this kernel has no BTF.
 */
bool layout_read(struct layout *l);

#endif
