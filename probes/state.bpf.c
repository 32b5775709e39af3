/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State changes: sock:inet_sock_set_state (4.16 and later), else the entry of
 * tcp_set_state(). The raw tracepoint (4.17) costs least and is never skipped
 * because another program runs, but reads all it needs from the socket, whose
 * layout must be known. The tracepoint's own fields are shown where it has
 * them, as tcpstates does: at CLOSE the socket has given its port back already.
 */
enum source { FROM_RAW, FROM_TRACEPOINT, FROM_KPROBE };

struct change {
	u64 sk;
	u8 oldstate;
	u8 newstate;
	enum source source;	/* known to the compiler */
};

#ifdef STATE_SKADDR
#define TRACED_PORTS(ctx, lport, rport) \
	do { lport = FIELD(u16, STATE_SPORT); rport = FIELD(u16, STATE_DPORT); } while (0)

static inline void read_traced_addresses(void *ctx, u16 family, struct tuple *t)
{
	/* Before 5.6 these are not aligned, so no plain loads. */
	if (family == AF_INET6) {
		read_kernel(t->laddr, 16, (char *)ctx + STATE_SADDR_V6);
		read_kernel(t->raddr, 16, (char *)ctx + STATE_DADDR_V6);
	} else {
		set_ipv4(t->laddr, 0);
		set_ipv4(t->raddr, 0);
		read_kernel(&t->laddr[3], 4, (char *)ctx + STATE_SADDR);
		read_kernel(&t->raddr[3], 4, (char *)ctx + STATE_DADDR);
	}
}
#else
#define TRACED_PORTS(ctx, lport, rport)
#define read_traced_addresses(ctx, family, t)
#endif

/* As the tracepoint shows them, inet_sock_set_state in include/trace/events/sock.h:
 * at CLOSE skc_num is gone, inet_sport is not. */
static inline void change_ports(void *ctx, const struct settings *s, const struct change *ch,
				const struct common *skc, u16 *lport, u16 *rport)
{
	u16 sport = 0;

	*lport = skc->num;
	*rport = BE16(skc->dport);
	if (ch->source == FROM_TRACEPOINT) {
		TRACED_PORTS(ctx, *lport, *rport);
	} else if (ch->source == FROM_RAW && !skc->num) {
		read_kernel(&sport, sizeof(sport), (void *)(ch->sk + s->inet_sport));
		*lport = BE16(sport);
	}
}

/* As the tracepoint: inet_saddr, which may differ from skc_rcv_saddr. */
static inline void change_addresses(void *ctx, const struct settings *s, const struct change *ch,
				    const struct common *skc, struct tuple *t)
{
	u16 lport = t->lport, rport = t->rport;

	if (ch->source == FROM_TRACEPOINT) {
		read_traced_addresses(ctx, skc->family, t);
		return;
	}
	read_ends(s, ch->sk, skc, t);
	t->lport = lport;
	t->rport = rport;
	if (ch->source == FROM_RAW && skc->family != AF_INET6)
		read_kernel(&t->laddr[3], 4, (void *)(ch->sk + s->inet_saddr));
}

/* SCTP, DCCP and MPTCP sockets pass the tracepoint too. */
static inline bool is_tcp(const struct settings *s, u64 sk)
{
	u16 protocol = 0;
	u8 narrow = 0;

	if (s->protocol_size == 2) {
		read_kernel(&protocol, sizeof(protocol), (void *)(sk + s->sk_protocol));
		return protocol == IPPROTO_TCP;
	}
	read_kernel(&narrow, sizeof(narrow), (void *)(sk + s->sk_protocol));
	return narrow == IPPROTO_TCP;
}

/* Until the handshake is over a socket may not have all of its ends. */
static inline bool ends_may_change(u8 state)
{
	return state == TCP_SYN_SENT || state == TCP_SYN_RECV || state == TCP_LISTEN;
}

/* A socket that is older than the tool. */
static inline void adopt_at_change(void *ctx, const struct settings *s, const struct change *ch)
{
	struct sock_entry e = {};
	struct common skc = {};
	struct tuple *t = &e.conn.tuple;

	read_common(ch->sk, &skc);
	if (!(s->earlier & PORT_BIT(BE16(skc.dport))))
		return;
	change_ports(ctx, s, ch, &skc, &t->lport, &t->rport);
	change_addresses(ctx, s, ch, &skc, t);
	t->netns = sock_netns(s, ch->sk);
	e.conn.family = skc.family;
	e.conn.state = ch->oldstate;
	adopt(s, ch->sk, &e);
}

/* A socket that we do not know yet. What rules it out comes first: most are. */
static inline void first_change(void *ctx, const struct settings *s, const struct change *ch)
{
	struct sock_entry e = {};
	struct common skc = {};
	u64 sk = ch->sk, now;
	u16 lport, rport;
	bool waits;

	if (s->flags & SETTING_FROM_CONNECT)
		return;
	/* Counted are connects only, from their first state on. */
	if ((!(s->flags & SETTING_ALL) || !TELL_ROWS) && ch->newstate != TCP_SYN_SENT)
		return;
	if (s->flags & SETTING_PID &&
	    (ch->oldstate != TCP_CLOSE || bpf_get_current_pid_tgid() >> 32 != s->pid))
		return;
	read_common(sk, &skc);
	if (!family_wanted(s, skc.family))
		return;
	/* The local port is not chosen yet: tcp_connect() comes with it. */
	waits = ch->newstate == TCP_SYN_SENT && s->flags & SETTING_CONNECT;
	change_ports(ctx, s, ch, &skc, &lport, &rport);
	if (!waits && !ports_wanted(s, lport, rport))
		return;
	if (ch->source == FROM_RAW && !is_tcp(s, sk))
		return;
	e.conn.family = skc.family;
	e.conn.state = ch->newstate;
	e.conn.tuple.lport = lport;
	e.conn.tuple.rport = rport;
	change_addresses(ctx, s, ch, &skc, &e.conn.tuple);
	if (s->flags & SETTING_VIPS && !end_wanted(e.conn.tuple.raddr, rport, END_VIP))
		return;
	e.conn.tuple.netns = sock_netns(s, sk);
	now = bpf_ktime_get_ns();
	if (ch->oldstate == TCP_CLOSE && TELL_ROWS) {
		e.conn.flags = CONN_OWNED;
		set_owner(&e.conn.owner);
	}
	e.since_ns = now;
	if (waits) {
		e.conn.flags |= CONN_PENDING;
	} else {
		if (TELL_COUNTS && ch->newstate == TCP_SYN_SENT)
			tally_connect(&e.conn);
		if (TELL_ROWS)
			send(ctx, s, &e, sk, EVENT_STATE, ch->oldstate, ch->newstate, now, 0);
	}
	/* Each is counted once: its next changes come here too. */
	if (ch->newstate != TCP_CLOSE && !keep_socket(sk, &e) &&
	    (ch->oldstate == TCP_CLOSE || ch->oldstate == TCP_LISTEN))
		count(COUNT_SOCKS_FULL);
}

/* By way of the stack: before 4.14 a helper writes nowhere else. */
static inline void refresh_ends(void *ctx, const struct settings *s, const struct change *ch,
				struct conn *c)
{
	struct tuple t = c->tuple;
	struct common skc = {};
	u16 lport, rport;

	read_common(ch->sk, &skc);
	change_ports(ctx, s, ch, &skc, &lport, &rport);
	t.lport = lport;
	t.rport = rport;
	change_addresses(ctx, s, ch, &skc, &t);
	c->tuple = t;
}

/* One small read rules most sockets out. A local port of 0 is not chosen yet, or given back. */
static inline bool ports_possible(const struct settings *s, u64 sk)
{
	struct {
		u16 dport, num;
	} p = {};

	read_kernel(&p, sizeof(p), (void *)(sk + 12));
	if (p.num)
		return ports_wanted(s, p.num, BE16(p.dport));
	return !(s->flags & SETTING_RPORTS) || rport_wanted(s, BE16(p.dport));
}

/* States that a socket made by the kernel, for a listener, starts with. */
static inline bool begins_life(u8 state)
{
	return state == TCP_LISTEN || state == TCP_SYN_RECV;
}

/* No more of it, also by what IPVS knew of an earlier one between the same ends. */
static inline void handshake_without_ipvs(const struct settings *s, struct sock_entry *e, u64 sk)
{
	struct tuple key = e->conn.tuple;
	struct earlier_conn forgotten;

	if (e->conn.flags & CONN_CLAIMED)
		release_tuple(&key, sk);
	drop_socket(sk);
	if (s->earlier & PORT_BIT(key.rport))
		take_earlier(&key, &forgotten);
}

/* Where a handshake is over; at its end too, where that may have been skipped. */
static inline bool may_leave_place(const struct settings *s, const struct change *ch)
{
	if (!(s->flags & SETTING_CONNECT))
		return false;
	return ch->oldstate == TCP_SYN_SENT || (ch->source != FROM_RAW && ch->newstate == TCP_CLOSE);
}

#ifdef RAW_TRACEPOINTS
/* The kernel skipped the program on tcp_connect(), or kprobes are switched off, so that IPVS may have taken it unseen. */
static inline void count_missed_connect(const struct settings *s, const struct change *ch)
{
	struct tuple t = {};
	struct common skc = {};

	if (s->flags & SETTING_PID)	/* not known whose it is */
		return;
	read_common(ch->sk, &skc);
	read_ends(s, ch->sk, &skc, &t);
	if (!family_wanted(s, skc.family) || !ports_wanted(s, t.lport, t.rport))
		return;
	if (!(s->flags & SETTING_VIPS) || end_wanted(t.raddr, t.rport, END_VIP))
		count(COUNT_GAPS);
}

/* That a connect was answered which @waited for IPVS, or did not. */
static inline void check_connect(const struct settings *s, const struct change *ch, bool waited)
{
	struct note *note = s->flags & SETTING_FROM_CONNECT ? note_of(ch->sk) : 0;

	if (!note || note->began != ch->sk)
		return;
	note->began = 0;
	if (!waited && ch->newstate != TCP_CLOSE)
		count_missed_connect(s, ch);
}
#else
#define check_connect(s, ch, waited) do { } while (0)
#endif

/* Return: whether IPVS could have taken it until now. */
static inline bool ends_waiting(void *ctx, const struct settings *s, const struct change *ch)
{
	struct common skc = {};
	struct waiting *w;
	u16 lport, rport;

	read_common(ch->sk, &skc);
	change_ports(ctx, s, ch, &skc, &lport, &rport);
	w = waiting_at(lport, rport);
	return w && leave_place(w, ch->sk);
}

/* What IPVS knew of an earlier one between the same ends is not of this one. */
static inline void forget_earlier(void *ctx, const struct settings *s, const struct change *ch)
{
	struct earlier_conn forgotten;
	struct common skc = {};
	struct tuple key = {};

	read_common(ch->sk, &skc);
	if (!(s->earlier & PORT_BIT(BE16(skc.dport))))
		return;
	read_ends(s, ch->sk, &skc, &key);
	change_ports(ctx, s, ch, &skc, &key.lport, &key.rport);
	key.netns = sock_netns(s, ch->sk);
	take_earlier(&key, &forgotten);
}

/* Most counters need the times of two changes only. */
static inline bool times_count(const struct settings *s, u8 newstate)
{
	return TELL_ROWS || s->flags & SETTING_STATE_TIMES || newstate == TCP_ESTABLISHED || newstate == TCP_CLOSE;
}

static inline void state_change(void *ctx, const struct change *ch)
{
	u64 sk = ch->sk, now;
	struct settings *s;
	struct sock_entry *e;
	bool waited;

	s = get_settings();
	if (!s)
		return;
	if (s->flags & (SETTING_LPORTS | SETTING_RPORTS) && !ports_possible(s, sk))
		return;
	e = socks.lookup(&sk);
	if (e && e->conn.state != ch->oldstate)
		count(COUNT_GAPS);
	/* A new socket at the address of one whose end was missed. */
	if (e && (ch->oldstate == TCP_CLOSE ||
		  (e->conn.state != ch->oldstate && begins_life(ch->oldstate)))) {
		if (e->conn.flags & CONN_CLAIMED)
			release_tuple(&e->conn.tuple, sk);
		drop_socket(sk);
		e = 0;
	}
	if (may_leave_place(s, ch)) {
		waited = ends_waiting(ctx, s, ch);
		check_connect(s, ch, waited || e);
		if (waited && !e) {
			if (s->earlier)
				forget_earlier(ctx, s, ch);
			return;
		}
	}
	if (!e && s->earlier && ch->oldstate != TCP_CLOSE) {
		adopt_at_change(ctx, s, ch);
		e = socks.lookup(&sk);
	}
	if (!e) {
		first_change(ctx, s, ch);
		return;
	}
	/* Counters need no more than the remote end, and to know of a failed one whether it had a port. */
	if (!e->connected && ends_may_change(ch->oldstate) && (TELL_ROWS || ch->newstate != TCP_ESTABLISHED))
		refresh_ends(ctx, s, ch, &e->conn);
	if (e->conn.flags & CONN_PENDING) {
		/* Its SYN was answered: the kernel skipped the program on tcp_connect(), or kprobes are switched off. */
		if (!e->connected && ch->newstate != TCP_CLOSE)
			count(COUNT_GAPS);
		if (!(s->flags & SETTING_ALL) && !(e->conn.flags & CONN_NO_DESTINATION)) {
			handshake_without_ipvs(s, e, sk);
			return;
		}
		tell_syn_sent(ctx, s, e, sk);
	}
	now = times_count(s, ch->newstate) ? bpf_ktime_get_ns() : 0;
	FORGET(now);
	tell_change(ctx, s, e, sk, ch->oldstate, ch->newstate, now);
	if (ch->newstate == TCP_CLOSE) {
		if (e->conn.flags & CONN_CLAIMED)
			release_tuple(&e->conn.tuple, sk);
		drop_socket(sk);
	} else {
		e->since_ns = now;
		e->conn.state = ch->newstate;
		e->conn.flags &= ~CONN_SYN_LOST;
	}
}

#ifdef RAW_TRACEPOINTS
/*
 * An interrupt, or on a raw tracepoint of later kernels another thread, may bring
 * a state change while this program runs. Kernels before 6.2 then run it inside
 * itself; later ones, and perf's tracepoints always, skip it: __bpf_trace_run()
 * and trace_call_bpf() in kernel/trace/bpf_trace.c; the state change would be lost.
 * So a second program stands behind the first and does what the first was skipped
 * for: the first leaves a note of each state change that it saw, the second takes
 * the note away, on whatever CPU the thread is by then; the socket is locked in
 * between. Where it finds none, the first was skipped, or another socket's note
 * came to the same place: then the socket's entry tells.
 */
static inline u64 make_note(const struct change *ch)
{
	return ch->sk ^ (u64)ch->newstate << 56;
}

/* What most state changes of other sockets are ruled out by. IPVS's begin in tcp_connect(), and the end of none that
 * was at the same address has been missed. */
static inline bool none_of_ours(const struct change *ch, struct note *note)
{
	struct settings *s = get_settings();

	if (!s || !(s->flags & SETTING_FROM_CONNECT))
		return false;
	if (ch->newstate == TCP_SYN_SENT)
		note->began = ch->sk;
	if (ch->oldstate == TCP_CLOSE || ch->oldstate == TCP_LISTEN)
		return true;
	return ch->oldstate != TCP_SYN_SENT && !note->socks && !s->earlier;
}

static inline void change_with_note(void *ctx, const struct change *ch, bool may_be_tcp)
{
	struct note *note = note_of(ch->sk);

	if (!note)
		return;
	if (may_be_tcp && !none_of_ours(ch, note))
		state_change(ctx, ch);
	note->change = make_note(ch);
}

/* TP_PROTO(const struct sock *sk, const int oldstate, const int newstate) */
static inline void read_raw(void *ctx, struct change *ch)
{
	ch->sk = FIELD(u64, 0);
	ch->oldstate = FIELD(u64, 8);
	ch->newstate = FIELD(u64, 16);
	ch->source = FROM_RAW;
}

#ifndef WITHOUT_state_raw
int state_raw(void *ctx)
{
	struct change ch;

	read_raw(ctx, &ch);
	change_with_note(ctx, &ch, true);
	return 0;
}
#endif

/* Whether the first program saw this state change: an entry that is gone was closed by it. */
static inline bool seen_already(void *ctx, const struct change *ch)
{
	u64 sk = ch->sk;
	struct sock_entry *e = socks.lookup(&sk);
	struct settings *s;

	if (e)
		return e->conn.state == ch->newstate;
	if (ch->newstate != TCP_CLOSE)
		return false;
	s = get_settings();
	if (!s)
		return true;
	/* One that was filtered out is not lost, whichever program was skipped. */
	if (!(s->flags & SETTING_ALL) || s->flags & SETTING_FILTERS)
		count(COUNT_NESTED);
	if (may_leave_place(s, ch))
		ends_waiting(ctx, s, ch);
	return true;
}

int state_nested(void *ctx)
{
	struct change ch;
	struct note *note;

	read_raw(ctx, &ch);
	note = note_of(ch.sk);
	if (!note)
		return 0;
	if (note->change == make_note(&ch)) {
		note->change = 0;
	} else if (!seen_already(ctx, &ch)) {
		count(COUNT_NESTED);
		state_change(ctx, &ch);
	}
	return 0;
}
#endif

#if defined(STATE_SKADDR) && !defined(WITHOUT_state_tracepoint)
int state_tracepoint(void *ctx)
{
	struct change ch = {
		.sk = FIELD(u64, STATE_SKADDR),
		.oldstate = FIELD(u32, STATE_OLDSTATE),
		.newstate = FIELD(u32, STATE_NEWSTATE),
		.source = FROM_TRACEPOINT,
	};

#ifdef TRACEPOINT_LEAVES_NOTES
	change_with_note(ctx, &ch, FIELD(STATE_PROTOCOL_TYPE, STATE_PROTOCOL) == IPPROTO_TCP);
#else
	if (FIELD(STATE_PROTOCOL_TYPE, STATE_PROTOCOL) == IPPROTO_TCP)
		state_change(ctx, &ch);
#endif
	return 0;
}
#endif

#ifndef WITHOUT_state_kprobe
/* tcp_set_state(sk, state), net/ipv4/tcp.c */
int state_kprobe(struct pt_regs *ctx)
{
	u8 oldstate = 0;	/* alone: what a helper may have changed is not known to the compiler any more */
	struct change ch = {
		.sk = PT_REGS_PARM1(ctx),
		.newstate = PT_REGS_PARM2(ctx),
		.source = FROM_KPROBE,
	};

	ran(RUN_STATE);
	read_kernel(&oldstate, 1, (void *)(ch.sk + 18));
	ch.oldstate = oldstate;
	state_change(ctx, &ch);
	return 0;
}
#endif
