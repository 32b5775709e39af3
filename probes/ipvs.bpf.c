/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip_vs_conn_new(p, dest_af, daddr, dport, flags, dest, fwmark), net/netfilter/
 * ipvs/ip_vs_conn.c: a connection gets its real server. Before 3.18, and on
 * RHEL 7, without dest_af.
 */
#define IP_VS_CONN_F_FWD_MASK 0x0007
#define IP_VS_CONN_F_SYNC 0x0020
#define IP_VS_CONN_F_TEMPLATE 0x1000
#define IP_VS_CONN_F_ONE_PACKET 0x2000

/* struct ip_vs_conn_param, include/net/ip_vs.h; not moved from 3.10 to 7.x */
struct conn_param {
	u64 ipvs;		/* struct netns_ipvs *; struct net * before 4.4 */
	u64 caddr;
	u64 vaddr;
	u16 cport;
	u16 vport;
	u16 protocol;
	u16 af;
};

static inline void read_addr(u32 addr[4], u16 af, u64 from)
{
	if (af == AF_INET6) {
		read_kernel(addr, 16, (void *)from);
	} else {
		set_ipv4(addr, 0);
		read_kernel(&addr[3], 4, (void *)from);
	}
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
	u64 net = 0;

	if (s->ipvs_net)
		read_kernel(&net, sizeof(net), (void *)(ipvs + s->ipvs_net));
	return net_inum(s, net);
}

/* Whose connection it is between these ends, @t->netns being IPVS's; sk 0: nobody's. */
static inline struct claim find_client(struct tuple *t)
{
	struct claim none = {}, *c = tuples.lookup(t);

	if (c)
		return *c;
	if (!t->netns)
		return none;
	t->netns = 0;
	c = tuples.lookup(t);
	if (c)
		return *c;
	return none;
}

static inline bool same_ends(const struct tuple *a, const struct tuple *b)
{
	u32 differ = (a->lport ^ b->lport) | (a->rport ^ b->rport);

#pragma unroll
	for (int i = 0; i < 4; i++)
		differ |= (a->laddr[i] ^ b->laddr[i]) | (a->raddr[i] ^ b->raddr[i]);
	return !differ;
}

/* The socket whose connect waits between these ends; 0: none. @e: what is known of it */
static inline u64 find_waiting(const struct settings *s, const struct tuple *t, struct sock_entry *e)
{
	struct waiting *w = waiting_at(t->lport, t->rport);
	struct common skc = {};
	u64 sk;

	if (!w)
		return 0;
	CHECKED(w);
	sk = w->sk;
	if (!sk)
		return 0;
	read_common(sk, &skc);
	read_ends(s, sk, &skc, &e->conn.tuple);
	if (!same_ends(&e->conn.tuple, t))
		return 0;
	e->conn.tuple.netns = sock_netns(s, sk);
	e->conn.family = skc.family;
	e->conn.owner = w->owner;
	e->conn.flags = (w->owner.pid ? CONN_OWNED : 0) | (w->untaken ? CONN_UNTAKEN : 0);
	e->since_ns = w->since_ns;
	return sk;
}

/* With -a it had an entry before IPVS takes it. */
static inline void claim_first(struct sock_entry *e, u64 sk, bool begin)
{
	struct tuple t;

	if (!begin || e->conn.flags & CONN_CLAIMED)
		return;
	e->conn.flags |= CONN_CLAIMED;
	t = e->conn.tuple;
	claim_tuple(&t, sk);
}

/* The entry of the socket @sk that connects between these ends, @t->netns being IPVS's. NULL: none. @begin: make one for
 * a connect that waits for IPVS */
static inline struct sock_entry *find_socket(const struct settings *s, struct tuple *t, u64 *sk, bool begin)
{
	struct sock_entry fresh = {}, *e;
	u64 waits = find_waiting(s, t, &fresh);
	u32 netns = t->netns;
	struct claim c;

	if (!waits || fresh.conn.tuple.netns != netns) {
		c = find_client(t);
		if (c.sk && (!waits || c.netns == netns)) {
			*sk = c.sk;
			return socks.lookup(sk);
		}
	}
	if (!waits)
		return 0;
	*sk = waits;
	e = socks.lookup(sk);
	if (e && e->conn.state == TCP_SYN_SENT && e->conn.tuple.lport == t->lport) {
		CHECKED(e);
		claim_first(e, waits, begin);
		return e;
	}
	return begin && s->flags & SETTING_FROM_CONNECT ? follow(&fresh, waits) : 0;
}

/* Without branches, so that the compiler adds nothing to a pointer into a map:
 * before 4.9 the verifier forgets what that points to. */
static inline bool is_real(const struct conn *c, const u32 addr[4], u16 port)
{
	return !((c->real.addr[0] ^ addr[0]) | (c->real.addr[1] ^ addr[1]) |
		 (c->real.addr[2] ^ addr[2]) | (c->real.addr[3] ^ addr[3]) | (c->real.port ^ port));
}

/* Member by member, for the same reason. */
static inline void set_real(struct sock_entry *e, const struct real *real)
{
	e->conn.real.addr[0] = real->addr[0];
	e->conn.real.addr[1] = real->addr[1];
	e->conn.real.addr[2] = real->addr[2];
	e->conn.real.addr[3] = real->addr[3];
	e->conn.real.port = real->port;
	e->conn.real.family = real->family;
	e->conn.real.method = real->method;
}

/* A connect waits so long until its SYN goes out again: TCP_TIMEOUT_INIT, include/net/tcp.h, less some ticks of
 * the timer. A busy host may let the first SYN wait for long too, but hardly that long. */
#define SYN_TIMEOUT_NS 950000000ULL

/* IPVS gives a socket a real server, its first or another one. */
static inline void take(void *ctx, const struct settings *s, struct sock_entry *e, u64 sk,
			const struct real *real)
{
	bool moved = !is_real(&e->conn, real->addr, real->port) & !!e->conn.real.family;
	u64 now = bpf_ktime_get_ns();
	bool counted = e->conn.flags & CONN_COUNTED;
	u8 state = e->conn.state;

	if (TELL_COUNTS && counted)
		tally_leave(&e->conn);
	if (!e->conn.real.family && state == TCP_SYN_SENT && now - e->since_ns >= SYN_TIMEOUT_NS)
		e->conn.flags |= CONN_SYN_LOST;
	set_real(e, real);
	e->conn.entry_at = ENTRY_TIME(now);
	e->conn.gone_at = 0;
	e->conn.flags &= ~CONN_NO_DESTINATION;
	if (TELL_COUNTS && counted)
		tally_arrive(&e->conn);
	if (e->conn.flags & CONN_PENDING) {
		tell_syn_sent(ctx, s, e, sk);
		e->conn.flags &= ~CONN_SYN_LOST;
		/* Seen by a kprobe, before the packet came here. */
		if (e->conn.flags & CONN_UNTAKEN)
			tell_retransmit(ctx, s, e, sk, state, now);
		e->conn.flags &= ~CONN_UNTAKEN;
	} else if (moved && TELL_ROWS) {
		send(ctx, s, e, sk, EVENT_MOVED, state, state, now, e->since_ns);
	}
}

int ipvs_kprobe(struct pt_regs *ctx)
{
	/* Read once and before any branch: the verifier allows only constant
	 * offsets into ctx, and the compiler likes to merge such loads. */
	u64 arg2 = *(volatile u64 *)&PT_REGS_PARM2(ctx);
	u64 arg3 = *(volatile u64 *)&PT_REGS_PARM3(ctx);
	u64 arg4 = *(volatile u64 *)&PT_REGS_PARM4(ctx);
	u64 arg5 = *(volatile u64 *)&PT_REGS_PARM5(ctx);
	u64 arg6 = *(volatile u64 *)&PT_REGS_PARM6(ctx);
	u64 sk, daddr, dest;
	struct settings *s;
	struct conn_param p = {};
	struct real real = {};
	struct tuple t = {};
	struct sock_entry *e;
	u32 flags;
	u16 dport, dest_af;
	bool wanted;

	ran_rarely(RUN_IPVS);
	read_kernel(&p, sizeof(p), (void *)PT_REGS_PARM1(ctx));
	s = get_settings();
	if (!s)
		return 0;
	CHECKED(s);
	if (arg2 < 4096) {	/* a family, no pointer */
		dest_af = arg2;
		daddr = arg3;
		dport = arg4;
		flags = arg5;
		dest = arg6;
	} else {
		dest_af = p.af;
		daddr = arg2;
		dport = arg3;
		flags = arg4;
		dest = arg5;
	}
	if (flags & IP_VS_CONN_F_TEMPLATE)
		return 0;
	t.netns = ipvs_netns(s, p.ipvs);
	if (s->own_netns && t.netns == s->own_netns && dest && !(flags & IP_VS_CONN_F_SYNC))
		count(COUNT_TAKEN);
	if (p.protocol != IPPROTO_TCP || flags & IP_VS_CONN_F_ONE_PACKET || !p.cport)
		return 0;
	read_addr(t.laddr, p.af, p.caddr);
	read_addr(t.raddr, p.af, p.vaddr);
	t.lport = BE16(p.cport);
	t.rport = BE16(p.vport);
	read_addr(real.addr, dest_af, daddr);
	real.port = BE16(dport);
	real.method = forwarding_method(s, flags, dest);
	real.family = dest_af;
	if (real.method == METHOD_BYPASS) {	/* sent on to where it was going: daddr is 0 */
		read_addr(real.addr, p.af, p.vaddr);
		real.port = t.rport;
	}
	wanted = !(s->flags & SETTING_REALS) || end_wanted(real.addr, real.port, END_REAL);
	e = find_socket(s, &t, &sk, wanted);
	if (!e)
		return 0;
	CHECKED(e);
	/* One that waits for its real server goes on waiting. */
	if (!wanted && e->conn.flags & CONN_PENDING)
		return 0;
	take(ctx, s, e, sk, &real);
	return 0;
}
