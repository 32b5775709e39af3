/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPVS ends a connection; net/netfilter/ipvs/ip_vs_conn.c. Packets that its client still sends have no real server.
 *
 *   ip_vs_conn_expire_now(cp)	IPVS ends it at once: its real server is gone, or a new SYN gets another entry
 *   ip_vs_conn_expire(timer)	its timeout is over; IPVS may keep it if a packet uses it now. Before 4.15: (cp)
 *   ip_vs_conn_rcu_free(head)	it has ended, and no CPU uses it any more
 */

/* An entry lives for at least a second. If the start of its end was not seen, an entry younger than this is its successor. */
#define ENTRY_LIFE_NS 500000000ULL

#define IP_VS_DEST_F_AVAILABLE 0x0001	/* the real server is in the service; IP_VS_DEST_CF_AVAILABLE has the same value */

/* True if the real server @dest is not in the service any more; with @weight also if it has weight 0. */
static inline bool is_removed(const struct settings *s, u64 dest, bool weight)
{
	u32 flags = IP_VS_DEST_F_AVAILABLE, w = 1;

	if (!dest || !s->dest_flags || !s->dest_weight)
		return false;
	read_kernel(&flags, sizeof(flags), (void *)(dest + s->dest_flags));
	if (weight)
		read_kernel(&w, sizeof(w), (void *)(dest + s->dest_weight));
	return !(flags & IP_VS_DEST_F_AVAILABLE) || !w;
}

static inline bool has_lost_server(const struct settings *s, u64 cp, bool weight)
{
	u64 dest = 0;

	if (s->cp_dest)
		read_kernel(&dest, sizeof(dest), (void *)(cp + s->cp_dest));
	return is_removed(s, dest, weight);
}

/* An element of "entries" may belong to another connection as soon as IPVS creates a new entry. These functions
 * undo a mark that they set too late. */
static inline void mark_expiring(struct tuple *key, struct conn_entry *n, u32 idle_ms, u64 now)
{
	/* After ip_vs_conn_expire_now() the timer runs too. */
	n->idle_ms = n->expiring_ns && !n->idle_ms ? 0 : idle_ms;
	n->expiring_ns = now;
	full_barrier();
	if (entries.lookup(key) != n)
		n->expiring_ns = n->idle_ms = 0;
}

static inline void mark_gone(struct tuple *key, struct conn_entry *n, u64 now)
{
	n->gone_ns = now;
	full_barrier();
	if (entries.lookup(key) == n)
		count(COUNT_ENTRIES_ENDED);
	else
		n->gone_ns = 0;
}

static inline bool has_client(const struct tuple *t)
{
	struct tuple key = *t;

	return find_client(&key);
}

/* Returns when IPVS began to end this connection: now, or at an earlier call. From then on IPVS may keep it in its table
 * for a minute, beside its successor. */
static inline u64 ending_since(u64 cp, bool freed, u64 now)
{
	u64 *began = ending.lookup(&cp), since = 0;

	if (began)
		since = *began;		/* 0: this element is dead */
	if (!since && !freed)
		ending.update(&cp, &now);
	if (began && freed) {
		*began = 0;
		ending.delete(&cp);
	}
	if (since)
		return since;
	return freed ? now - ENTRY_LIFE_NS : now;
}

/* Returns for how long no packet of entry @cp has passed, now that ip_vs_conn_expire() runs; 0: it has not timed out, or its
 * real server left the service, so that IPVS dropped the packets. Each packet starts the timer anew: ip_vs_conn_put(). From
 * 5.9 on, ip_vs_conn_del() stops the timer and calls ip_vs_conn_expire() before the time is over; these kernels tell the time. */
static inline u32 timed_out_after(const struct settings *s, u64 cp)
{
	u64 ticks = 0, expires = 0, late = 0;

#ifdef CONFIG_HZ
	if (!s->cp_timeout || has_lost_server(s, cp, false))
		return 0;
#ifdef JIFFIES
	read_kernel(&expires, sizeof(expires), (void *)(cp + s->cp_timer + s->timer_expires));
	late = current_jiffies() - expires;
	if (late >> 63)
		return 0;
#endif
	read_kernel(&ticks, sizeof(ticks), (void *)(cp + s->cp_timeout));
	return (ticks + late) * 1000 / CONFIG_HZ;
#else
	return 0;
#endif
}

/* Reports that the entry of connection @t timed out, if a socket of this host may still use it.
 * @c: the real server, and when IPVS created the entry */
static inline void report_idle(void *ctx, const struct settings *s, const struct tuple *t, const struct conn *c, u32 idle_ms,
			       u64 now)
{
	struct event ev = { .type = EVENT_IDLE_EXPIRED, .ts_ns = now, .skaddr = client_of(t) };
	struct sock_entry *e = find_socket(ev.skaddr);

	if (!e || (HOLDS_BACK(s) && !(s->flags & SETTING_FAILURES)))
		return;
	VERIFIER_CHECKED(e);
	ev.conn = e->conn;
#ifndef EVENT_WITHOUT_CGROUP
	ev.cgroup = e->cgroup;
#endif
	/* Another socket may have taken over the element since. */
	if (ENTRY_PORTS(&ev.conn.tuple) != ENTRY_PORTS(t) || !is_in_use(ev.conn.state))
		return;
	ev.oldstate = ev.newstate = ev.conn.state;
	ev.span_ns = idle_ms * 1000000ULL;
	ev.conn.real = c->real;
	ev.conn.entry_at = c->entry_at;
	ev.conn.gone_at = ENTRY_TIME(now);
	send_event(ctx, &ev);
}

/* @idle_ms: only if @freed is false: timed_out_after() */
static inline void entry_ends(void *ctx, const struct settings *s, u64 cp, bool freed, u32 idle_ms)
{
	u64 now = bpf_ktime_get_ns(), since;
	struct tuple t = {}, key;
	struct conn_entry *n;
	struct conn c = {};

	if (!read_conn(s, cp, &t, &c.real) || !t.lport)
		return;
	since = ending_since(cp, freed, now);
	key = t;
	n = own_entry(&key);
	if (!n)
		return;
	VERIFIER_CHECKED(n);
	if (n->made_ns > since || n->gone_ns || (!same_real(&c, &n->real) && n->real.method != METHOD_BYPASS))
		return;		/* it has a successor, or has ended already */
	if (!freed) {
		mark_expiring(&key, n, idle_ms, now);
		return;
	}
	idle_ms = n->idle_ms;
	set_real(&c, &n->real);
	c.entry_at = n->made_ns ? ENTRY_TIME(n->made_ns) : 0;
	/* Keep the element for a socket of this host, which must still learn that the entry has ended. */
	if (!n->made_ns || has_client(&t) || entries.delete(&key))
		mark_gone(&key, n, now);
	else
		count(COUNT_ENTRIES_ENDED);
#ifndef DIRECTOR	/* it has a row for each entry that times out */
	if (REPORT_ROWS && idle_ms)
		report_idle(ctx, s, &t, &c, idle_ms, now);
#endif
}

int expire_now_kprobe(struct pt_regs *ctx)
{
	struct settings *s = get_settings();

	count_run(RUN_EXPIRE_NOW);
	if (s)
		entry_ends(ctx, s, PT_REGS_PARM1(ctx), false, 0);
	return 0;
}

int expire_kprobe(struct pt_regs *ctx)
{
	u64 arg = PT_REGS_PARM1(ctx);
	struct settings *s = get_settings();

	count_run(RUN_EXPIRE);
	if (s)
		entry_ends(ctx, s, arg - s->cp_timer, false, timed_out_after(s, arg - s->cp_timer));
	return 0;
}

int free_kprobe(struct pt_regs *ctx)
{
	u64 arg = PT_REGS_PARM1(ctx);
	struct settings *s = get_settings();

	count_run(RUN_FREE);
	if (s)
		entry_ends(ctx, s, arg - s->cp_rcu_head, true, 0);
	return 0;
}
