/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports what the probes saw: as an event for the tool (REPORT_ROWS), in counters (REPORT_COUNTS), or both.
 */
static inline void send_event(void *ctx, struct event *ev)
{
	/* If the opener is not known: the process that runs on this CPU, as tcpstates shows it. */
	if (!(ev->conn.flags & CONN_OWNED))
		set_owner(&ev->conn.owner);
	if (events.perf_submit(ctx, ev, sizeof(*ev)))
		count(COUNT_LOST);
}

/* @err: sk_err when the socket became CLOSE; ERROR_UNKNOWN: not known, or it is another event */
static inline void emit_event(void *ctx, const struct sock_entry *e, u64 sk, u8 type, u8 oldstate, u8 newstate,
			      u64 ts_ns, u64 since_ns, u32 err)
{
	struct event ev = {
		.ts_ns = ts_ns,
		.skaddr = sk,
		.span_ns = since_ns ? elapsed(ts_ns, since_ns) : 0,
		.type = type,
		.oldstate = oldstate,
		.newstate = newstate,
		.conn = e->conn,
	};

#ifndef EVENT_WITHOUT_CGROUP
	ev.cgroup = e->cgroup;
#endif
	if (err != ERROR_UNKNOWN) {
		ev.err = err;
		ev.err_known = 1;
	}
	send_event(ctx, &ev);
}

/* Only rows can be held back; counters count everything. Before 4.17 the tool chooses among all rows: there the verifier takes
 * only smaller programs. */
#ifdef RAW_TRACEPOINTS
#define HOLDS_BACK(s) (!REPORT_COUNTS && (s)->flags & SETTING_TROUBLE)
#else
#define HOLDS_BACK(s) ((void)(s), false)
#endif

/* Keeps the row that began the socket's state, as another one follows. Returns false if there is no room. */
static inline bool keep_row(struct sock_entry *e, u64 sk)
{
	struct path first = {}, *p;

	if (!e->before)
		return true;
	if (!e->kept) {
		first.at_ns[0] = e->since_ns;
		first.oldstates = e->before;
		if (paths.update(&sk, &first))
			return false;
	} else {
		p = paths.lookup(&sk);
		if (!p)
			return false;
		VERIFIER_CHECKED(p);
		p->at_ns[3] = p->at_ns[2];
		p->at_ns[2] = p->at_ns[1];
		p->at_ns[1] = p->at_ns[0];
		p->at_ns[0] = e->since_ns;
		p->oldstates = p->oldstates << 8 | e->before;
	}
	e->kept++;
	return true;
}

/* Sends the rows that were kept, the oldest first, and the one that began the state. */
static inline void send_kept(void *ctx, const struct sock_entry *e, u64 sk)
{
	struct event ev = { .skaddr = sk, .type = EVENT_STATE, .newstate = e->before, .conn = e->conn };
	struct path *p = paths.lookup(&sk), path = {};
	u8 kept = e->kept;

	if (!e->before)
		return;
	ev.conn.flags &= ~CONN_SYN_LOST;
	if (!(ev.conn.flags & CONN_OWNED))
		set_owner(&ev.conn.owner);
	if (p && kept) {
		VERIFIER_CHECKED(p);
		path = *p;
	} else {
		kept = 0;
	}
#pragma unroll
	for (int i = 3; i >= 0; i--) {
		if (i >= kept)
			continue;
		if (ev.ts_ns)
			ev.span_ns = elapsed(path.at_ns[i], ev.ts_ns);
		ev.ts_ns = path.at_ns[i];
		ev.oldstate = path.oldstates >> (8 * i);
		ev.newstate = i ? path.oldstates >> (8 * i - 8) : e->before;
		if (events.perf_submit(ctx, &ev, sizeof(ev)))
			count(COUNT_LOST);
	}
	if (ev.ts_ns)
		ev.span_ns = elapsed(e->since_ns, ev.ts_ns);
	ev.ts_ns = e->since_ns;
	ev.oldstate = e->before;
	ev.newstate = e->conn.state;
	if (events.perf_submit(ctx, &ev, sizeof(ev)))
		count(COUNT_LOST);
}

/* Socket side, with SETTING_TROUBLE: returns true if a row is to be sent, after the rows before it.
 * @trouble: it tells of trouble; @last: it is not kept, if it does not */
static inline bool sends_row(void *ctx, const struct settings *s, struct sock_entry *e, u64 sk, bool trouble, bool last)
{
	if (!(s->flags & SETTING_WHOLE))
		return trouble;
	if (e->conn.flags & CONN_SHOWN)
		return true;
	if (!trouble && (last || keep_row(e, sk)))
		return false;
	send_kept(ctx, e, sk);
	e->conn.flags |= CONN_SHOWN;
	return true;
}

/* True if a change of state tells of trouble. It decides as tells_trouble() in reason.h does. */
static inline bool is_trouble(const struct settings *s, const struct sock_entry *e, u8 oldstate, u8 newstate, u64 now, u32 err)
{
	u64 span_ns = e->since_ns ? elapsed(now, e->since_ns) : 0;

	if (was_slow(oldstate, newstate, span_ns, s->slow_ms * 1000000ULL))
		return true;
	if (!(s->flags & SETTING_FAILURES))
		return false;
	if (newstate != TCP_CLOSE)
		return e->conn.flags & CONN_SYN_LOST;
	return closed_badly(oldstate, err == ERROR_UNKNOWN ? 0 : err);
}

/* Socket side: returns true if a change of state is to be reported now. */
static inline bool sends_change(void *ctx, const struct settings *s, struct sock_entry *e, u64 sk, u8 oldstate, u8 newstate,
				u64 now, u32 err)
{
	return !HOLDS_BACK(s) ||
	       sends_row(ctx, s, e, sk, is_trouble(s, e, oldstate, newstate, now, err), newstate == TCP_CLOSE);
}

static inline void report_change(void *ctx, const struct settings *s, struct sock_entry *e, u64 sk, u8 oldstate,
				 u8 newstate, u64 now, u32 err)
{
	if (REPORT_COUNTS)
		tally_change(s, e, oldstate, newstate, now, err);
	if (REPORT_ROWS)
		emit_event(ctx, e, sk, EVENT_STATE, oldstate, newstate, now, e->since_ns, err);
}

static inline void report_retransmit(void *ctx, const struct sock_entry *e, u64 sk, u8 state, u64 now)
{
	if (REPORT_COUNTS && state == TCP_SYN_SENT)
		tally_retransmit(&e->conn);
	if (REPORT_ROWS)
		emit_event(ctx, e, sk, EVENT_RETRANSMIT, state, state, now, e->since_ns, ERROR_UNKNOWN);
}

/* Reports the row CLOSE -> SYN_SENT, which was held back until port and real server are known. */
static inline void report_syn_sent(void *ctx, const struct settings *s, struct sock_entry *e, u64 sk)
{
	e->conn.flags &= ~CONN_PENDING;
	if (REPORT_COUNTS)
		tally_connect(&e->conn);
	if (HOLDS_BACK(s) && s->flags & SETTING_FAILURES && e->conn.flags & CONN_SYN_LOST)
		e->conn.flags |= CONN_SHOWN;
	if (REPORT_ROWS && (!HOLDS_BACK(s) || e->conn.flags & CONN_SHOWN))
		emit_event(ctx, e, sk, EVENT_STATE, TCP_CLOSE, TCP_SYN_SENT, e->since_ns, 0, ERROR_UNKNOWN);
}
