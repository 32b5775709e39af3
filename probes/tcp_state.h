/* SPDX-License-Identifier: Apache-2.0 */
/* States of a TCP socket, as in include/net/tcp_states.h. For the probes and the tool. */
#ifndef IPVS_TCPSTATE_TCP_STATE_H
#define IPVS_TCPSTATE_TCP_STATE_H

enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
};

#endif
