/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only with --director: the state that IPVS itself keeps for each TCP connection, also of those that it forwards for others.
 *
 *   tcp_state_transition(cp, direction, skb, pd[, iph_len])  net/netfilter/ipvs/ip_vs_proto_tcp.c: each packet of a known
 *	connection, before IPVS changes the state. There is no function that runs on changes only. So the program looks the
 *	new state up in the kernel's own table, as set_tcp_state() is about to do. If nothing changes, it does nothing more.
 *
 * director_entries.bpf.c has the begin and the end of entries. With SETTING_ENDS the program for packets is not attached, and
 * these are the only rows.
 */
#ifdef DIRECTOR

enum { DIRECTION_INPUT, DIRECTION_OUTPUT };	/* IP_VS_DIR_INPUT and others, include/net/ip_vs.h */

enum { TCP_SYN, TCP_FIN, TCP_ACK, TCP_RST };	/* rows of the kernel's table; four for each direction */

#define DIRECTION_ROWS 4
#define INPUT_ONLY_ROWS 8	/* first row of the packets of connections whose answers do not pass */

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10
#define TCP_FLAGS (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK)

static inline u8 family_of(const u32 addr[4])
{
	return addr[2] == MAPPED && !addr[0] && !addr[1] ? AF_INET : AF_INET6;
}

static inline bool forwarded_wanted(const struct settings *s, const struct conn *c)
{
	return family_wanted(s, c->family) && ports_wanted(s, c->tuple.lport, c->tuple.rport) && vip_wanted(s, &c->tuple) &&
	       real_wanted(s, &c->real) && netns_wanted(s, c->tuple.netns);
}

/* Reads the connection of entry @cp. Returns false if it is none that the filters let pass. */
static inline bool read_forwarded(const struct settings *s, u64 cp, u32 flags, struct conn *c)
{
	if (flags & (IP_VS_CONN_F_TEMPLATE | IP_VS_CONN_F_ONE_PACKET) || !read_conn(s, cp, &c->tuple, &c->real) ||
	    !c->tuple.lport)
		return false;
	c->family = family_of(c->tuple.raddr);
	c->real.family = family_of(c->real.addr);
	c->real.method = flags & IP_VS_CONN_F_FWD_MASK;
	return forwarded_wanted(s, c);
}

static inline void send_forwarded(void *ctx, const struct settings *s, struct event *ev, u64 since_ns)
{
	if (!REPORT_ROWS)
		return;
	ev->span_ns = since_ns ? elapsed(ev->ts_ns, since_ns) : 0;
	/* With SETTING_WHOLE the tool keeps the rows until there is trouble, but not those of a begin, whose entry it cannot tell. */
	if (HOLDS_BACK(s) && (!(s->flags & SETTING_WHOLE) || s->flags & SETTING_ENDS) &&
	    !tells_trouble(ev, s->flags & SETTING_FAILURES, s->slow_ms * 1000000ULL))
		return;
	if (events.perf_submit(ctx, ev, sizeof(*ev)))
		count(COUNT_LOST);
}

/* A packet, and what IPVS is about to make of it. */
struct passage {
	u64 cp, pd;
	u32 flags;		/* of the entry */
	u16 oldstate;
	u8 newstate;
	u8 direction;
	u8 row;			/* in the kernel's table: TCP_SYN and others */
	u8 tcp_flags;
	bool kept;		/* what is known of the entry now is in a map */
};

/* Reads the flags of the TCP header. IPVS finds it behind the IP header: for IPv6 on older kernels always after 40 bytes. */
static inline bool read_tcp_flags(const struct settings *s, u64 skb, u64 iph_len, u8 *flags)
{
	u32 len[2] = {};	/* len and data_len: all, and how much of it is not in the linear part */
	u8 first[34] = {};	/* nearly always the IP header, and the TCP header up to the flags */
	u64 data = 0, at;

	read_kernel(&data, sizeof(data), (void *)(skb + s->skb_data));
	read_kernel(len, sizeof(len), (void *)(skb + s->skb_len));
	if (len[0] - len[1] < sizeof(first))
		return false;
	read_kernel(first, sizeof(first), (void *)data);
	*flags = first[33];
	if (first[0] == 0x45)
		return true;
	if (first[0] >> 4 == 4)
		at = (first[0] & 15) * 4;
	else
		at = s->transition_args == 5 ? (u32)iph_len : 40;
	at += 13;
	if (at >= len[0] - len[1])
		return false;
	read_kernel(flags, sizeof(*flags), (void *)(data + at));
	return true;
}

/* Does what set_tcp_state() in net/netfilter/ipvs/ip_vs_proto_tcp.c does. A packet without any flag closes. */
static inline void look_up_state(const struct settings *s, struct passage *p)
{
	u32 row = p->direction * DIRECTION_ROWS, next = p->oldstate;
	u64 table = 0;

	if (p->tcp_flags & TCP_FLAG_RST)
		p->row = TCP_RST;
	else if (p->tcp_flags & TCP_FLAG_SYN)
		p->row = TCP_SYN;
	else if (p->tcp_flags & TCP_FLAG_FIN)
		p->row = TCP_FIN;
	else
		p->row = TCP_ACK;
	if (p->flags & IP_VS_CONN_F_NOOUTPUT && p->direction != DIRECTION_OUTPUT)
		row = INPUT_ONLY_ROWS;
	read_kernel(&table, sizeof(table), (void *)(p->pd + s->pd_state_table));
	read_kernel(&next, sizeof(next), (void *)(table + ((row + p->row) * IPVS_STATES + p->oldstate) * sizeof(u32)));
	if (!(p->tcp_flags & TCP_FLAGS))
		next = IPVS_CLOSE;
	p->newstate = next;
}

static inline u8 packet_cause(const struct passage *p)
{
	if (p->row == TCP_FIN)
		return p->direction == DIRECTION_OUTPUT ? CAUSE_SERVER_FIN : CAUSE_CLIENT_FIN;
	if (p->row == TCP_RST)
		return p->direction == DIRECTION_OUTPUT ? CAUSE_SERVER_RESET : CAUSE_CLIENT_RESET;
	return CAUSE_NONE;
}

/* Returns the time from a packet in the new state until the entry expires, or 0 if it is not known. */
static inline u32 expires_ms(const struct settings *s, const struct passage *p)
{
#ifdef CONFIG_HZ
	u64 table = 0;
	u32 ticks = 0;

	read_kernel(&table, sizeof(table), (void *)(p->pd + s->pd_timeouts));
	read_kernel(&ticks, sizeof(ticks), (void *)(table + p->newstate * sizeof(u32)));
	return (u64)ticks * 1000 / CONFIG_HZ;
#else
	return 0;
#endif
}

static inline void set_packets(const struct settings *s, u64 cp, struct conn *c)
{
	read_kernel(&c->forwarded.packets, sizeof(c->forwarded.packets), (void *)(cp + s->cp_in_pkts));
}

/* Two CPUs may have packets of one connection at once. The program runs before IPVS takes the entry's lock, so the state that it
 * reads may lack a change that the program on the other CPU has seen already. Within this time that is the reason if the state
 * is the one before the last one seen. */
#define RACE_NS 1000000000ULL

/* Compares the state read with the last one seen, corrects it after a race, and counts a gap. The time of a state whose begin
 * was not seen is not known. */
static inline void check_state(const struct settings *s, struct passage *p, struct passing *e, u64 now)
{
	if (e->state == p->oldstate)
		return;
	if (e->before == p->oldstate && elapsed(now, e->since_ns) < RACE_NS) {
		p->oldstate = e->state;
		look_up_state(s, p);
		return;
	}
	e->since_ns = 0;
	if (!(p->flags & IP_VS_CONN_F_SYNC))	/* another director's message changes the state too */
		count(COUNT_FORWARDED_GAPS);
}

static inline bool is_syn_again(const struct passage *p)
{
	return p->row == TCP_SYN && p->direction == DIRECTION_INPUT && p->oldstate == IPVS_SYN_RECV;
}

/* Fills @e with what was known of the entry, and checks the state. Returns false if the filters do not let it pass, or if
 * nothing changes. What is known is updated at once, for the program on another CPU. */
static inline bool follow(const struct settings *s, struct passage *p, struct passing *e, struct conn *c, u64 now)
{
	struct passing *known = find_passing(p->cp), next;
	u8 local = 0;

	if (known) {
		VERIFIER_CHECKED(known);
		*e = *known;
		check_state(s, p, e, now);
		if (p->newstate != p->oldstate)
			set_state(known, p->oldstate, p->newstate, now);
	}
	if ((p->newstate == p->oldstate && !is_syn_again(p)) || !read_forwarded(s, p->cp, p->flags, c))
		return false;
	if (!known) {
		if (take_fresh(&c->tuple, e))
			check_state(s, p, e, now);
		else if (p->oldstate == IPVS_NONE)
			e->made_ns = now;
	}
	if (REPORT_COUNTS && (!known || (p->newstate == IPVS_SYN_RECV && !is_syn_again(p)))) {
		e->flags &= ~PASSING_LOCAL;
		local = has_counted_socket(&c->tuple) ? PASSING_LOCAL : 0;
		if (known)
			known->flags |= local;
		e->flags |= local;
	}
	p->kept = true;
	if (p->newstate != p->oldstate && (!known || only_waits(p->newstate, p->flags) != only_waits(p->oldstate, p->flags))) {
		next = *e;
		set_state(&next, p->oldstate, p->newstate, now);
		next.flags |= local;
		p->kept = keep_passing(p->cp, p->flags, &next);
	}
	return true;
}

/* IPVS may be about to change the state, or the client has sent its SYN again. */
static inline void state_changes(void *ctx, const struct settings *s, struct passage *p)
{
	struct event ev = { .ts_ns = bpf_ktime_get_ns(), .skaddr = p->cp };
	struct passing e = {};

	if (!follow(s, p, &e, &ev.conn, ev.ts_ns))
		return;
	ev.type = p->newstate == p->oldstate ? EVENT_FORWARDED_SYN : EVENT_FORWARDED;
	ev.oldstate = p->oldstate;
	ev.newstate = p->newstate;
	if (p->newstate == IPVS_ESTABLISHED && !e.connect_us && e.since_ns)
		e.connect_us = elapsed(ev.ts_ns, e.since_ns) / 1000;
	set_packets(s, p->cp, &ev.conn);
	ev.conn.forwarded.packets += p->direction != DIRECTION_OUTPUT;	/* IPVS counts this one later */
	ev.conn.forwarded.expires_ms = expires_ms(s, p);
	ev.conn.forwarded.connect_us = p->oldstate == IPVS_SYN_RECV ? e.connect_us : 0;
	ev.conn.forwarded.cause = packet_cause(p);
	ev.conn.forwarded.flags = (e.flags & PASSING_SYN_ACK ? FORWARDED_SYN_ACK : 0) |
				  (has_lost_server(s, p->cp, true) ? FORWARDED_REMOVED : 0);
	ev.conn.entry_at = e.made_ns ? ENTRY_TIME(e.made_ns) : 0;
	if (REPORT_COUNTS)
		tally_forwarded(s, &ev, &e, p->kept);
	send_forwarded(ctx, s, &ev, e.since_ns);
}

/* The real server answers the SYN. */
static inline void note_syn_ack(u64 cp)
{
	struct passing *e = find_forwarded(cp);

	if (!e)
		return;
	VERIFIER_CHECKED(e);
	if (e->state != IPVS_SYN_RECV || e->connect_us || !e->since_ns)
		return;
	e->connect_us = elapsed(bpf_ktime_get_ns(), e->since_ns) / 1000 | 1;	/* 0 is "not known" */
	e->flags |= PASSING_SYN_ACK;
}

int forward_kprobe(struct pt_regs *ctx)
{
	struct passage p = { .cp = PT_REGS_PARM1(ctx), .direction = PT_REGS_PARM2(ctx), .pd = PT_REGS_PARM4(ctx) };
	u64 skb = PT_REGS_PARM3(ctx), iph_len = PT_REGS_PARM5(ctx);
	struct settings *s;

	count_run(RUN_FORWARD);
	s = get_settings();
	if (!s || !s->cp_state)
		return 0;
	VERIFIER_CHECKED(s);
	read_kernel(&p.oldstate, sizeof(p.oldstate), (void *)(p.cp + s->cp_state));
	if (!read_tcp_flags(s, skb, iph_len, &p.tcp_flags))
		return 0;	/* if it changes the state, the next change shows the gap */
	/* Nearly every packet: in each of the kernel's tables that keeps the state. */
	if (p.oldstate == IPVS_ESTABLISHED && (p.tcp_flags & TCP_FLAGS) == TCP_FLAG_ACK)
		return 0;
	read_kernel(&p.flags, sizeof(p.flags), (void *)(p.cp + s->cp_flags));
	look_up_state(s, &p);
	if (p.newstate != p.oldstate || is_syn_again(&p) || (p.row == TCP_RST && p.oldstate == IPVS_SYN_RECV))
		state_changes(ctx, s, &p);
	else if (p.row == TCP_SYN && p.direction == DIRECTION_OUTPUT && p.oldstate == IPVS_SYN_RECV)
		note_syn_ack(p.cp);
	return 0;
}
#endif
