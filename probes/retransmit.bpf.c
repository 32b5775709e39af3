/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retransmits: tcp:tcp_retransmit_skb (4.15 and later), else the entry of
 * tcp_retransmit_skb(sk, ...). Tail loss probes do not pass that. The tracepoint is in __tcp_retransmit_skb(), but that
 * may be a part of the former, as in Debian's 6.1, where its own entry sees no SYN. State and ends are
 * the socket's: the tracepoint has no state on 4.15 to 5.3 and no family before 5.16. The raw tracepoint is
 * not skipped where the timer interrupts another program.
 */
static inline void adopt_at_retransmit(const struct settings *s, u64 sk)
{
	struct sock_entry e = {};
	struct common skc = {};

	read_common(sk, &skc);
	if (!(s->earlier & PORT_BIT(BE16(skc.dport))))
		return;
	read_ends(s, sk, &skc, &e.conn.tuple);
	e.conn.tuple.netns = sock_netns(s, sk);
	e.conn.family = skc.family;
	e.conn.state = skc.state;
	adopt(s, sk, &e);
}

/* Whether the connect waits for IPVS: if that takes it now, its first SYN was lost. */
static inline bool note_untaken(u64 sk)
{
	struct common skc = {};
	struct waiting *w;

	read_common(sk, &skc);
	if (skc.state != TCP_SYN_SENT)
		return false;
	w = waiting_at(skc.num, BE16(skc.dport));
	if (!w || w->sk != sk)
		return false;
	w->untaken = 1;
	return true;
}

static inline int retransmit(void *ctx, u64 sk)
{
	struct sock_entry *e = socks.lookup(&sk);
	struct settings *s;
	u8 state = 0;

	s = get_settings();
	if (!s)
		return 0;
	if (!e && s->flags & SETTING_FROM_CONNECT && note_untaken(sk))
		return 0;
	if (!e && s->earlier) {
		adopt_at_retransmit(s, sk);
		e = socks.lookup(&sk);
	}
	if (!e)
		return 0;
	read_kernel(&state, sizeof(state), (void *)(sk + 18));
	if (state != TCP_SYN_SENT && !(s->flags & SETTING_RETRANSMITS))
		return 0;
	if (e->conn.flags & CONN_PENDING) {
		if (!(s->flags & SETTING_ALL) && !(e->conn.flags & CONN_NO_DESTINATION)) {
			e->conn.flags |= CONN_UNTAKEN;
			return 0;
		}
		tell_syn_sent(ctx, s, e, sk);
	}
	tell_retransmit(ctx, s, e, sk, state, bpf_ktime_get_ns());
	e->conn.flags &= ~CONN_SYN_LOST;
	return 0;
}

#ifdef RAW_TRACEPOINTS
/* TP_PROTO(const struct sock *sk, const struct sk_buff *skb), from 6.17 on with int err */
int retransmit_raw(void *ctx)
{
#ifdef RETRANSMIT_ERR
	if ((u32)FIELD(u64, 16))
		return 0;
#endif
	return retransmit(ctx, FIELD(u64, 0));
}
#endif

#if defined(RETRANSMIT_SKADDR) && !defined(WITHOUT_retransmit_tracepoint)
int retransmit_tracepoint(void *ctx)
{
#ifdef RETRANSMIT_ERR
	/* 6.17 and later: also fires for segments that could not be sent. */
	if (FIELD(u32, RETRANSMIT_ERR))
		return 0;
#endif
	return retransmit(ctx, FIELD(u64, RETRANSMIT_SKADDR));
}
#endif

#ifndef WITHOUT_retransmit_kprobe
int retransmit_kprobe(struct pt_regs *ctx)
{
	ran(RUN_RETRANSMIT);
	return retransmit(ctx, PT_REGS_PARM1(ctx));
}
#endif
