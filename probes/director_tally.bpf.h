/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only with --director: counts of forwarded connections, in tallies of their own. As for sockets, they count the rows that
 * would be shown. With -a the connections of this host's own sockets are left out: they are counted as sockets.
 */
#ifdef DIRECTOR

/* True if the connection's client is a socket that the programs count. @t: with IPVS's namespace */
static inline bool has_counted_socket(const struct tuple *t)
{
	struct tuple key = *t;

	if (open_before.lookup(&key) || find_client(&key))
		return true;
	key.netns = t->netns;
	return find_connecting(&key);
}

static inline void tally_forwarded_end(struct tally *t, const struct event *ev, enum forwarded_reason why)
{
	if (ev->oldstate != IPVS_SYN_RECV) {
		if (ev->newstate == IPVS_NONE ? ev->oldstate == IPVS_ESTABLISHED :
		    why == FORWARDED_SERVER_RESET && ev->oldstate != IPVS_TIME_WAIT && ev->oldstate != IPVS_LAST_ACK)
			RAISE(t->resets);
	} else if (why == FORWARDED_REFUSED) {
		RAISE(t->refused);
	} else if (why == FORWARDED_NO_ANSWER) {
		RAISE(t->timed_out);
	} else if (why == FORWARDED_CLIENT_RESET) {
		RAISE(t->aborted);
	} else if (ev->newstate == IPVS_NONE) {
		RAISE(t->failed);
	} else {	/* a FIN, and the ACK before it was lost */
		RAISE(t->established);
		RAISE(t->left);
	}
}

/* @e: what was known before the change; @kept: what is known now is in a map */
static inline void tally_forwarded(const struct settings *s, const struct event *ev, const struct passing *e, bool kept)
{
	bool again = ev->type == EVENT_FORWARDED_SYN;
	u64 why, span_us;
	struct tally *t;

	if (e->flags & PASSING_LOCAL)
		return;
	t = get_tally(&ev->conn, TALLY_IPVS);
	if (!t)
		return;
	if (again) {
		RAISE(t->syn_retransmits);
		return;
	}
	if (ev->newstate == IPVS_SYN_RECV || (ev->oldstate == IPVS_NONE && ev->newstate != IPVS_NONE))
		RAISE(t->connects);
	if (e->flags & PASSING_OPEN)
		RAISE(t->left);
	why = why_forwarded(&ev->conn, ev->oldstate);
	VERIFIER_JOIN(why, ev->ts_ns);
	if (ev->newstate == IPVS_ESTABLISHED) {
		RAISE(t->established);
		if (!kept)	/* its end will not be seen */
			RAISE(t->left);
		if (ev->conn.forwarded.connect_us)
			tally_connect_time(t, ev->conn.forwarded.connect_us);
	} else if (ev->newstate != IPVS_SYN_RECV) {
		tally_forwarded_end(t, ev, why);
	}
	if (!e->since_ns)
		return;
	span_us = elapsed(ev->ts_ns, e->since_ns) / 1000;
	if (ev->oldstate == IPVS_ESTABLISHED)
		tally_life_time(t, span_us);
	if (s->flags & SETTING_STATE_TIMES)
		raise_bucket(t->id, BUCKET_STATE + ev->oldstate, span_us);
}

static inline void tally_no_destination(const struct conn *c)
{
	struct tally *t = get_tally(c, TALLY_IPVS);

	if (!t)
		return;
	RAISE(t->connects);
	RAISE(t->no_destination);
}
#endif
