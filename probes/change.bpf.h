/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State changes: sock:inet_sock_set_state (4.16 and later), else a kprobe on
 * tcp_set_state(). The raw tracepoint (4.17) costs least, and the kernel never
 * skips it because another program runs. But it reads all it needs from the
 * socket, whose layout must be known. If the tracepoint has fields of its own,
 * those are shown, as in tcpstates: at CLOSE the socket has already released its
 * port.
 */
enum source { FROM_RAW, FROM_TRACEPOINT, FROM_KPROBE };

struct change {
	u64 sk;
	u8 oldstate;
	u8 newstate;
	enum source source;	/* a constant for the compiler */
	bool second;		/* so is this; true in the second program, see state.bpf.c */
	bool kept;		/* at CLOSE the socket's element stays, for the second program */
};

#ifdef STATE_SKADDR
#define TRACED_PORTS(ctx, lport, rport) \
	do { lport = FIELD(u16, STATE_SPORT); rport = FIELD(u16, STATE_DPORT); } while (0)

static inline void read_traced_addresses(void *ctx, u16 family, struct tuple *t)
{
	/* Before 5.6 these fields are not aligned, so plain loads do not work. */
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

/* Reads the ports as inet_sock_set_state in include/trace/events/sock.h shows them: at CLOSE skc_num is cleared already,
 * inet_sport is not. */
static inline void read_change_ports(void *ctx, const struct settings *s, const struct change *ch,
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

/* Reads the addresses as the tracepoint shows them: inet_saddr, which may differ from skc_rcv_saddr. */
static inline void read_change_addresses(void *ctx, const struct settings *s, const struct change *ch,
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

/* True if it is a TCP socket. SCTP, DCCP and MPTCP sockets reach the tracepoint too. */
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

/* True if the handshake is not over: the socket may not have all of its addresses and ports yet. */
static inline bool tuple_may_change(u8 state)
{
	return state == TCP_SYN_SENT || state == TCP_SYN_RECV || state == TCP_LISTEN;
}

/* Starts to track a socket that is older than the tool. */
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
	read_change_ports(ctx, s, ch, &skc, &t->lport, &t->rport);
	read_change_addresses(ctx, s, ch, &skc, t);
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

/* Handles a socket that is not tracked yet, with -a. The checks that exclude it are first, because most sockets are
 * excluded. Returns true if the caller must count this connect. */
static inline bool first_change(void *ctx, const struct settings *s, const struct change *ch)
{
	struct sock_entry e = { .before = ch->oldstate };
	struct common skc = {};
	u64 sk = ch->sk, now;
	u16 lport, rport;
	bool waits, kept;
	int err;

	/* The counters count only connects, from their first state on. */
	if (!REPORT_ROWS && ch->newstate != TCP_SYN_SENT)
		return false;
	if (s->flags & SETTING_PID && (ch->oldstate != TCP_CLOSE || !opener_wanted(s, &skc)))
		return false;
	read_common(sk, &skc);
	if (!family_wanted(s, skc.family))
		return false;
	/* The local port is not chosen yet: the probe on tcp_connect() reads it. */
	waits = ch->newstate == TCP_SYN_SENT && s->flags & SETTING_CONNECT;
	read_change_ports(ctx, s, ch, &skc, &lport, &rport);
	if (!waits && !ports_wanted(s, lport, rport))
		return false;
	if (ch->source == FROM_RAW && !is_tcp(s, sk))
		return false;
	e.conn.family = skc.family;
	e.conn.state = ch->newstate;
	e.conn.tuple.lport = lport;
	e.conn.tuple.rport = rport;
	read_change_addresses(ctx, s, ch, &skc, &e.conn.tuple);
	if (!vip_wanted(s, &e.conn.tuple))
		return false;
	e.conn.tuple.netns = sock_netns(s, sk);
	if (!netns_wanted(s, e.conn.tuple.netns))
		return false;
	now = bpf_ktime_get_ns();
	if (ch->oldstate == TCP_CLOSE && REPORT_ROWS) {
		e.conn.flags = CONN_OWNED;
		set_owner(&e.conn.owner);
		e.cgroup = opener_cgroup(s);
	}
	e.since_ns = now;
	if (waits)
		e.conn.flags |= CONN_PENDING;
	/* An update fails too while this program interrupts another one's update of the map: htab_lock_bucket(),
	 * kernel/bpf/hashtab.c. Then the first program was skipped. If there is no room, that is not known. */
	err = ch->newstate == TCP_CLOSE ? -ENOENT : sockets.update(&sk, &e);
	kept = !err;
	if (ch->second && err == -E2BIG) {
		count_by(COUNT_NESTED, -1);
		return false;
	}
	if (REPORT_ROWS && !waits &&
	    (!HOLDS_BACK(s) || is_trouble(s, &e, ch->oldstate, ch->newstate, now, change_error(s, ch, &e))))
		emit_event(ctx, &e, sk, EVENT_STATE, ch->oldstate, ch->newstate, now, 0, change_error(s, ch, &e));
	/* Count each socket once: its next changes reach this point too. */
	if (err && ch->newstate != TCP_CLOSE && (ch->oldstate == TCP_CLOSE || ch->oldstate == TCP_LISTEN))
		count_failed(err, COUNT_SOCKETS_FULL);
	return kept && !waits && ch->newstate == TCP_SYN_SENT;
}

/* Reads by way of the stack: before 4.14 a helper can write nowhere else. */
static inline void refresh_tuple(void *ctx, const struct settings *s, const struct change *ch, struct conn *c)
{
	struct tuple t = c->tuple;
	struct common skc = {};
	u16 lport, rport;

	read_common(ch->sk, &skc);
	read_change_ports(ctx, s, ch, &skc, &lport, &rport);
	t.lport = lport;
	t.rport = rport;
	read_change_addresses(ctx, s, ch, &skc, &t);
	c->tuple = t;
}

/* True if the kernel creates the sockets of a listener in this state. */
static inline bool is_first_state(u8 state)
{
	return state == TCP_LISTEN || state == TCP_SYN_RECV;
}

/* The raw tracepoint is never skipped, or the second program is attached after it. */
#ifdef SECOND_PROGRAM
#define MAY_BE_SKIPPED(ch) ((ch)->source == FROM_KPROBE)
#else
#define MAY_BE_SKIPPED(ch) ((ch)->source != FROM_RAW)
#endif

/* True if this change, or one before it that the kernel skipped, may end the handshake of a socket that has no element in
 * "sockets". */
static inline bool may_connect(const struct change *ch)
{
	if (ch->oldstate == TCP_SYN_SENT)
		return true;
	return MAY_BE_SKIPPED(ch) && ch->oldstate != TCP_CLOSE && !is_first_state(ch->oldstate);
}

/* Reads the key of a connect's elements: the addresses of the socket, not those that the tracepoint shows. */
static inline void read_key(void *ctx, const struct settings *s, const struct change *ch, struct conn *c)
{
	struct common skc = {};

	read_common(ch->sk, &skc);
	read_tuple(s, ch->sk, &skc, &c->tuple);
	read_change_ports(ctx, s, ch, &skc, &c->tuple.lport, &c->tuple.rport);
	c->tuple.netns = sock_netns(s, ch->sk);
	c->family = skc.family;
}

/* The handshake is answered or given up: this is the last chance to find the connect's entry. */
static inline void join_at_change(void *ctx, const struct settings *s, const struct change *ch, struct sock_entry *e)
{
	struct client cl = {};

	/* An MPTCP connection has the same addresses and ports as the TCP socket that it uses. */
	if (ch->source == FROM_RAW && !is_tcp(s, ch->sk))
		return;
	if (e) {
		VERIFIER_CHECKED(e);
		cl.e = *e;
	} else {
		cl.e.conn.state = ch->oldstate;
	}
	read_key(ctx, s, ch, &cl.e.conn);
	join(s, ch->sk, &cl, e, ch->newstate == TCP_CLOSE ? AT_CLOSE : AT_ANSWER);
}

/* True if the time of this change is needed. Most counters need the times of only two changes. */
static inline bool needs_time(const struct settings *s, u8 newstate)
{
	return REPORT_ROWS || s->flags & SETTING_STATE_TIMES || newstate == TCP_ESTABLISHED || newstate == TCP_CLOSE;
}

static inline void known_change(void *ctx, const struct settings *s, const struct change *ch, struct sock_entry *e)
{
	u64 now;
	u32 err;

	/* Counters need only the remote address and port, and whether a failed connect had a local port. */
	if (!e->connected && tuple_may_change(ch->oldstate) && (REPORT_ROWS || ch->newstate != TCP_ESTABLISHED))
		refresh_tuple(ctx, s, ch, &e->conn);
	if (e->conn.flags & CONN_PENDING)
		report_syn_sent(ctx, s, e, ch->sk);
	now = needs_time(s, ch->newstate) ? bpf_ktime_get_ns() : 0;
	VERIFIER_FORGET(now, ch->sk);
	if (e->conn.state == TCP_SYN_SENT && s->flags & SETTING_ALL && s->flags & SETTING_IPVS && !(e->conn.flags & CONN_IPVS))
		join_late(s, ch->sk, e);
	if (e->conn.flags & CONN_IPVS)
		follow_entry(s, e, now);
	err = change_error(s, ch, e);
	VERIFIER_FORGET(err, ch->sk);
	if (sends_change(ctx, s, e, ch->sk, ch->oldstate, ch->newstate, now, err))
		report_change(ctx, s, e, ch->sk, ch->oldstate, ch->newstate, now, err);
	if (ch->newstate == TCP_CLOSE && !ch->kept) {
		drop_socket(ch->sk, e);
	} else {
		e->since_ns = now;
		e->before = ch->oldstate;
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
	e = find_socket(sk);
	/* A new socket at the same address as one whose end was not seen. */
	if (e && (ch->oldstate == TCP_CLOSE ||
		  (e->conn.state != ch->oldstate && is_first_state(ch->oldstate)))) {
		if (e->conn.state != ch->oldstate)
			count(COUNT_GAPS);
		drop_socket(sk, e);
		e = 0;
	}
	if (s->flags & SETTING_IPVS && (e ? e->conn.flags & CONN_PENDING : may_connect(ch))) {
		join_at_change(ctx, s, ch, e);
		e = find_socket(sk);
	}
	if (e && e->conn.state != ch->oldstate)
		count(COUNT_GAPS);
	if (!e && s->adopt && ch->oldstate != TCP_CLOSE) {
		adopt_at_change(ctx, s, ch);
		e = find_socket(sk);
	}
	if (e) {
		known_change(ctx, s, ch, e);
		return;
	}
	if (!(s->flags & SETTING_ALL) || !first_change(ctx, s, ch) || !REPORT_COUNTS)
		return;
	e = find_socket(sk);	/* again: the stack has no room for both it and its counters */
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
	ch->kept = false;
}
#endif
