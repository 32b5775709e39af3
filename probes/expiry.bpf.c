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

/* An element of "entries" may belong to another connection as soon as IPVS creates a new entry. These functions
 * undo a mark that they set too late. */
static inline void mark_expiring(struct tuple *key, struct conn_entry *n, u64 now)
{
	n->expiring_ns = now;
	full_barrier();
	if (entries.lookup(key) != n)
		n->expiring_ns = 0;
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

static inline void entry_ends(const struct settings *s, u64 cp, bool freed)
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
	/* Keep the element for a socket of this host, which must still learn that the entry has ended. */
	if (!freed)
		mark_expiring(&key, n, now);
	else if (!n->made_ns || has_client(&t) || entries.delete(&key))
		mark_gone(&key, n, now);
	else
		count(COUNT_ENTRIES_ENDED);
}

int expire_now_kprobe(struct pt_regs *ctx)
{
	struct settings *s = get_settings();

	count_run(RUN_EXPIRE_NOW);
	if (s)
		entry_ends(s, PT_REGS_PARM1(ctx), false);
	return 0;
}

int expire_kprobe(struct pt_regs *ctx)
{
	u64 arg = PT_REGS_PARM1(ctx);
	struct settings *s = get_settings();

	count_run(RUN_EXPIRE);
	if (s)
		entry_ends(s, arg - s->cp_timer, false);
	return 0;
}

int free_kprobe(struct pt_regs *ctx)
{
	u64 arg = PT_REGS_PARM1(ctx);
	struct settings *s = get_settings();

	count_run(RUN_FREE);
	if (s)
		entry_ends(s, arg - s->cp_rcu_head, true);
	return 0;
}
