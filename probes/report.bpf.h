/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports what the probes saw: as an event for the tool (REPORT_ROWS), in counters (REPORT_COUNTS), or both.
 */
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
	/* If the opener is not known: the process that runs on this CPU, as tcpstates shows it. */
	if (!(ev.conn.flags & CONN_OWNED))
		set_owner(&ev.conn.owner);
	if (events.perf_submit(ctx, &ev, sizeof(ev)))
		count(COUNT_LOST);
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
static inline void report_syn_sent(void *ctx, struct sock_entry *e, u64 sk)
{
	e->conn.flags &= ~CONN_PENDING;
	if (REPORT_COUNTS)
		tally_connect(&e->conn);
	if (REPORT_ROWS)
		emit_event(ctx, e, sk, EVENT_STATE, TCP_CLOSE, TCP_SYN_SENT, e->since_ns, 0, ERROR_UNKNOWN);
}
