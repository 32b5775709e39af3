/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IPVS side of the join: IPVS gives a connection its real server.
 *
 *   ip_vs_conn_new(p, dest_af, daddr, dport, flags, dest, fwmark)  net/netfilter/ipvs/ip_vs_conn.c; before 3.18, and on
 *	RHEL 7, without dest_af. IPVS creates an entry.
 *   ip_vs_conn_fill_cport(cp, cport)  the same file. IPVS sets the client's port in an entry that ip_vs_ftp created ahead.
 */
#define IP_VS_CONN_F_FWD_MASK 0x0007
#define IP_VS_CONN_F_SYNC 0x0020
#define IP_VS_CONN_F_TEMPLATE 0x1000
#define IP_VS_CONN_F_ONE_PACKET 0x2000

/* struct ip_vs_conn_param, include/net/ip_vs.h; the layout is the same from 3.10 to 7.x */
struct conn_param {
	u64 ipvs;		/* struct netns_ipvs *; before 4.4 struct net * */
	u64 caddr;
	u64 vaddr;
	u16 cport;
	u16 vport;
	u16 protocol;
	u16 af;
};

/* For IPv4, the rest of union nf_inet_addr is 0 in struct ip_vs_conn. */
static inline void read_any_addr(u32 addr[4], u64 from)
{
	u32 in[4] = {}, ipv4 = 0;	/* all bits of "ipv4" are set if it is an IPv4 address */

	read_kernel(in, 16, (void *)from);
	if (!(in[1] | in[2] | in[3]))
		ipv4 = 0xffffffff;
	VERIFIER_FORGET(ipv4, in[0]);
	addr[0] = in[0] & ~ipv4;
	addr[1] = in[1];
	addr[2] = in[2] | (MAPPED & ipv4);
	addr[3] = in[3] | (in[0] & ipv4);
}

static inline u8 forwarding_method(const struct settings *s, u32 flags, u64 dest)
{
	u32 conn_flags = flags;

	if (dest) {
		if (!s->dest_conn_flags)
			return METHOD_UNKNOWN;
		read_kernel(&conn_flags, sizeof(conn_flags), (void *)(dest + s->dest_conn_flags));
	}
	return conn_flags & IP_VS_CONN_F_FWD_MASK;
}

static inline u32 ipvs_netns(const struct settings *s, u64 ipvs)
{
	u64 net = s->ipvs_net ? ipvs : 0;

	if (s->ipvs_net && s->ipvs_net != NET_ITSELF)
		read_kernel(&net, sizeof(net), (void *)(ipvs + s->ipvs_net));
	return net_inum(s, net);
}

/* The kernel sends the SYN again after this time: TCP_TIMEOUT_INIT, include/net/tcp.h, less some ticks of the timer. On a
 * busy host the first SYN may be delayed too, but hardly this long. */
#define SYN_TIMEOUT_NS 950000000ULL

/* Reports connect @cl, for which IPVS has created an entry, unless the socket side claims it first.
 * @key_netns: the namespace in the key of its element in "connecting" */
static inline void claim_connecting(void *ctx, const struct settings *s, struct client *cl, u32 key_netns, u64 now)
{
	bool lost = elapsed(now, cl->e.since_ns) >= SYN_TIMEOUT_NS;
	u64 sk = cl->sk;

	if (HOLDS_BACK(s) && s->flags & SETTING_WHOLE && (lost || cl->retransmits))
		cl->e.conn.flags |= CONN_SHOWN;
	if (put_client(cl))
		return;		/* no room now: the socket side finds the entry, tries again, and counts a failure */
	if (!claim(&cl->e.conn.tuple, key_netns, sk)) {
		/* The socket may have closed meanwhile. Then nobody else removes the element that was just added. */
		if (!find_socket(sk))
			drop_client(&cl->e.conn.tuple, sk);
		return;
	}
	if (lost)
		cl->e.conn.flags |= CONN_SYN_LOST;
	report_syn_sent(ctx, s, &cl->e, sk);
	cl->e.conn.flags &= ~CONN_SYN_LOST;
	/* A kprobe saw it before the packet reached IPVS. */
	if (cl->retransmits && (!HOLDS_BACK(s) || s->flags & SETTING_FAILURES))
		report_retransmit(ctx, &cl->e, sk, TCP_SYN_SENT, now);
}

/* Reports both rows of a connect that was given up before its SYN reached IPVS. */
static inline void claim_closed(void *ctx, const struct settings *s, struct client *cl, u64 now)
{
	struct real real = cl->e.conn.real;
	struct tuple key = cl->e.conn.tuple;
	struct client *found;

	key.netns = 0;
	found = closed.lookup(&key);
	if (!found)
		return;
	VERIFIER_CHECKED(found);
	*cl = *found;
	if (elapsed(now, cl->closed_ns) >= CLOSED_NS || !cl->sk || !take_closed(&key, cl->sk))
		return;
	if (cl->uncertain)
		count(COUNT_SETTLED);
	set_real(&cl->e.conn, &real);
	cl->e.conn.flags |= CONN_IPVS;
	cl->e.conn.entry_at = ENTRY_TIME(now);
	if (HOLDS_BACK(s) && !(s->flags & SETTING_FAILURES) &&
	    elapsed(cl->closed_ns, cl->e.since_ns) < s->slow_ms * 1000000ULL)
		return;
	if (HOLDS_BACK(s) && s->flags & SETTING_WHOLE)
		cl->e.conn.flags |= CONN_SHOWN;
	report_syn_sent(ctx, s, &cl->e, cl->sk);
	report_change(ctx, s, &cl->e, cl->sk, TCP_SYN_SENT, TCP_CLOSE, cl->closed_ns, s->sk_err ? 0 : ERROR_UNKNOWN);
}

/* Reports that the connection of socket @sk has another real server. The socket's next event updates its element. */
static inline void report_moved(void *ctx, const struct settings *s, struct client *cl, u64 sk, u64 now)
{
	u32 ports = ENTRY_PORTS(&cl->e.conn.tuple);
	struct real real = cl->e.conn.real;
	struct sock_entry *found = find_socket(sk);

	if (!found || (HOLDS_BACK(s) && !(s->flags & SETTING_FAILURES)))
		return;
	VERIFIER_CHECKED(found);
	cl->e = *found;
	/* Another socket may have taken over the element since. */
	if (ENTRY_PORTS(&cl->e.conn.tuple) != ports || !cl->e.conn.real.family || cl->e.conn.flags & CONN_PENDING ||
	    same_real(&cl->e.conn, &real))
		return;
	set_real(&cl->e.conn, &real);
	cl->e.conn.entry_at = ENTRY_TIME(now);
	cl->e.conn.gone_at = 0;
	emit_event(ctx, &cl->e, sk, EVENT_MOVED, cl->e.conn.state, cl->e.conn.state, now, cl->e.since_ns, ERROR_UNKNOWN);
}

static inline void learn_service(const struct tuple *t)
{
	struct service key = { .port = t->rport };
	u8 one = 1;

	key.addr[0] = t->raddr[0];
	key.addr[1] = t->raddr[1];
	key.addr[2] = t->raddr[2];
	key.addr[3] = t->raddr[3];
	if (!services.lookup(&key))
		services.update(&key, &one);
}

static inline void mirror(const struct conn *c, u64 now)
{
	struct conn_entry n = { .made_ns = now, .real = c->real };

	put_entry(&c->tuple, &n);
	full_barrier();		/* then the look into "connecting", "clients" and "closed" */
}

/* True if connection @t has a socket in IPVS's own namespace, which is in @t. */
static inline bool has_own_client(const struct tuple *t)
{
	struct tuple key = *t;
	struct client *cl = find_client(&key);

	return cl && cl->e.conn.tuple.netns == t->netns;
}

/* Copies the connect in progress with these addresses and ports. Returns false if there is none on this host. A connection of
 * IPVS's own namespace, which gets another real server, goes before a connect with the same numbers in another namespace. */
static inline bool copy_waiting(struct client *cl, u32 *key_netns)
{
	struct tuple key = cl->e.conn.tuple;
	struct connecting *c = find_connecting(&key);

	if (!c)
		return false;
	VERIFIER_CHECKED(c);
	if (c->netns != cl->e.conn.tuple.netns) {
		if (has_own_client(&cl->e.conn.tuple))
			return false;
		c = connecting.lookup(&key);	/* again: before 4.10 the verifier forgets what was checked before */
		if (!c)
			return false;
		VERIFIER_CHECKED(c);
	}
	set_from_connecting(cl, c);
	*key_netns = key.netns;
	return true;
}

/* Returns the socket that already has connection @t, or 0 if there is none. */
static inline u64 client_of(const struct tuple *t)
{
	struct tuple key = *t;
	struct client *cl = find_client(&key);

	return cl ? cl->sk : 0;
}

/* Handles a connection that IPVS has given its real server.
 * @cl: @cl->e.conn has the connection, the real server and IPVS's namespace; changed */
static inline void handle_conn(void *ctx, const struct settings *s, struct client *cl)
{
	u64 now = bpf_ktime_get_ns(), sk;
	bool wanted = real_wanted(s, &cl->e.conn.real);
	u32 key_netns = 0;

	mirror(&cl->e.conn, now);
	if (s->flags & SETTING_ALL)
		learn_service(&cl->e.conn.tuple);
	if (copy_waiting(cl, &key_netns)) {
		cl->e.conn.flags |= CONN_IPVS;
		cl->e.conn.entry_at = ENTRY_TIME(now);
		if (wanted)
			claim_connecting(ctx, s, cl, key_netns, now);
		return;
	}
	sk = client_of(&cl->e.conn.tuple);
	if (!sk && wanted)
		claim_closed(ctx, s, cl, now);
	if (sk && REPORT_ROWS)
		report_moved(ctx, s, cl, sk, now);
}

struct new_args {
	u64 param, daddr, dest;
	u32 flags;
	u16 dport, dest_af;
};

/* Reads the connection and its real server. Returns false if it is not a TCP connection to be shown. @counts: also counts
 * it in COUNT_IPVS_CONNS */
static inline bool read_new(const struct settings *s, const struct new_args *a, struct conn *c, bool counts)
{
	struct conn_param p = {};
	u16 dest_af = a->dest_af;

	read_kernel(&p, sizeof(p), (void *)a->param);
	c->tuple.netns = ipvs_netns(s, p.ipvs);
	/* Count as ip_vs_schedule() does: neither synced connections, nor those that ip_vs_ftp expects. */
	if (counts && s->own_netns && c->tuple.netns == s->own_netns && a->dest && p.cport && !(a->flags & IP_VS_CONN_F_SYNC))
		count(COUNT_IPVS_CONNS);
	/* For those without client port, see client_port_kprobe(). */
	if (p.protocol != IPPROTO_TCP || a->flags & IP_VS_CONN_F_ONE_PACKET || !p.cport)
		return false;
	if (!dest_af)
		dest_af = p.af;
	read_addr(c->tuple.laddr, p.af, p.caddr);
	read_addr(c->tuple.raddr, p.af, p.vaddr);
	c->tuple.lport = BE16(p.cport);
	c->tuple.rport = BE16(p.vport);
	read_addr(c->real.addr, dest_af, a->daddr);
	c->real.port = BE16(a->dport);
	c->real.method = forwarding_method(s, a->flags, a->dest);
	c->real.family = dest_af;
	if (c->real.method == METHOD_BYPASS) {	/* IPVS sends it on to its original destination: daddr is 0 */
		read_addr(c->real.addr, p.af, p.vaddr);
		c->real.port = c->tuple.rport;
	}
	return true;
}

static inline void read_new_args(struct pt_regs *ctx, struct new_args *a)
{
	/* Read once and before any branch: the verifier allows only constant
	 * offsets into ctx, and the compiler likes to merge such loads. */
	u64 arg1 = *(volatile u64 *)&PT_REGS_PARM1(ctx);
	u64 arg2 = *(volatile u64 *)&PT_REGS_PARM2(ctx);
	u64 arg3 = *(volatile u64 *)&PT_REGS_PARM3(ctx);
	u64 arg4 = *(volatile u64 *)&PT_REGS_PARM4(ctx);
	u64 arg5 = *(volatile u64 *)&PT_REGS_PARM5(ctx);
	u64 arg6 = *(volatile u64 *)&PT_REGS_PARM6(ctx);

	a->param = arg1;
	if (arg2 < 4096) {	/* an address family, not a pointer */
		a->dest_af = arg2;
		a->daddr = arg3;
		a->dport = arg4;
		a->flags = arg5;
		a->dest = arg6;
	} else {
		a->daddr = arg2;
		a->dport = arg3;
		a->flags = arg4;
		a->dest = arg5;
	}
}

int ipvs_kprobe(struct pt_regs *ctx)
{
	struct new_args a = {};
	struct client cl = {};
	struct settings *s;

	read_new_args(ctx, &a);
	count_run(RUN_IPVS);
	s = get_settings();
	if (!s)
		return 0;
	VERIFIER_CHECKED(s);
	if (!(a.flags & IP_VS_CONN_F_TEMPLATE) && read_new(s, &a, &cl.e.conn, true))
		handle_conn(ctx, s, &cl);
	return 0;
}

/* Reads what identifies a struct ip_vs_conn. Returns false if it is not a TCP connection, or its layout is not known. */
static inline bool read_conn(const struct settings *s, u64 cp, struct tuple *t, struct real *real)
{
	u16 protocol = 0, cport = 0, vport = 0, dport = 0;
	u64 ipvs = 0;

	if (!s->cp_rcu_head)
		return false;
	read_kernel(&protocol, sizeof(protocol), (void *)(cp + s->cp_protocol));
	if (protocol != IPPROTO_TCP)
		return false;
	read_kernel(&cport, sizeof(cport), (void *)(cp + s->cp_cport));
	read_kernel(&vport, sizeof(vport), (void *)(cp + s->cp_vport));
	read_kernel(&dport, sizeof(dport), (void *)(cp + s->cp_dport));
	read_kernel(&ipvs, sizeof(ipvs), (void *)(cp + s->cp_ipvs));
	read_any_addr(t->laddr, cp + s->cp_caddr);
	read_any_addr(t->raddr, cp + s->cp_vaddr);
	read_any_addr(real->addr, cp + s->cp_daddr);
	t->lport = BE16(cport);
	t->rport = BE16(vport);
	t->netns = ipvs_netns(s, ipvs);
	real->port = BE16(dport);
	return true;
}

/* ip_vs_nat_xmit() calls ip_vs_conn_fill_cport(), so the forwarding method is known, and client and real server have the
 * same address family. */
int client_port_kprobe(struct pt_regs *ctx)
{
	struct settings *s = get_settings();
	u16 cport = PT_REGS_PARM2(ctx);
	struct client cl = {};
	struct conn *c = &cl.e.conn;

	count_run(RUN_CLIENT_PORT);
	if (!s || !read_conn(s, PT_REGS_PARM1(ctx), &c->tuple, &c->real))
		return 0;
	c->tuple.lport = BE16(cport);
	c->real.method = METHOD_MASQ;
	c->real.family = c->real.addr[2] == MAPPED && !c->real.addr[0] && !c->real.addr[1] ? AF_INET : AF_INET6;
	handle_conn(ctx, s, &cl);
	return 0;
}
