/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip_vs_leave(svc, skb, pd, iph), net/netfilter/ipvs/ip_vs_core.c: IPVS has no
 * real server for a packet of a virtual service, and rejects it by ICMP. If it
 * forwards the packet after all (cache bypass), it calls ip_vs_conn_new() next.
 */

/* struct ip_vs_iphdr, include/net/ip_vs.h, from "len" on. Before it are hdr_flags, which RHEL 7's 3.10 has not, and off. */
struct ip_header {
	u32 len;		/* offset of the TCP header from skb->data */
	u16 fragoffs;
	s16 protocol;
	s32 flags;
	u32 saddr[4];
	u32 daddr[4];
};

/* Reads the addresses and ports of the packet. Returns false if it is not a TCP packet, or not known. */
static inline bool read_left(const struct settings *s, u64 svc, u64 skb, u64 iph, struct tuple *t, u16 *af)
{
	struct ip_header h = {};
	u64 data = 0, ipvs = 0;
	u32 hdr_flags = 0;
	u16 ports[2] = {};

	if (!s->skb_data || !s->svc_af || !s->svc_ipvs || !s->iph_len)
		return false;
	if (s->iph_len > sizeof(u32))
		read_kernel(&hdr_flags, sizeof(hdr_flags), (void *)iph);
	iph += s->iph_len;
	read_kernel(&h, sizeof(h), (void *)iph);
	if (h.protocol != IPPROTO_TCP || hdr_flags)
		return false;
	read_kernel(af, sizeof(*af), (void *)(svc + s->svc_af));
	read_kernel(&ipvs, sizeof(ipvs), (void *)(svc + s->svc_ipvs));
	read_kernel(&data, sizeof(data), (void *)(skb + s->skb_data));
	read_kernel(ports, sizeof(ports), (void *)(data + h.len));
	read_addr(t->laddr, *af, iph + offsetof(struct ip_header, saddr));
	read_addr(t->raddr, *af, iph + offsetof(struct ip_header, daddr));
	t->lport = BE16(ports[0]);
	t->rport = BE16(ports[1]);
	t->netns = ipvs_netns(s, ipvs);
	return true;
}

int leave_kprobe(struct pt_regs *ctx)
{
	u64 svc = PT_REGS_PARM1(ctx), skb = PT_REGS_PARM2(ctx), iph = PT_REGS_PARM4(ctx);
	struct settings *s;
	struct tuple t = {}, key;
	struct conn_entry n = {};
	u16 af = 0;

	count_run(RUN_NO_DESTINATION);
	s = get_settings();
	if (!s || !read_left(s, svc, skb, iph, &t, &af))
		return 0;
	key = t;
	/* This entry ends as soon as it begins. It is kept only for the client's socket. */
	if (!find_connecting(&key))
		return 0;
	n.made_ns = n.gone_ns = bpf_ktime_get_ns();
	put_entry(&t, &n);
	count(COUNT_ENTRIES_ENDED);
	return 0;
}
