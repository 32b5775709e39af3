/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets in kernel structs: from the kernel's type information (BTF) if it has
 * any, else from the compiled layout text. Pure, except layout_read*(). */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "build/object.h"
#include "build/saved.h"
#include "host/host.h"

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
	uint16_t cp_state, cp_flags, cp_dest, cp_in_pkts, cp_timeout;
	uint16_t dest_flags, dest_weight;		/* struct ip_vs_dest */
	uint16_t pd_state_table, pd_timeouts;		/* struct ip_vs_proto_data */
	uint16_t skb_len;				/* struct sk_buff */
	uint16_t timer_expires;				/* struct timer_list */
	uint16_t transition_args;			/* number of arguments of tcp_state_transition() */
	uint16_t cp_timer;				/* 0 before 4.15: a timer's function gets the connection there */
	uint16_t protocol_size;				/* size of sk_protocol, bytes */
};

/** layout_from_object - read the offsets from the compiled layout text; those that it lacks become 0 */
void layout_from_object(struct layout *l, const struct object *o);

/**
 * layout_from_btf - read the offsets from type information
 * @l:    offsets that are found are set, the others do not change
 * @btf:  type information of the kernel, @len bytes, as in /sys/kernel/btf/vmlinux
 * @ipvs: type information of module ip_vs, @ipvs_len bytes, or NULL: @btf may have the offsets of IPVS too
 * Return: true if all offsets of sockets are known.
 */
bool layout_from_btf(struct layout *l, const void *btf, size_t len, const void *ipvs,
		     size_t ipvs_len);

/** layout_knows_sockets - true if all offsets of sockets are known; those of IPVS may be missing */
bool layout_knows_sockets(const struct layout *l);

/** layout_knows_states - true if all offsets of the states of IPVS are known, for --director */
bool layout_knows_states(const struct layout *l);

/**
 * layout_read - read the offsets from this kernel's BTF files
 * Call it again once module ip_vs is loaded: its types are in a separate file.
 * Return: as layout_from_btf(); also false if this kernel has no BTF.
 */
bool layout_read(struct layout *l);

/**
 * layout_read_kept - the same, but if they were read on this kernel and module before, from the cache: BTF has megabytes
 * @cache_dir: see cache_load(); NULL: no cache
 * @keep: write to the cache what was read
 * @saved: used in place of the cache; NULL: none
 */
bool layout_read_kept(struct layout *l, const struct host *h, const char *cache_dir, bool keep, const struct saved *saved);

/** layout_save - add to @saved what was read from BTF; Return: 0 or a negative errno */
int layout_save(const struct layout *l, const struct host *h, struct saved *saved);

/**
 * layout_to_object - make an object from which layout_from_object() reads the same offsets
 * Return: 0, or -ENOMEM; free with object_free().
 */
int layout_to_object(const struct layout *l, struct object *o);

#endif
