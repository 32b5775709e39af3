/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_connect(sk), net/ipv4/tcp_output.c, runs just after the state became
 * SYN_SENT: the local port is chosen, the SYN not yet sent. IPVS sees the SYN
 * before tcp_connect() returns, unless the packet crosses to another network
 * namespace on another CPU.
 */

static inline struct waiting *find_place(u64 sk, u16 lport, u16 rport)
{
	struct waiting *w = waiting_at(lport, rport);

	return w && take_place(w, sk) ? w : 0;
}

/* IPVS may take it. */
static inline void await_ipvs(const struct settings *s, u64 sk)
{
	struct sock_entry e = {};
	struct common skc = {};
	struct waiting *w;

	if (s->flags & SETTING_PID && bpf_get_current_pid_tgid() >> 32 != s->pid)
		return;
	read_common(sk, &skc);
	if (!family_wanted(s, skc.family) || !ports_wanted(s, skc.num, BE16(skc.dport)))
		return;
	if (s->flags & SETTING_VIPS) {
		read_ends(s, sk, &skc, &e.conn.tuple);
		if (!end_wanted(e.conn.tuple.raddr, e.conn.tuple.rport, END_VIP))
			return;
	}
	if (TELL_ROWS)
		set_owner(&e.conn.owner);
	e.since_ns = bpf_ktime_get_ns();
	w = find_place(sk, skc.num, BE16(skc.dport));
	if (w) {
		w->since_ns = e.since_ns;
		w->owner = e.conn.owner;
		w->untaken = 0;
		return;
	}
	read_ends(s, sk, &skc, &e.conn.tuple);
	e.conn.tuple.netns = sock_netns(s, sk);
	e.conn.family = skc.family;
	if (TELL_ROWS)
		e.conn.flags = CONN_OWNED;
	follow(&e, sk);
}

int connect_kprobe(struct pt_regs *ctx)
{
	u64 sk = PT_REGS_PARM1(ctx), thread;
	struct common skc = {};
	struct sock_entry *e;
	struct settings *s;
	struct tuple t;

	ran(RUN_CONNECT);
	s = get_settings();
	if (!s)
		return 0;
	e = socks.lookup(&sk);
	if (!e) {
		if (s->flags & SETTING_FROM_CONNECT)
			await_ipvs(s, sk);
		return 0;
	}
	t = e->conn.tuple;
	read_common(sk, &skc);
	read_ends(s, sk, &skc, &t);
	if (!ports_wanted(s, t.lport, t.rport)) {
		drop_socket(sk);
		return 0;
	}
	e->conn.tuple = t;
	e->connected = 1;
	if (!(s->flags & SETTING_PLACES) || !find_place(sk, t.lport, t.rport)) {
		e->conn.flags |= CONN_CLAIMED;
		claim_tuple(&t, sk);
	}
	if (s->flags & SETTING_ALL) {
		thread = bpf_get_current_pid_tgid();
		connects.update(&thread, &sk);
	}
	return 0;
}

/* Only with -a: shows the connects that IPVS did not take. Where this probe is
 * missed, the socket's next event shows the row instead. */
int connect_return(struct pt_regs *ctx)
{
	u64 thread = bpf_get_current_pid_tgid(), sk;
	struct settings *s = get_settings();
	struct sock_entry *e;
	u64 *found;

	found = connects.lookup(&thread);
	if (!found)
		return 0;
	sk = *found;
	connects.delete(&thread);
	e = socks.lookup(&sk);
	if (s && e && e->conn.flags & CONN_PENDING)
		tell_syn_sent(ctx, s, e, sk);
	return 0;
}
