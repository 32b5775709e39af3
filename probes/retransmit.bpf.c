/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retransmits: tcp:tcp_retransmit_skb (4.15 and later), else a kprobe on tcp_retransmit_skb(sk, ...). Tail loss probes do
 * not call that. The tracepoint is in __tcp_retransmit_skb(), but the compiler may inline that into tcp_retransmit_skb(),
 * as in Debian's 6.1: there a kprobe on __tcp_retransmit_skb() sees no SYN. State, addresses and ports are read from the
 * socket, because the tracepoint has no state on 4.15 to 5.3 and no family before 5.16. The kernel does not skip the raw
 * tracepoint when the timer interrupts another program.
 */
static inline void adopt_at_retransmit(const struct settings *s, u64 sk, const struct common *skc)
{
	struct client cl = { .sk = sk };

	read_tuple(s, sk, skc, &cl.e.conn.tuple);
	cl.e.conn.tuple.netns = sock_netns(s, sk);
	cl.e.conn.family = skc->family;
	cl.e.conn.state = skc->state;
	adopt(s, &cl);
}

static inline enum joined join_at_retransmit(const struct settings *s, u64 sk, bool known)
{
	struct common skc = {};
	struct sock_entry *e;

	read_common(sk, &skc);
	if (skc.state == TCP_SYN_SENT && s->flags & SETTING_IPVS) {
		struct client cl = {};

		if (known) {
			e = find_socket(sk);	/* again: before 4.10 the verifier forgets what was checked before */
			if (!e)
				return JOINED_NOT;
			VERIFIER_CHECKED(e);
			cl.e = *e;
		}
		read_tuple(s, sk, &skc, &cl.e.conn.tuple);
		cl.e.conn.tuple.netns = sock_netns(s, sk);
		cl.e.conn.family = skc.family;
		return join(s, sk, &cl, known, AT_RETRANSMIT);
	}
	if (known)
		return JOINED;
	if (!(s->adopt & PORT_BIT(BE16(skc.dport))))
		return JOINED_NOT;
	adopt_at_retransmit(s, sk, &skc);
	return JOINED;
}

static inline int retransmit(void *ctx, u64 sk)
{
	struct settings *s = get_settings();
	bool known = false, pending = false;
	struct sock_entry *e;
	u8 state = 0;
	u64 now;

	if (!s)
		return 0;
	e = find_socket(sk);
	if (e) {
		known = true;
		pending = e->conn.flags & CONN_PENDING;
	}
	if (known ? pending : s->flags & SETTING_IPVS || s->adopt) {
		if (join_at_retransmit(s, sk, known) == JOINED_REPORTED)
			return 0;
	}
	e = find_socket(sk);
	if (!e)
		return 0;
	VERIFIER_CHECKED(e);
	read_kernel(&state, sizeof(state), (void *)(sk + 18));
	if (state != TCP_SYN_SENT && !(s->flags & SETTING_RETRANSMITS))
		return 0;
	if (e->conn.flags & CONN_PENDING)
		report_syn_sent(ctx, s, e, sk);
	now = bpf_ktime_get_ns();
	if (e->conn.flags & CONN_IPVS)
		follow_entry(s, e, now);
	if (!HOLDS_BACK(s) || sends_row(ctx, s, e, sk, s->flags & SETTING_FAILURES, true))
		report_retransmit(ctx, e, sk, state, now);
	e->conn.flags &= ~CONN_SYN_LOST;
	return 0;
}

#if defined(RAW_TRACEPOINTS) && !defined(WITHOUT_retransmit_raw)
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
	/* From 6.17 on, the tracepoint also fires for segments that could not be sent. */
	if (FIELD(u32, RETRANSMIT_ERR))
		return 0;
#endif
	return retransmit(ctx, FIELD(u64, RETRANSMIT_SKADDR));
}
#endif

#ifndef WITHOUT_retransmit_kprobe
int retransmit_kprobe(struct pt_regs *ctx)
{
	count_run(RUN_RETRANSMIT);
	return retransmit(ctx, PT_REGS_PARM1(ctx));
}
#endif
