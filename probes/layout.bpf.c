/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets and sizes that differ between kernels. Each function compiles to
 * "r0 = constant; exit". The tool reads the constant from the compiled program,
 * and never loads the program.
 */
/*
 * Before a text libbcc includes its own <linux/bpf.h> and its helpers.h. Headers of a kernel that is newer than this libbcc
 * need types that its bpf.h lacks, such as struct bpf_timer from 5.15 on. So the tool defines the guards of these two files,
 * which makes them empty, and this text includes the kernel's own. It also does what helpers.h does for clang.
 */
#undef _UAPI__LINUX_BPF_H__
#include <linux/types.h>
#undef asm_inline
#define asm_inline asm
#undef asm_volatile_goto
#define asm_volatile_goto(x...) asm volatile("")
#ifdef CONFIG_FUNCTION_TRACER
#define CC_USING_FENTRY
#endif
#ifndef KBUILD_MODNAME
#define KBUILD_MODNAME "ipvs_tcpstate"
#endif
#include <linux/version.h>
#include <net/sock.h>
#include <net/inet_sock.h>
#ifndef WITHOUT_IPVS
#include <net/ip_vs.h>
#endif

/* libbcc adds the license to a text. */
#define SEC(name) __attribute__((section(name), used))
#define BCC_SEC(name) SEC(name)

#define OFFSET(name, type, member) \
	int name(void *ctx) { return __builtin_offsetof(type, member); }

OFFSET(sk_err, struct sock, sk_err)
#ifdef SK_FL_PROTO_SHIFT	/* before 5.6: eight bits of a word of flags */
int sk_protocol(void *ctx) { return __builtin_offsetof(struct sock, __sk_flags_offset) + 1; }
int protocol_size(void *ctx) { return 1; }
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(4, 17, 0)	/* else a bitfield, and no raw tracepoint needs it */
OFFSET(sk_protocol, struct sock, sk_protocol)
int protocol_size(void *ctx) { return sizeof(((struct sock *)0)->sk_protocol); }
#endif
OFFSET(inet_sport, struct inet_sock, inet_sport)
OFFSET(inet_saddr, struct inet_sock, inet_saddr)
OFFSET(skc_net, struct sock_common, skc_net)
OFFSET(skc_v6_daddr, struct sock_common, skc_v6_daddr)
OFFSET(skc_v6_rcv_saddr, struct sock_common, skc_v6_rcv_saddr)
OFFSET(net_inum, struct net, ns.inum)
OFFSET(skb_data, struct sk_buff, data)
OFFSET(skb_len, struct sk_buff, len)
OFFSET(timer_expires, struct timer_list, expires)
#ifndef WITHOUT_IPVS
OFFSET(ipvs_net, struct netns_ipvs, net)
OFFSET(dest_conn_flags, struct ip_vs_dest, conn_flags)
OFFSET(svc_af, struct ip_vs_service, af)
OFFSET(svc_ipvs, struct ip_vs_service, ipvs)
OFFSET(cp_rcu_head, struct ip_vs_conn, rcu_head)
OFFSET(cp_ipvs, struct ip_vs_conn, ipvs)
OFFSET(cp_protocol, struct ip_vs_conn, protocol)
OFFSET(cp_caddr, struct ip_vs_conn, caddr)
OFFSET(cp_vaddr, struct ip_vs_conn, vaddr)
OFFSET(cp_daddr, struct ip_vs_conn, daddr)
OFFSET(cp_cport, struct ip_vs_conn, cport)
OFFSET(cp_vport, struct ip_vs_conn, vport)
OFFSET(cp_dport, struct ip_vs_conn, dport)
OFFSET(cp_state, struct ip_vs_conn, state)
OFFSET(cp_flags, struct ip_vs_conn, flags)
OFFSET(cp_dest, struct ip_vs_conn, dest)
OFFSET(cp_in_pkts, struct ip_vs_conn, in_pkts)
OFFSET(cp_timeout, struct ip_vs_conn, timeout)
/* The flag that the real server is in the service. Kernels of 2026 have it in a word of its own. */
#ifdef IP_VS_DEST_CF_AVAILABLE
OFFSET(dest_flags, struct ip_vs_dest, cflags)
#else
OFFSET(dest_flags, struct ip_vs_dest, flags)
#endif
OFFSET(dest_weight, struct ip_vs_dest, weight)
OFFSET(pd_state_table, struct ip_vs_proto_data, tcp_state_table)
OFFSET(pd_timeouts, struct ip_vs_proto_data, timeout_table)

/* Stable kernels of 2026 pass the length of the IP header too. */
int transition_args(void *ctx)
{
	return __builtin_types_compatible_p(typeof(((struct ip_vs_protocol *)0)->state_transition),
					    void (*)(struct ip_vs_conn *, int, const struct sk_buff *,
						     struct ip_vs_proto_data *, unsigned int)) ? 5 : 4;
}

/* Before 4.15 a timer's function gets a number, here the connection's address. Kernels with BTF are newer. */
int cp_timer(void *ctx)
{
	return __builtin_types_compatible_p(typeof(((struct timer_list *)0)->function), void (*)(struct timer_list *)) ?
		       __builtin_offsetof(struct ip_vs_conn, timer) : 0;
}
#endif
