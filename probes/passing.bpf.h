/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only with --director: what the programs know of each entry of IPVS.
 */
#ifdef DIRECTOR

#define IP_VS_CONN_F_NOOUTPUT 0x0080	/* the real server's answers do not pass */

enum passing_flags {
	PASSING_THROWN_OUT = 1,	/* IPVS ends it at once */
	PASSING_REMOVED = 2,	/* its real server was not in the service when it expired */
	PASSING_SYN_ACK = 4,	/* as FORWARDED_SYN_ACK */
	PASSING_OPEN = 8,	/* it was seen to become ESTABLISHED, and still is */
	PASSING_LOCAL = 16,	/* its client is a socket that is counted itself */
	PASSING_DEAD = 32,	/* this element is dead, see count_failed() */
};

/* What is known of an entry of IPVS. Times are CLOCK_MONOTONIC; 0: not known. */
struct passing {
	u64 since_ns;		/* start of its state */
	u64 made_ns;		/* when IPVS created it */
	u32 connect_us;
	u8 state;		/* enum ipvs_state */
	u8 flags;		/* enum passing_flags */
	u8 before;		/* the state before it */
	u8 pad;
};

/* Entries by address, written when a state changes. If full: a row lacks its times, and COUNT_SOCKETS_FULL counts it. */
BPF_TABLE("hash", u64, struct passing, forwarded, 65536);
/* The same for entries that only wait for their end, up to two minutes. If full, the oldest ones are dropped: they are about
 * to end, mostly without a row. */
BPF_TABLE(LRU_OR_HASH, u64, struct passing, closing, 65536);
/* When IPVS created the entries whose address is not known yet: until the first packet, with SETTING_ENDS until the end. If
 * full: as above. */
BPF_TABLE("hash", struct tuple, u64, fresh, 65536);

static inline struct passing *find_forwarded(u64 cp)
{
	struct passing *e = forwarded.lookup(&cp);

	if (!e)
		return 0;
	VERIFIER_CHECKED(e);
	return e->flags & PASSING_DEAD ? 0 : e;
}

static inline struct passing *find_closing(u64 cp)
{
	struct passing *e = closing.lookup(&cp);

	if (!e)
		return 0;
	VERIFIER_CHECKED(e);
	return e->flags & PASSING_DEAD ? 0 : e;
}

static inline struct passing *find_passing(u64 cp)
{
	struct passing *e = find_forwarded(cp);

	return e ? e : find_closing(cp);
}

static inline void drop_forwarded(u64 cp)
{
	struct passing *e = find_forwarded(cp);

	if (!e)
		return;
	VERIFIER_CHECKED(e);
	e->flags |= PASSING_DEAD;
	forwarded.delete(&cp);
}

static inline void drop_closing(u64 cp)
{
	struct passing *e = find_closing(cp);

	if (!e)
		return;
	VERIFIER_CHECKED(e);
	e->flags |= PASSING_DEAD;
	closing.delete(&cp);
}

/* Fills @e from the element that forward_new_kprobe() has made. Returns false if there is none: the entry is older than
 * the tool, or came from another director. */
static inline bool take_fresh(const struct tuple *t, struct passing *e)
{
	struct tuple key = *t;
	u64 *made_ns = fresh.lookup(&key);

	if (!made_ns)
		return false;
	VERIFIER_CHECKED(made_ns);
	e->since_ns = e->made_ns = *made_ns;
	e->state = IPVS_NONE;
	*made_ns = 0;		/* dead */
	fresh.delete(&key);
	return e->made_ns;
}

/* True if the entry leaves this state only to its end, or for a new connection. */
static inline bool only_waits(u8 state, u32 flags)
{
	return state == IPVS_TIME_WAIT || state == IPVS_CLOSE || (state == IPVS_FIN_WAIT && flags & IP_VS_CONN_F_NOOUTPUT);
}

/* Adds the entry to the map that its new state belongs to, and removes it from the other one. Returns false if there is no
 * room. */
static inline bool keep_passing(u64 cp, u32 flags, struct passing *e)
{
	int err;

	if (only_waits(e->state, flags)) {
		err = closing.update(&cp, e);
		drop_forwarded(cp);
		return !err;
	}
	err = forwarded.update(&cp, e);
	if (err)
		count_failed(err, COUNT_SOCKETS_FULL);
	drop_closing(cp);
	return !err;
}

static inline void set_state(struct passing *e, u8 before, u8 state, u64 now)
{
	e->since_ns = now;
	e->before = before;
	e->state = state;
	e->flags &= ~PASSING_OPEN;
	if (state == IPVS_ESTABLISHED)
		e->flags |= PASSING_OPEN;
	if (state != IPVS_SYN_RECV)
		return;
	e->connect_us = 0;	/* a new connection, maybe by an entry that IPVS uses again */
	e->flags = 0;
}
#endif
