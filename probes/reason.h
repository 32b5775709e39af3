/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a socket became CLOSE, and why IPVS's entry changed. Only this file decides it, for rows
 * in the tool and for counters in the kernel. The tool takes the names of errors from <errno.h>,
 * the probes from the kernel's own header.
 */
#ifndef IPVS_TCPSTATE_REASON_H
#define IPVS_TCPSTATE_REASON_H

#include "tcp_state.h"

enum close_reason {
	CLOSE_ORDERLY,
	CLOSE_UNKNOWN,		/* sk_err was not read */
	CLOSE_NO_DESTINATION,
	CLOSE_NO_PORT,
	CLOSE_ABORTED,
	CLOSE_REFUSED,
	CLOSE_RESET,
	CLOSE_EXPIRED,		/* a reset or timeout after IPVS had ended its entry */
	CLOSE_TIMEOUT,
	CLOSE_UNREACHABLE,
	CLOSE_ERROR,
};

static inline enum close_reason why_closed(const struct conn *c, __u8 oldstate, __u8 err_known, __u32 err)
{
	if (c->flags & CONN_NO_DESTINATION && oldstate == TCP_SYN_SENT)
		return CLOSE_NO_DESTINATION;
	if (!err_known)
		return CLOSE_UNKNOWN;
	switch (err) {
	case 0:
		if (oldstate == TCP_SYN_SENT && !c->tuple.lport)
			return CLOSE_NO_PORT;
		return is_orderly_end(oldstate) ? CLOSE_ORDERLY : CLOSE_ABORTED;
	case ECONNREFUSED:
		return CLOSE_REFUSED;
	case ECONNRESET:
	case EPIPE:	/* a reset after the peer's FIN, tcp_reset() */
		return c->gone_at ? CLOSE_EXPIRED : CLOSE_RESET;
	case ETIMEDOUT:
		return c->gone_at ? CLOSE_EXPIRED : CLOSE_TIMEOUT;
	case ECONNABORTED:
		return CLOSE_ABORTED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case ENONET:
	case ENOPROTOOPT:	/* icmp_err_convert[], net/ipv4/icmp.c */
	case EACCES:
	case EPROTO:
		return CLOSE_UNREACHABLE;
	default:
		return CLOSE_ERROR;
	}
}

enum forwarded_reason {
	FORWARDED_NORMAL,
	FORWARDED_CLIENT_FIN,
	FORWARDED_SERVER_FIN,
	FORWARDED_CLIENT_RESET,
	FORWARDED_SERVER_RESET,
	FORWARDED_REFUSED,
	FORWARDED_NO_ANSWER,
	FORWARDED_NO_ACK,	/* the real server answered the SYN, and no ACK came from the client */
	FORWARDED_IDLE,
	FORWARDED_RESCHEDULED,
	FORWARDED_DEST_REMOVED,
};

/* True if a socket's end is a failure: all but CLOSE_ORDERLY. @err: 0 if it is not known; then the state decides */
static inline bool closed_badly(__u8 oldstate, __u32 err)
{
	return err || !is_orderly_end(oldstate);
}

/* True if a connect took @slow_ns, whatever became of it. */
static inline bool was_slow(__u8 oldstate, __u8 newstate, __u64 span_ns, __u64 slow_ns)
{
	return slow_ns && oldstate == TCP_SYN_SENT && newstate != TCP_SYN_SENT && span_ns >= slow_ns;
}

/* Why an entry ended in SYN_RECV. In direct routing the answers do not pass: one SYN and no more probably means that the
 * client got a reset. */
static inline enum forwarded_reason why_not_connected(const struct conn *c)
{
	if (c->forwarded.flags & FORWARDED_SYN_ACK)
		return FORWARDED_NO_ACK;
	return c->real.method == METHOD_MASQ || c->forwarded.packets > 1 ? FORWARDED_NO_ANSWER : FORWARDED_REFUSED;
}

/* True if it is an event of IPVS's entry, with --director. */
static inline bool is_forwarded(const struct event *ev)
{
	return ev->type >= EVENT_FORWARDED && ev->type <= EVENT_FORWARDED_REFUSED;
}

/* @c: of an event of IPVS; @oldstate: enum ipvs_state */
static inline enum forwarded_reason why_forwarded(const struct conn *c, __u8 oldstate)
{
	bool removed = c->forwarded.flags & FORWARDED_REMOVED;

	switch (c->forwarded.cause) {
	case CAUSE_CLIENT_FIN:
		return FORWARDED_CLIENT_FIN;
	case CAUSE_SERVER_FIN:
		return FORWARDED_SERVER_FIN;
	case CAUSE_CLIENT_RESET:
		return FORWARDED_CLIENT_RESET;
	case CAUSE_SERVER_RESET:
		return oldstate == IPVS_SYN_RECV ? FORWARDED_REFUSED : FORWARDED_SERVER_RESET;
	case CAUSE_THROWN_OUT:
		return FORWARDED_RESCHEDULED;
	case CAUSE_EXPIRED:
		if (oldstate == IPVS_SYN_RECV)
			return why_not_connected(c);
		if (oldstate == IPVS_ESTABLISHED)
			return removed ? FORWARDED_DEST_REMOVED : FORWARDED_IDLE;
		return FORWARDED_NORMAL;
	default:
		return removed ? FORWARDED_DEST_REMOVED : FORWARDED_NORMAL;
	}
}

/* True if it is a failure. None is what comes after both FINs, nor a packet of a connection whose real server gets no new ones. */
static inline bool forwarded_failed(const struct conn *c, __u8 oldstate)
{
	switch (why_forwarded(c, oldstate)) {
	case FORWARDED_NORMAL:
	case FORWARDED_CLIENT_FIN:
	case FORWARDED_SERVER_FIN:
		return false;
	case FORWARDED_CLIENT_RESET:
	case FORWARDED_SERVER_RESET:
		return oldstate != IPVS_TIME_WAIT && oldstate != IPVS_LAST_ACK;
	case FORWARDED_RESCHEDULED:
		return oldstate == IPVS_SYN_RECV || oldstate == IPVS_ESTABLISHED;
	case FORWARDED_DEST_REMOVED:
		return c->forwarded.cause == CAUSE_EXPIRED;
	default:
		return true;
	}
}

/* True if a forwarded connect took @slow_ns. It uses the time until the real server's SYN-ACK if that is known. */
static inline bool forwarded_slowly(const struct event *ev, __u64 slow_ns)
{
	__u64 span_ns = ev->span_ns;

	if (!slow_ns || ev->oldstate != IPVS_SYN_RECV || ev->newstate == IPVS_SYN_RECV)
		return false;
	if (ev->newstate == IPVS_ESTABLISHED && ev->conn.forwarded.connect_us)
		span_ns = ev->conn.forwarded.connect_us * 1000ULL;
	return span_ns >= slow_ns;
}

/* True if the row of @ev tells of a failure, with @failures, or of a connect that took @slow_ns, if that is not 0. */
static inline bool tells_trouble(const struct event *ev, bool failures, __u64 slow_ns)
{
	switch (ev->type) {
	case EVENT_STATE:
		if (was_slow(ev->oldstate, ev->newstate, ev->span_ns, slow_ns))
			return true;
		return failures && (ev->newstate == TCP_CLOSE ? closed_badly(ev->oldstate, ev->err) :
							       (ev->conn.flags & CONN_SYN_LOST) != 0);
	case EVENT_FORWARDED:
		return forwarded_slowly(ev, slow_ns) || (failures && forwarded_failed(&ev->conn, ev->oldstate));
	case EVENT_FORWARDED_NEW:
		return false;
	default:	/* a SYN that is sent again, another real server, no real server, no entry any more */
		return failures;
	}
}

#endif
