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
	bool second;		/* so is this: seen by the second program, see below */
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

/* The ports as inet_sock_set_state in include/trace/events/sock.h shows them: at CLOSE skc_num is gone, inet_sport is
 * not. */
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

/* The addresses as the tracepoint shows them: inet_saddr, which may differ from skc_rcv_saddr. */
static inline void change_addresses(void *ctx, const struct settings *s, const struct change *ch,
				    const struct common *skc, struct tuple *t)
{
	u16 lport = t->lport, rport = t->rport;

	if (ch->source == FROM_TRACEPOINT) {
		read_traced_addresses(ctx, skc->family, t);
		return;
	}
	read_tuple(s, ch->sk, skc, t);
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

/* Until the handshake is over a socket may not have all of its addresses and ports. */
static inline bool tuple_may_change(u8 state)
{
	return state == TCP_SYN_SENT || state == TCP_SYN_RECV || state == TCP_LISTEN;
}

/* A socket that is older than the tool. */
static inline void adopt_at_change(void *ctx, const struct settings *s, const struct change *ch)
{
	struct client cl = { .sk = ch->sk };
	struct tuple *t = &cl.e.conn.tuple;
	struct common skc = {};

	read_common(ch->sk, &skc);
	if (!(s->adopt & PORT_BIT(BE16(skc.dport))))
		return;
	if (ch->source == FROM_RAW && !is_tcp(s, ch->sk))
		return;
	change_ports(ctx, s, ch, &skc, &t->lport, &t->rport);
	change_addresses(ctx, s, ch, &skc, t);
	t->netns = sock_netns(s, ch->sk);
	cl.e.conn.family = skc.family;
	cl.e.conn.state = ch->oldstate;
	adopt(s, &cl);
}

static inline u32 change_error(const struct settings *s, const struct change *ch, const struct sock_entry *e)
{
	if (ch->newstate != TCP_CLOSE || !s->sk_err)
		return ERROR_UNKNOWN;
	return closing_error(s, e->err, ch->sk, ch->oldstate);
}

/* With -a: a socket that is not known yet. What rules it out comes first: most are. Return: true for a connect that is to be
 * counted. */
static inline bool first_change(void *ctx, const struct settings *s, const struct change *ch)
{
	struct sock_entry e = {};
	struct common skc = {};
	u64 sk = ch->sk, now;
	u16 lport, rport;
	bool waits, kept;

	/* Counted are connects only, from their first state on. */
	if (!TELL_ROWS && ch->newstate != TCP_SYN_SENT)
		return false;
	if (s->flags & SETTING_PID &&
	    (ch->oldstate != TCP_CLOSE || bpf_get_current_pid_tgid() >> 32 != s->pid))
		return false;
	read_common(sk, &skc);
	if (!family_wanted(s, skc.family))
		return false;
	/* The local port is not chosen yet: tcp_connect() comes with it. */
	waits = ch->newstate == TCP_SYN_SENT && s->flags & SETTING_CONNECT;
	change_ports(ctx, s, ch, &skc, &lport, &rport);
	if (!waits && !ports_wanted(s, lport, rport))
		return false;
	if (ch->source == FROM_RAW && !is_tcp(s, sk))
		return false;
	e.conn.family = skc.family;
	e.conn.state = ch->newstate;
	e.conn.tuple.lport = lport;
	e.conn.tuple.rport = rport;
	change_addresses(ctx, s, ch, &skc, &e.conn.tuple);
	if (!vip_wanted(s, &e.conn.tuple))
		return false;
	e.conn.tuple.netns = sock_netns(s, sk);
	now = bpf_ktime_get_ns();
	if (ch->oldstate == TCP_CLOSE && TELL_ROWS) {
		e.conn.flags = CONN_OWNED;
		set_owner(&e.conn.owner);
	}
	e.since_ns = now;
	if (waits)
		e.conn.flags |= CONN_PENDING;
	kept = ch->newstate != TCP_CLOSE && !sockets.update(&sk, &e);
	/* No room: whether the first program has reported this change is not known. */
	if (ch->second && !kept) {
		count_by(COUNT_NESTED, -1);
		return false;
	}
	if (TELL_ROWS && !waits)
		send_event(ctx, &e, sk, EVENT_STATE, ch->oldstate, ch->newstate, now, 0, change_error(s, ch, &e));
	/* Each is counted once: its next changes come here too. */
	if (!kept && (ch->oldstate == TCP_CLOSE || ch->oldstate == TCP_LISTEN))
		count(COUNT_SOCKETS_FULL);
	return kept && !waits && ch->newstate == TCP_SYN_SENT;
}

/* By way of the stack: before 4.14 a helper writes nowhere else. */
static inline void refresh_tuple(void *ctx, const struct settings *s, const struct change *ch, struct conn *c)
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

/* States that a socket made by the kernel, for a listener, starts with. */
static inline bool begins_life(u8 state)
{
	return state == TCP_LISTEN || state == TCP_SYN_RECV;
}

/* The raw tracepoint is never skipped, or the second program stands behind it. */
#ifdef SECOND_PROGRAM
#define MAY_BE_SKIPPED(ch) ((ch)->source == FROM_KPROBE)
#else
#define MAY_BE_SKIPPED(ch) ((ch)->source != FROM_RAW)
#endif

/* True if this change may end the handshake of a socket without an element of "sockets", also where that end was skipped. */
static inline bool may_connect(const struct change *ch)
{
	if (ch->oldstate == TCP_SYN_SENT)
		return true;
	return MAY_BE_SKIPPED(ch) && ch->oldstate != TCP_CLOSE && !begins_life(ch->oldstate);
}

/* What a connect's elements have as their key: the addresses of the socket, not those that the tracepoint shows. */
static inline void read_key(void *ctx, const struct settings *s, const struct change *ch, struct conn *c)
{
	struct common skc = {};

	read_common(ch->sk, &skc);
	read_tuple(s, ch->sk, &skc, &c->tuple);
	change_ports(ctx, s, ch, &skc, &c->tuple.lport, &c->tuple.rport);
	c->tuple.netns = sock_netns(s, ch->sk);
	c->family = skc.family;
}

/* The handshake is answered, or given up: the last time to find the connect's entry. */
static inline void join_at_change(void *ctx, const struct settings *s, const struct change *ch, struct sock_entry *e)
{
	struct client cl = {};

	/* An MPTCP connection has the same addresses and ports as the TCP socket that it uses. */
	if (ch->source == FROM_RAW && !is_tcp(s, ch->sk))
		return;
	if (e) {
		VERIFIER_CHECKED(e);
		cl.e = *e;
	}
	read_key(ctx, s, ch, &cl.e.conn);
	join(s, ch->sk, &cl, e, ch->newstate == TCP_CLOSE ? AT_CLOSE : AT_ANSWER, ch->second);
}

/* Most counters need the times of two changes only. */
static inline bool times_count(const struct settings *s, u8 newstate)
{
	return TELL_ROWS || s->flags & SETTING_STATE_TIMES || newstate == TCP_ESTABLISHED || newstate == TCP_CLOSE;
}

static inline void known_change(void *ctx, const struct settings *s, const struct change *ch, struct sock_entry *e)
{
	u64 now;

	/* Counters need no more than the remote address and port, and to know of a failed connect whether it had a port. */
	if (!e->connected && tuple_may_change(ch->oldstate) && (TELL_ROWS || ch->newstate != TCP_ESTABLISHED))
		refresh_tuple(ctx, s, ch, &e->conn);
	if (e->conn.flags & CONN_PENDING)
		tell_syn_sent(ctx, e, ch->sk);
	now = times_count(s, ch->newstate) ? bpf_ktime_get_ns() : 0;
	VERIFIER_FORGET(now);
	if (e->conn.state == TCP_SYN_SENT && s->flags & SETTING_ALL && s->flags & SETTING_IPVS && !(e->conn.flags & CONN_IPVS))
		join_late(s, ch->sk, e);
	if (e->conn.flags & CONN_IPVS)
		follow_entry(s, e, now);
	tell_change(ctx, s, e, ch->sk, ch->oldstate, ch->newstate, now, change_error(s, ch, e));
	if (ch->newstate == TCP_CLOSE) {
		drop_socket(ch->sk, e);
	} else {
		e->since_ns = now;
		e->conn.state = ch->newstate;
		e->conn.flags &= ~CONN_SYN_LOST;
	}
}

static inline void state_change(void *ctx, const struct change *ch)
{
	struct settings *s = get_settings();
	struct sock_entry *e;
	u64 sk = ch->sk;

	if (!s)
		return;
	e = sockets.lookup(&sk);
	/* A new socket at the address of one whose end was missed. */
	if (e && (ch->oldstate == TCP_CLOSE ||
		  (e->conn.state != ch->oldstate && begins_life(ch->oldstate)))) {
		if (e->conn.state != ch->oldstate)
			count(COUNT_GAPS);
		drop_socket(sk, e);
		e = 0;
	}
	if (s->flags & SETTING_IPVS && (e ? e->conn.flags & CONN_PENDING : may_connect(ch))) {
		join_at_change(ctx, s, ch, e);
		e = sockets.lookup(&sk);
	}
	if (e && e->conn.state != ch->oldstate)
		count(COUNT_GAPS);
	if (!e && s->adopt && ch->oldstate != TCP_CLOSE) {
		adopt_at_change(ctx, s, ch);
		e = sockets.lookup(&sk);
	}
	if (e) {
		known_change(ctx, s, ch, e);
		return;
	}
	if (!(s->flags & SETTING_ALL) || !first_change(ctx, s, ch) || !TELL_COUNTS)
		return;
	e = sockets.lookup(&sk);	/* again: the stack has no room for it and its counters */
	if (e)
		tally_connect(&e->conn);
}

#ifdef RAW_TRACEPOINTS
/* TP_PROTO(const struct sock *sk, const int oldstate, const int newstate) */
static inline void read_raw(void *ctx, struct change *ch)
{
	ch->sk = FIELD(u64, 0);
	ch->oldstate = FIELD(u64, 8);
	ch->newstate = FIELD(u64, 16);
	ch->source = FROM_RAW;
	ch->second = false;
}
#endif

#ifdef SECOND_PROGRAM
/*
 * An interrupt, or on a raw tracepoint of later kernels another thread, may bring a state change while the first program
 * runs on this CPU. Kernels that guard against recursion (from 6.2 on, some backports) skip the first program then, and
 * perf's tracepoints always do: __bpf_trace_run() and trace_call_bpf() in kernel/trace/bpf_trace.c. So a second program
 * stands behind the first and does what that was skipped for. The first leaves a note of each state change that it saw, on
 * its CPU; the second takes the note away. Notes are a few, as state changes nest.
 */
struct notes {
	u64 note[8];
	u64 next;
};

BPF_TABLE("percpu_array", int, struct notes, notes, 1);

static inline u64 make_note(const struct change *ch)
{
	return ch->sk ^ (u64)ch->newstate << 56;
}

static inline void leave_note(const struct change *ch)
{
	int zero = 0;
	struct notes *n = notes.lookup(&zero);

	if (n)
		n->note[n->next++ & 7] = make_note(ch);
}

static inline bool take_note(const struct change *ch)
{
	u64 mine = make_note(ch);
	int zero = 0;
	struct notes *n = notes.lookup(&zero);

	if (!n)
		return false;
#pragma unroll
	for (int i = 0; i < 8; i++)
		if (n->note[i] == mine) {
			n->note[i] = 0;
			return true;
		}
	return false;
}

/*
 * Without a note. From 7.0 on a thread may lose its CPU between the two programs, and go on with another one. Then the
 * socket's element tells whether the first program saw the change: it has the new state, or has gone with the socket.
 * A connect without an element is looked up in "connecting", where the first program has left nothing.
 */
static inline bool seen_already(const struct change *ch)
{
	struct settings *s = get_settings();
	u64 sk = ch->sk;
	struct sock_entry *e = sockets.lookup(&sk);

	if (e)
		return e->conn.state == ch->newstate;
	if (!s || ch->newstate != TCP_CLOSE || (ch->oldstate == TCP_SYN_SENT && !(s->flags & SETTING_ALL)))
		return !s;
	/* The end of a socket that is not shown is not lost, whichever program was skipped. */
	if (!(s->flags & SETTING_ALL) || s->flags & SETTING_FILTERS)
		count(COUNT_NESTED);
	return true;
}

int state_second(void *ctx)
{
	struct change ch;

	read_raw(ctx, &ch);
	if (take_note(&ch) || seen_already(&ch))
		return 0;
	ch.second = true;
	count(COUNT_NESTED);
	state_change(ctx, &ch);
	return 0;
}
#else
#define leave_note(ch) do { } while (0)
#endif

#if defined(RAW_TRACEPOINTS) && !defined(WITHOUT_state_raw)
int state_raw(void *ctx)
{
	struct change ch;

	read_raw(ctx, &ch);
	state_change(ctx, &ch);
	leave_note(&ch);
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

	if (FIELD(STATE_PROTOCOL_TYPE, STATE_PROTOCOL) == IPPROTO_TCP)
		state_change(ctx, &ch);
	leave_note(&ch);
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
