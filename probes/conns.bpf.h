/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps keyed by connection. IPVS may handle a connection in one network namespace (kube-proxy's) while the socket is in
 * another (a pod's), and neither side knows the other's namespace. The first connection therefore gets a key without a
 * namespace, which both sides can find. A second connection with the same addresses and ports, in another namespace, gets a key with
 * its own namespace. A find_*() function tries the key with the caller's namespace before the key without one.
 *
 * A function that takes "struct tuple *key" expects the caller's own namespace in it, and leaves in it the key of the
 * element that it found.
 */

/* Socket side. @c->netns is the socket's namespace. Returns false, and counts it, if there is no room. */
static inline bool track_connect(const struct tuple *t, struct connecting *c)
{
	struct tuple key = *t;
	struct connecting *other;
	int err;

	key.netns = 0;
	if (!connecting.insert(&key, c))
		return true;
	other = connecting.lookup(&key);
	if (other && other->netns != c->netns)
		key.netns = c->netns;
	err = connecting.update(&key, c);
	if (err)
		count_failed(err, COUNT_CONNECTING_FULL);
	return !err;
}

/* Socket side: looks up the connect of socket @sk. */
static inline struct connecting *own_connecting(struct tuple *key, u64 sk)
{
	u32 netns = key->netns;
	struct connecting *c;

	key->netns = 0;
	c = connecting.lookup(key);
	if (c) {
		VERIFIER_CHECKED(c);
		if (c->sk == sk)
			return c;
	}
	key->netns = netns;
	c = connecting.lookup(key);
	if (c) {
		VERIFIER_CHECKED(c);
		if (c->sk == sk)
			return c;
	}
	return 0;
}

/* IPVS side: looks up a connect by its addresses and ports. */
static inline struct connecting *find_connecting(struct tuple *key)
{
	struct connecting *c;

	if (key->netns) {
		c = connecting.lookup(key);
		if (c) {
			VERIFIER_CHECKED(c);
			if (c->sk)
				return c;
		}
		key->netns = 0;
	}
	c = connecting.lookup(key);
	if (!c)
		return 0;
	VERIFIER_CHECKED(c);
	return c->sk ? c : 0;
}

/* Both sides. The IPVS side calls it before it claims the connect. Returns 0 or a negative errno. */
static inline int put_client(struct client *cl)
{
	struct tuple key = cl->e.conn.tuple;
	struct client *other;

	key.netns = 0;
	if (!clients.insert(&key, cl))
		return 0;
	other = clients.lookup(&key);
	if (other && other->e.conn.tuple.netns != cl->e.conn.tuple.netns)
		key.netns = cl->e.conn.tuple.netns;
	return clients.update(&key, cl);
}

/* Socket side: looks up the client whose socket is @sk. */
static inline struct client *own_client(struct tuple *key, u64 sk)
{
	u32 netns = key->netns;
	struct client *cl;

	key->netns = 0;
	cl = clients.lookup(key);
	if (cl) {
		VERIFIER_CHECKED(cl);
		if (cl->sk == sk)
			return cl;
	}
	key->netns = netns;
	cl = clients.lookup(key);
	if (cl) {
		VERIFIER_CHECKED(cl);
		if (cl->sk == sk)
			return cl;
	}
	return 0;
}

/* IPVS side: looks up the client of a connection. */
static inline struct client *find_client(struct tuple *key)
{
	struct client *cl;

	if (key->netns) {
		cl = clients.lookup(key);
		if (cl) {
			VERIFIER_CHECKED(cl);
			if (cl->sk)
				return cl;
		}
		key->netns = 0;
	}
	cl = clients.lookup(key);
	if (!cl)
		return 0;
	VERIFIER_CHECKED(cl);
	return cl->sk ? cl : 0;
}

static inline void drop_client(const struct tuple *t, u64 sk)
{
	struct tuple key = *t;
	struct client *cl = own_client(&key, sk);

	if (!cl)
		return;
	VERIFIER_CHECKED(cl);
	cl->sk = 0;
	clients.delete(&key);
}

/* Socket side: looks up an entry. The caller copies what it needs and then compares "ports" with ENTRY_PORTS(), because
 * by then the element may belong to another connection. */
static inline struct conn_entry *find_entry(struct tuple *key)
{
	struct conn_entry *n;

	if (key->netns) {
		n = entries.lookup(key);
		if (n) {
			VERIFIER_CHECKED(n);
			return n;
		}
		key->netns = 0;
	}
	return entries.lookup(key);
}

/* IPVS side: looks up the entry of IPVS's own namespace, which is in the key. */
static inline struct conn_entry *own_entry(struct tuple *key)
{
	struct conn_entry *n = entries.lookup(key);
	u32 netns = key->netns;

	if (n) {
		VERIFIER_CHECKED(n);
		return n;
	}
	if (!netns)
		return 0;
	key->netns = 0;
	n = entries.lookup(key);
	if (n) {
		VERIFIER_CHECKED(n);
		if (n->netns == netns)
			return n;
	}
	key->netns = netns;
	return 0;
}

/* IPVS side. If the kernel refuses, see count_failed(), the element is overwritten: with @old's real server the socket would
 * have a wrong one. If it belongs to another connection by now, that one finds other ports in it, as if it were missing. */
static inline void replace_entry(struct tuple *key, struct conn_entry *old, struct conn_entry *fresh)
{
	u64 gone_ns = old->gone_ns;

	if (entries.update(key, fresh))
		*old = *fresh;
	if (gone_ns)
		count(COUNT_ENTRIES_MADE);
}

/* IPVS side: adds the entry of a new connection. It may replace the entry of one that is ending or has ended. */
static inline void put_entry(const struct tuple *t, struct conn_entry *fresh)
{
	struct tuple key = *t;
	struct conn_entry *old = own_entry(&key);
	int err;

	fresh->netns = t->netns;
	fresh->ports = ENTRY_PORTS(t);
	if (old) {
		VERIFIER_CHECKED(old);
		replace_entry(&key, old, fresh);
		return;
	}
	key.netns = 0;
	if (entries.insert(&key, fresh)) {
		key.netns = t->netns;
		err = entries.update(&key, fresh);
		if (err) {
			count_failed(err, COUNT_CONNECTING_FULL);
			return;
		}
	}
	count(COUNT_ENTRIES_MADE);
}
