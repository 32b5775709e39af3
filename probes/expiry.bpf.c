/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip_vs_conn_rcu_free(head), net/netfilter/ipvs/ip_vs_conn.c: IPVS frees a
 * connection that has timed out. What its socket still sends has no real server.
 */

/* An entry lives for a second at least; the RCU callback comes later than a new
 * entry for the same ends may. */
#define ENTRY_LIFE_MIN 500

/* IPv4 leaves the rest of the union 0. */
static inline void read_any_addr(u32 addr[4], u64 from)
{
	read_kernel(addr, 16, (void *)from);
	if (!addr[1] && !addr[2] && !addr[3])
		set_ipv4(addr, addr[0]);
}

int expiry_kprobe(struct pt_regs *ctx)
{
	struct settings *s;
	u64 cp = PT_REGS_PARM1(ctx), ipvs = 0, sk;
	u16 protocol = 0, cport = 0, vport = 0, dport = 0;
	struct tuple t = {};
	struct sock_entry *e;
	u32 daddr[4] = {}, now;

	ran_rarely(RUN_EXPIRY);
	s = get_settings();
	if (!s || !s->cp_rcu_head)
		return 0;
	cp -= s->cp_rcu_head;
	read_kernel(&protocol, sizeof(protocol), (void *)(cp + s->cp_protocol));
	read_kernel(&cport, sizeof(cport), (void *)(cp + s->cp_cport));
	if (protocol != IPPROTO_TCP || !cport)
		return 0;
	read_kernel(&vport, sizeof(vport), (void *)(cp + s->cp_vport));
	read_kernel(&dport, sizeof(dport), (void *)(cp + s->cp_dport));
	read_kernel(&ipvs, sizeof(ipvs), (void *)(cp + s->cp_ipvs));
	read_any_addr(t.laddr, cp + s->cp_caddr);
	read_any_addr(t.raddr, cp + s->cp_vaddr);
	t.lport = BE16(cport);
	t.rport = BE16(vport);
	t.netns = ipvs_netns(s, ipvs);
	sk = find_client(&t).sk;
	if (!sk)
		return 0;
	e = socks.lookup(&sk);
	if (!e)
		return 0;
	if (!e->conn.real.family)
		return 0;
	/* Of a real server that another one has taken over from. */
	read_any_addr(daddr, cp + s->cp_daddr);
	if (!is_real(&e->conn, daddr, BE16(dport)) & (e->conn.real.method != METHOD_BYPASS))
		return 0;
	now = ENTRY_TIME(bpf_ktime_get_ns());
	if (!e->conn.entry_at || now - e->conn.entry_at >= ENTRY_LIFE_MIN)
		e->conn.gone_at = now;
	return 0;
}
