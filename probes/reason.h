/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a socket became CLOSE. Only this file decides it, for rows in the tool and
 * for counters in the kernel. The tool takes the names of errors from <errno.h>,
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
		if (oldstate == TCP_ESTABLISHED || oldstate == TCP_SYN_SENT ||
		    oldstate == TCP_SYN_RECV || oldstate == TCP_CLOSE_WAIT)
			return CLOSE_ABORTED;
		return CLOSE_ORDERLY;
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

#endif
