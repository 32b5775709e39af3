/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only with --director: the begin and the end of IPVS's entries.
 *
 *   ip_vs_conn_new()		a new entry, as in ipvs.bpf.c
 *   ip_vs_leave()		no real server, as in no_destination.bpf.c
 *   ip_vs_conn_expire(), ip_vs_conn_expire_now(), ip_vs_conn_rcu_free()  the end of an entry, as in expiry.bpf.c
 */
#ifdef DIRECTOR

int forward_new_kprobe(struct pt_regs *ctx)
{
	struct event ev = { .type = EVENT_FORWARDED_NEW };
	struct new_args a = {};
	struct settings *s;
	struct tuple key;
	int err;

	read_new_args(ctx, &a);
	count_run(RUN_FORWARD_NEW);
	s = get_settings();
	if (!s || !s->cp_state || a.flags & IP_VS_CONN_F_TEMPLATE)
		return 0;
	VERIFIER_CHECKED(s);
	if (!read_new(s, &a, &ev.conn, false))
		return 0;
	ev.conn.family = family_of(ev.conn.tuple.raddr);
	if (!forwarded_wanted(s, &ev.conn))
		return 0;
	if (a.flags & IP_VS_CONN_F_SYNC) {
		count(COUNT_SYNCED);
		return 0;
	}
	ev.ts_ns = bpf_ktime_get_ns();
	key = ev.conn.tuple;
	err = fresh.update(&key, &ev.ts_ns);
	if (err)
		count_failed(err, COUNT_SOCKETS_FULL);
	if (!(s->flags & SETTING_ENDS))
		return 0;
	ev.conn.forwarded.flags = is_removed(s, a.dest, true) ? FORWARDED_REMOVED : 0;
	ev.conn.entry_at = ENTRY_TIME(ev.ts_ns);
	send_forwarded(ctx, s, &ev, 0);
	return 0;
}

int forward_refused_kprobe(struct pt_regs *ctx)
{
	u64 svc = PT_REGS_PARM1(ctx), skb = PT_REGS_PARM2(ctx), iph = PT_REGS_PARM4(ctx);
	struct event ev = { .type = EVENT_FORWARDED_REFUSED };
	struct settings *s;
	u16 af = 0;

	count_run(RUN_FORWARD_REFUSED);
	s = get_settings();
	if (!s)
		return 0;
	VERIFIER_CHECKED(s);
	if (!read_left(s, svc, skb, iph, &ev.conn.tuple, &af))
		return 0;
	ev.conn.family = af == AF_INET6 ? AF_INET6 : AF_INET;
	if (!forwarded_wanted(s, &ev.conn))
		return 0;
	ev.ts_ns = bpf_ktime_get_ns();
	if (REPORT_COUNTS && !has_counted_socket(&ev.conn.tuple))
		tally_no_destination(&ev.conn);
	send_forwarded(ctx, s, &ev, 0);
	return 0;
}

/* IPVS begins to end entry @cp. If a packet uses it now, IPVS keeps it for a while and calls again. A new entry with the same
 * addresses and ports may come before the old one is freed, so what is known of the old one is kept by its address now. */
static inline void begin_end(const struct settings *s, u64 cp, bool thrown_out)
{
	bool removed = !thrown_out && has_lost_server(s, cp, false), known;
	struct passing *found = find_passing(cp), e = {};
	struct conn c = {};
	u16 state = 0;
	u32 flags = 0;
	int err;

	if (found) {
		VERIFIER_CHECKED(found);
		found->flags = (found->flags & ~PASSING_REMOVED) | (removed ? PASSING_REMOVED : 0) |
			       (thrown_out ? PASSING_THROWN_OUT : 0);
		return;
	}
	read_kernel(&flags, sizeof(flags), (void *)(cp + s->cp_flags));
	if (!read_forwarded(s, cp, flags, &c))
		return;
	known = take_fresh(&c.tuple, &e);
	if (!known && (flags & IP_VS_CONN_F_SYNC || !(removed || thrown_out)))
		return;
	if (!known) {
		read_kernel(&state, sizeof(state), (void *)(cp + s->cp_state));
		e.state = state;
	}
	e.flags = (removed ? PASSING_REMOVED : 0) | (thrown_out ? PASSING_THROWN_OUT : 0);
	err = forwarded.update(&cp, &e);
	if (err)
		count_failed(err, COUNT_SOCKETS_FULL);
}

int forward_expire_now_kprobe(struct pt_regs *ctx)
{
	struct settings *s = get_settings();

	count_run(RUN_FORWARD_EXPIRE_NOW);
	if (s && s->cp_state)
		begin_end(s, PT_REGS_PARM1(ctx), true);
	return 0;
}

int forward_expire_kprobe(struct pt_regs *ctx)
{
	u64 arg = PT_REGS_PARM1(ctx);
	struct settings *s = get_settings();

	count_run(RUN_FORWARD_EXPIRE);
	if (s && s->cp_state)
		begin_end(s, arg - s->cp_timer, false);
	return 0;
}

/* IPVS has ended entry @cp. There is a row for it if it had not simply waited for its end. */
static inline void entry_freed(void *ctx, const struct settings *s, u64 cp)
{
	struct event ev = { .ts_ns = bpf_ktime_get_ns(), .skaddr = cp, .type = EVENT_FORWARDED };
	struct passing *known, e = {};
	bool shown;
	u16 state = 0;
	u32 flags = 0;

	read_kernel(&flags, sizeof(flags), (void *)(cp + s->cp_flags));
	read_kernel(&state, sizeof(state), (void *)(cp + s->cp_state));
	if (!read_forwarded(s, cp, flags, &ev.conn))
		return;
	known = find_passing(cp);
	if (known) {
		VERIFIER_CHECKED(known);
		e = *known;
		drop_forwarded(cp);
		drop_closing(cp);
	} else if (flags & IP_VS_CONN_F_SYNC) {
		return;
	} else {
		e.state = state;
	}
	if (s->flags & SETTING_ENDS) {
		e.since_ns = e.made_ns;
	} else if (e.state != state) {
		e.since_ns = 0;
		if (!(flags & IP_VS_CONN_F_SYNC))
			count(COUNT_FORWARDED_GAPS);
	}
	ev.oldstate = state;
	set_packets(s, cp, &ev.conn);
	ev.conn.forwarded.connect_us = state == IPVS_SYN_RECV ? e.connect_us : 0;
	ev.conn.forwarded.cause = e.flags & PASSING_THROWN_OUT ? CAUSE_THROWN_OUT : CAUSE_EXPIRED;
	ev.conn.forwarded.flags = (e.flags & PASSING_SYN_ACK ? FORWARDED_SYN_ACK : 0) |
				  (e.flags & PASSING_REMOVED ? FORWARDED_REMOVED : 0);
	ev.conn.entry_at = e.made_ns ? ENTRY_TIME(e.made_ns) : 0;
	shown = s->flags & SETTING_ENDS || why_forwarded(&ev.conn, state) != FORWARDED_NORMAL;
	if (REPORT_COUNTS && !e.made_ns && has_counted_socket(&ev.conn.tuple))
		e.flags |= PASSING_LOCAL;
	if (REPORT_COUNTS && (shown || e.flags & PASSING_OPEN))
		tally_forwarded(s, &ev, &e, false);
	if (shown)
		send_forwarded(ctx, s, &ev, e.since_ns);
}

int forward_free_kprobe(struct pt_regs *ctx)
{
	u64 arg = PT_REGS_PARM1(ctx);
	struct settings *s = get_settings();

	count_run(RUN_FORWARD_FREE);
	if (s && s->cp_state)
		entry_freed(ctx, s, arg - s->cp_rcu_head);
	return 0;
}
#endif
