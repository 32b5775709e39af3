/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket side of the join: it looks up a socket's real server in map "entries", by the socket's own addresses and
 * ports. It runs while the kernel holds the socket's lock, so one event of a socket does not overtake another.
 *
 * A connect is in map "connecting" from tcp_connect() on, until the handshake ends or its first row is reported. Two sides
 * may report that row: the IPVS side, when IPVS creates an entry, or the socket side, if IPVS used an existing entry. The
 * side that removes the element has claimed the row. The IPVS side writes "entries" before it looks into "connecting", and
 * "clients" before it claims. The second of the two sides thus finds what it needs: a full barrier is between each side's write
 * and its look. A claim is one too, as it takes a lock.
 */

/* An entry that has begun to end counts as ended for this long: a reset follows at once, but the kernel frees the entry
 * later. If ip_vs_conn_expire(), net/netfilter/ipvs/ip_vs_conn.c, keeps the entry after all, no probe sees it. */
#define EXPIRING_NS 1000000000ULL

enum moment { AT_RETURN, AT_RETRANSMIT, AT_ANSWER, AT_CLOSE };
enum joined {
	JOINED_NOT,		/* nothing to report, now or ever */
	JOINED,			/* it is in map "sockets", with CONN_PENDING if its first row is not reported yet */
	JOINED_REPORTED,		/* it is in map "sockets", and this retransmit is reported already */
};

/* The part of its entry that a socket needs. */
struct found {
	u64 made_ns, expiring_ns, gone_ns;
	struct real real;
	u32 netns;
};

/* Copies from the entry of connection @t. Returns false if there is none. */
static inline bool copy_entry(const struct tuple *t, struct found *to)
{
	struct tuple key = *t;
	struct conn_entry *n = find_entry(&key);

	if (!n)
		return false;
	VERIFIER_CHECKED(n);
	to->made_ns = n->made_ns;
	to->expiring_ns = n->expiring_ns;
	to->gone_ns = n->gone_ns;
	to->real = n->real;
	to->netns = n->netns;
	READ_BARRIER();
	return n->ports == ENTRY_PORTS(t);	/* else another connection got the element meanwhile */
}

/* True if IPVS uses entry @n for a connect that began at @since_ns. An entry that has ended belongs to a previous
 * connection, and so does an older entry without real server. */
static inline bool serves(const struct found *n, u64 since_ns)
{
	return n->real.family ? !n->gone_ns : n->made_ns >= since_ns;
}

static inline void set_entry_times(struct conn *c, const struct found *n, u64 now)
{
	u64 gone_ns = n->gone_ns;

	if (!gone_ns && n->expiring_ns && elapsed(now, n->expiring_ns) < EXPIRING_NS)
		gone_ns = n->expiring_ns;
	c->entry_at = n->made_ns ? ENTRY_TIME(n->made_ns) : 0;
	c->gone_at = gone_ns ? ENTRY_TIME(gone_ns) : 0;
}

/* True if @real is the connection's real server. No branches, so that the compiler adds nothing to a pointer into a map:
 * before 4.9 the verifier forgets what that points to. */
static inline bool same_real(const struct conn *c, const struct real *real)
{
	return !((c->real.addr[0] ^ real->addr[0]) | (c->real.addr[1] ^ real->addr[1]) |
		 (c->real.addr[2] ^ real->addr[2]) | (c->real.addr[3] ^ real->addr[3]) |
		 (c->real.port ^ real->port));
}

/* Copies member by member, for the same reason. */
static inline void set_real(struct conn *c, const struct real *real)
{
	c->real.addr[0] = real->addr[0];
	c->real.addr[1] = real->addr[1];
	c->real.addr[2] = real->addr[2];
	c->real.addr[3] = real->addr[3];
	c->real.port = real->port;
	c->real.family = real->family;
	c->real.method = real->method;
}

static inline void set_from_connecting(struct client *cl, const struct connecting *c)
{
	cl->sk = c->sk;
	cl->retransmits = c->retransmits;
	cl->e.conn.tuple.netns = c->netns;
	cl->e.conn.owner = c->owner;
	cl->e.cgroup = c->cgroup;
	cl->e.conn.family = c->family;
	cl->e.conn.state = TCP_SYN_SENT;
	cl->e.conn.flags = CONN_PENDING | (c->owner.pid ? CONN_OWNED : 0);
	cl->e.since_ns = c->since_ns;
	cl->e.before = TCP_CLOSE;
	if (c->err)
		cl->e.err = c->err;
	cl->e.connected = 1;
}

/* Copies the connect of socket @sk. Sets @key_netns to the namespace in the key of its element, for claim(). */
static inline bool copy_connecting(u64 sk, enum moment at, struct client *to, u32 *key_netns)
{
	struct tuple key = to->e.conn.tuple;
	struct connecting *c = own_connecting(&key, sk);

	if (!c)
		return false;
	VERIFIER_CHECKED(c);
	if (at == AT_RETRANSMIT)
		c->retransmits++;
	set_from_connecting(to, c);
	*key_netns = key.netns;
	return true;
}

/* Returns true for only one of the two sides: that side reports the first row of socket @sk. */
static inline bool claim(const struct tuple *t, u32 key_netns, u64 sk)
{
	struct tuple key = *t;
	struct connecting *c;
	int err;

	key.netns = key_netns;
	err = connecting.delete(&key);
	if (err != -EBUSY)
		return !err;
	c = connecting.lookup(&key);
	if (!c)
		return false;
	VERIFIER_CHECKED(c);
	if (c->sk != sk)
		return false;
	c->sk = 0;
	return true;
}

static inline bool copy_client(u64 sk, struct client *to)
{
	struct tuple key = to->e.conn.tuple;
	struct client *cl = own_client(&key, sk);
	u32 err = to->e.err;

	if (!cl)
		return false;
	VERIFIER_CHECKED(cl);
	*to = *cl;
	if (err)
		to->e.err = err;
	return true;
}

/* Returns true for only one of the two sides, as claim() does. */
static inline bool take_closed(struct tuple *key, u64 sk)
{
	int err = closed.delete(key);
	struct client *cl;

	if (err != -EBUSY)
		return !err;
	cl = closed.lookup(key);
	if (!cl)
		return false;
	VERIFIER_CHECKED(cl);
	if (cl->sk != sk)
		return false;
	cl->sk = 0;
	return true;
}

/* Keeps a connect that was given up, because IPVS may be about to see its SYN. Returns true if IPVS has just created its
 * entry, and the socket side must report it. */
static inline bool put_closed(struct client *cl)
{
	struct tuple key = cl->e.conn.tuple;
	struct conn_entry *n;
	int err;

	key.netns = 0;
	cl->closed_ns = bpf_ktime_get_ns();
	err = closed.update(&key, cl);
	if (err) {
		count_failed(err, COUNT_CONNECTING_FULL);
		return false;
	}
	key.netns = cl->e.conn.tuple.netns;
	full_barrier();
	n = find_entry(&key);
	key.netns = 0;
	if (n && n->made_ns >= cl->e.since_ns)
		return take_closed(&key, cl->sk);
	if (cl->uncertain)
		count(COUNT_UNCERTAIN);
	return false;
}

/* True if a connect ended with no answer and no second SYN: then its first SYN may still be on its way. */
static inline bool syn_may_be_under_way(const struct settings *s, u64 sk, const struct client *cl, enum moment at)
{
	return at == AT_CLOSE && !cl->retransmits && !closing_error(s, cl->e.err, sk, TCP_SYN_SENT);
}

/* True if the filters accept a connect whose tcp_connect() was not seen. */
static inline bool unseen_wanted(const struct settings *s, const struct tuple *t, u16 family)
{
	return !(s->flags & SETTING_PID) && family_wanted(s, family) && ports_wanted(s, t->lport, t->rport) &&
	       vip_wanted(s, t) && netns_wanted(s, t->netns);
}

/* Fills in a connect whose tcp_connect() was not seen, but for which IPVS has an entry. */
static inline void set_unseen(struct client *cl, u64 sk, bool known, const struct found *n)
{
	cl->sk = sk;
	cl->e.conn.state = TCP_SYN_SENT;
	cl->e.connected = 1;
	if (!known && n->made_ns)	/* else it began before the start */
		count(COUNT_GAPS);
}

static inline void set_taken(struct client *cl, const struct found *n)
{
	cl->e.conn.flags |= CONN_IPVS | (n->real.family ? 0 : CONN_NO_DESTINATION);
	set_real(&cl->e.conn, &n->real);
	cl->e.conn.entry_at = n->real.family && n->made_ns ? ENTRY_TIME(n->made_ns) : 0;
}

/*
 * Joins the connect of socket @sk to its entry.
 * @cl: @cl->e.conn has the socket's addresses, ports, namespace and family, and its old state at a state change; changed
 * @known: the socket has an element in "sockets", as with -a from its first event on; @cl->e is a copy of it
 */
static inline enum joined join(const struct settings *s, u64 sk, struct client *cl, bool known, enum moment at)
{
	bool waits, reported, claimed = false, found;
	u32 retransmits, key_netns = 0;
	struct found n = {};
	int err;

	waits = copy_connecting(sk, at, cl, &key_netns);
	VERIFIER_FORGET_STRUCT(cl);
	retransmits = cl->retransmits;
	reported = !waits && copy_client(sk, cl);
	found = copy_entry(&cl->e.conn.tuple, &n) && serves(&n, cl->e.since_ns);
	VERIFIER_FORGET_STRUCT(cl);
	if (waits) {
		if (!found && at == AT_RETRANSMIT && !(s->flags & SETTING_ALL))
			return JOINED_NOT;	/* IPVS may create an entry at this SYN */
		claimed = claim(&cl->e.conn.tuple, key_netns, sk);
		reported = !claimed && copy_client(sk, cl);
	} else if (!reported) {
		if (known && !found)
			return JOINED;		/* it did not get as far as tcp_connect(), or that was not seen */
		if (!found || (!known && !unseen_wanted(s, &cl->e.conn.tuple, cl->e.conn.family)))
			return JOINED_NOT;
		if (!known && !n.made_ns && cl->e.conn.state && cl->e.conn.state != TCP_SYN_SENT)
			return JOINED_NOT;	/* the connection is older than the tool: see adopt() */
		set_unseen(cl, sk, known, &n);
	}
	/* If IPVS is in another namespace, it may not have seen the SYN yet, and may choose anew once it does. */
	if (claimed && !(s->flags & SETTING_ALL) &&
	    (!found || (n.netns != cl->e.conn.tuple.netns && n.made_ns < cl->e.since_ns)) &&
	    syn_may_be_under_way(s, sk, cl, at)) {
		cl->uncertain = found;
		if (!put_closed(cl))
			return JOINED_NOT;
		found = copy_entry(&cl->e.conn.tuple, &n);
	}
	VERIFIER_FORGET_STRUCT(cl);
	if (found)
		set_taken(cl, &n);
	else if (!reported && !(s->flags & SETTING_ALL))
		return JOINED_NOT;
	if (!real_wanted(s, &cl->e.conn.real))
		return JOINED_NOT;
	if (reported)
		cl->e.conn.flags = (cl->e.conn.flags & ~CONN_PENDING) | CONN_IPVS | (REPORT_COUNTS ? CONN_COUNTED : 0);
	/* "clients" first: a connect that finds room there also finds room in "sockets", except with -a. */
	err = found && !reported ? put_client(cl) : 0;
	if (!err)
		err = sockets.update(&sk, &cl->e);
	if (err) {
		count_failed(err, COUNT_SOCKETS_FULL);
		drop_client(&cl->e.conn.tuple, sk);
		return JOINED_NOT;
	}
	return waits && reported && at == AT_RETRANSMIT && cl->retransmits == retransmits ? JOINED_REPORTED : JOINED;
}

/* Updates a tracked socket from its entry: it may have another real server, or the entry may have ended. */
static inline void follow_entry(const struct settings *s, struct sock_entry *e, u64 now)
{
	struct tuple t = e->conn.tuple;
	struct found n = {};
	bool counted;

	if (!copy_entry(&t, &n) || !n.real.family)
		return;
	set_entry_times(&e->conn, &n, now);
	if (same_real(&e->conn, &n.real))
		return;
	counted = REPORT_COUNTS && e->conn.flags & CONN_COUNTED;
	if (counted)
		tally_leave(&e->conn);
	/* The rows that were kept had the real server before this one. */
	if (HOLDS_BACK(s) && s->flags & SETTING_WHOLE && e->conn.real.family)
		e->conn.flags |= CONN_SHOWN;
	set_real(&e->conn, &n.real);
	e->conn.flags &= ~CONN_NO_DESTINATION;
	if (counted)
		tally_arrive(&e->conn);
}

/* Only with -a: marks a connect that IPVS handles, but whose first row had to be reported without real server. */
static inline void join_late(const struct settings *s, u64 sk, struct sock_entry *e)
{
	struct tuple t = e->conn.tuple;
	struct client cl = { .sk = sk };
	struct found n = {};
	int err;

	if (!copy_entry(&t, &n) || !n.real.family || n.gone_ns)
		return;
	cl.e.conn.tuple = t;
	err = put_client(&cl);
	if (err)
		count_failed(err, COUNT_SOCKETS_FULL);
	else
		e->conn.flags |= CONN_IPVS;
}

/*
 * Starts to track a pre-existing socket, or one whose connect was not seen, if IPVS has an entry for it.
 * @cl: @cl->sk is the socket; @cl->e has its addresses, ports, namespace, family and state
 */
static inline void adopt(const struct settings *s, struct client *cl)
{
	struct tuple t = cl->e.conn.tuple;
	struct found n = {};
	u64 sk = cl->sk;
	int err;

	if (!unseen_wanted(s, &t, cl->e.conn.family) || !copy_entry(&t, &n))
		return;
	/* A pre-existing entry is kept after its end, so that its socket finds it. */
	if (!n.real.family || (n.gone_ns && n.made_ns) || !real_wanted(s, &n.real))
		return;
	set_taken(cl, &n);
	cl->e.conn.flags |= CONN_COUNTED;
	if (REPORT_COUNTS) {
		struct tuple key = t;

		key.netns = n.netns;
		if (!open_before.delete(&key))
			cl->e.conn.flags |= CONN_OPEN;
	}
	err = put_client(cl);
	if (!err)
		err = sockets.update(&sk, &cl->e);
	if (err) {
		count_failed(err, COUNT_SOCKETS_FULL);
		drop_client(&t, sk);
	}
}

/* @e: the socket's element in the map */
static inline void drop_socket(u64 sk, struct sock_entry *e)
{
	struct tuple t = e->conn.tuple;
	u8 flags = e->conn.flags, kept = e->kept;

	e->conn.state = TCP_CLOSE;
	sockets.delete(&sk);
	if (!REPORT_COUNTS && kept)
		paths.delete(&sk);
	if (flags & CONN_IPVS)
		drop_client(&t, sk);
}
