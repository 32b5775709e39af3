/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts for each virtual service and real server, in place of events. The
 * counters count the rows that would be shown, so the sums are equal. They count
 * only sockets that connect, not those of a listener; for forwarded connections see
 * director_tally.bpf.h.
 *
 * A program cannot add to an element while the tool removes it: what it adds would be lost, or end up in the element that
 * gets the memory next. So there are rounds. The programs count in elements of the current round. To take the counts, the
 * tool begins the next round, waits until no program runs that had read the one before (bpf_wait() in tool/base/bpf.h),
 * and only then reads and removes the elements of that round.
 */

/* The barrier keeps the compiler from joining two branches after it: it would do so by adding to the pointer, and before
 * 4.9 the verifier forgets a pointer into a map that was added to. */
#define RAISE_BY(counter, n)					\
	do {							\
		__sync_fetch_and_add(&(counter), n);		\
		asm volatile("" ::: "memory");			\
	} while (0)
#define RAISE(counter) RAISE_BY(counter, 1)

/* A call makes the verifier forget most registers too. */
#define VERIFIER_JOIN(variable, unknown)				\
	do {							\
		VERIFIER_FORGET(variable, unknown);		\
		bpf_get_smp_processor_id();			\
	} while (0)

static inline void set_tally_key(struct tally_key *key, const struct conn *c, u8 source)
{
	int slot = COUNT_ROUND;
	u64 *round = counts.lookup(&slot);

	if (round)
		key->round = *round;
	key->vip[0] = c->tuple.raddr[0];
	key->vip[1] = c->tuple.raddr[1];
	key->vip[2] = c->tuple.raddr[2];
	key->vip[3] = c->tuple.raddr[3];
	key->real[0] = c->real.addr[0];
	key->real[1] = c->real.addr[1];
	key->real[2] = c->real.addr[2];
	key->real[3] = c->real.addr[3];
	key->vport = c->tuple.rport;
	key->rport = c->real.port;
	key->family = c->real.family;
	key->source = source;
}

/* Two CPUs may do so at once: the first tally stays. Returns 0, and counts it, if there is no room. */
static inline struct tally *make_tally(struct tally_key *key)
{
	struct tally fresh = {}, *t;
	int err;

	fresh.id = bpf_ktime_get_ns() << 12 | bpf_get_smp_processor_id();
	count(COUNT_TALLIES_MADE);
	err = tallies.insert(key, &fresh);
	t = tallies.lookup(key);
	if (!t)
		count_failed(err, COUNT_TALLIES_FULL);
	return t;
}

/* Looks up the connection's tally of this round, or creates it if there is none. Returns 0, and counts it, if there is no
 * room. @source: enum tally_source */
static inline struct tally *get_tally(const struct conn *c, u8 source)
{
	struct tally_key key = {};
	struct tally *t;

	set_tally_key(&key, c, source);
	t = tallies.lookup(&key);
	return t ? t : make_tally(&key);
}

static inline void raise_bucket(u64 id, u32 kind, u64 us)
{
	struct bucket_key key = { .id = id, .kind = kind, .bucket = bucket_of(us) };
	u64 *n = buckets.lookup(&key), zero = 0;
	int err = 0;

	if (!n) {
		count(COUNT_BUCKETS_MADE);
		err = buckets.insert(&key, &zero);
		n = buckets.lookup(&key);
	}
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		count_failed(err, COUNT_BUCKETS_FULL);
}

static inline void tally_connect(struct conn *c)
{
	struct tally *t = get_tally(c, TALLY_SOCKETS);

	if (t) {
		RAISE(t->connects);
		c->flags |= CONN_COUNTED;
	}
}

static inline void tally_retransmit(const struct conn *c)
{
	struct tally *t;

	if (!(c->flags & CONN_COUNTED))
		return;
	t = get_tally(c, TALLY_SOCKETS);
	if (t)
		RAISE(t->syn_retransmits);
}

/* Called before the real server of a counted connection changes. */
static inline void tally_leave(const struct conn *c)
{
	struct tally *t;

	if (!(c->flags & CONN_OPEN))
		return;
	t = get_tally(c, TALLY_SOCKETS);
	if (t)
		RAISE(t->left);
}

/* Called after that change. */
static inline void tally_arrive(struct conn *c)
{
	struct tally *t = get_tally(c, TALLY_SOCKETS);

	if (!t) {
		c->flags &= ~(CONN_COUNTED | CONN_OPEN);
	} else if (c->flags & CONN_OPEN) {
		RAISE_BY(t->left, -1);
	}
}

static inline void tally_connect_time(struct tally *t, u64 us)
{
	RAISE_BY(t->connect_sum_us, us);
	if (us > t->connect_max_us)
		t->connect_max_us = us;
	raise_bucket(t->id, BUCKET_CONNECT, us);
}

static inline void tally_life_time(struct tally *t, u64 us)
{
	RAISE_BY(t->life_sum_us, us);
	if (us > t->life_max_us)
		t->life_max_us = us;
	raise_bucket(t->id, BUCKET_LIFE, us);
}

static inline void tally_established(struct tally *t, struct sock_entry *e, u64 now)
{
	RAISE(t->established);
	e->conn.flags |= CONN_OPEN;
	e->established_ns = now;
	if (e->since_ns)
		tally_connect_time(t, elapsed(now, e->since_ns) / 1000);
}

static inline void tally_failure(struct tally *t, enum close_reason why)
{
	if (why == CLOSE_REFUSED)
		RAISE(t->refused);
	else if (why == CLOSE_TIMEOUT)
		RAISE(t->timed_out);
	else if (why == CLOSE_UNREACHABLE)
		RAISE(t->unreachable);
	else if (why == CLOSE_ABORTED)
		RAISE(t->aborted);
	else if (why == CLOSE_NO_DESTINATION)
		RAISE(t->no_destination);
	else
		RAISE(t->failed);
}

static inline void tally_close(struct tally *t, const struct sock_entry *e, u8 oldstate,
			       enum close_reason why, u64 now)
{
	if (oldstate == TCP_SYN_SENT || oldstate == TCP_SYN_RECV) {
		tally_failure(t, why);
		return;
	}
	if (why == CLOSE_RESET || why == CLOSE_EXPIRED)
		RAISE(t->resets);
	if (e->established_ns)
		tally_life_time(t, elapsed(now, e->established_ns) / 1000);
}

/* Called while the socket's element still has the values of the old state. */
static inline void tally_change(const struct settings *s, struct sock_entry *e, u8 oldstate, u8 newstate,
				u64 now, u32 err)
{
	struct tally *t;
	u64 why, id;

	if (!(e->conn.flags & CONN_COUNTED))
		return;
	if (!(s->flags & SETTING_STATE_TIMES) && !(e->conn.flags & CONN_OPEN) && newstate != TCP_ESTABLISHED &&
	    newstate != TCP_CLOSE)
		return;
	t = get_tally(&e->conn, TALLY_SOCKETS);
	if (!t) {
		e->conn.flags &= ~CONN_COUNTED;
		return;
	}
	id = t->id;
	if (e->conn.flags & CONN_OPEN) {
		RAISE(t->left);
		e->conn.flags &= ~CONN_OPEN;
	}
	if (newstate == TCP_ESTABLISHED) {
		tally_established(t, e, now);
	} else if (newstate == TCP_CLOSE) {
		why = why_closed(&e->conn, oldstate, err != ERROR_UNKNOWN, err);
		VERIFIER_JOIN(why, now);
		tally_close(t, e, oldstate, why, now);
	}
	if (s->flags & SETTING_STATE_TIMES && e->since_ns)
		raise_bucket(id, BUCKET_STATE + oldstate, elapsed(now, e->since_ns) / 1000);
}
