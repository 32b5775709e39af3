/* SPDX-License-Identifier: Apache-2.0 */
/* States of a TCP socket, as in include/net/tcp_states.h, and of a TCP connection in IPVS. For the probes and the tool. */
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

/* Not 0 if going to CLOSE from this state is an orderly end. */
static inline int is_orderly_end(unsigned char state)
{
	return state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT;
}

/* Not 0 if a program may still use the connection of a socket in this state, in one direction at least. If the program has closed
 * a socket, the kernel does not keep it in FIN_WAIT2 for long: tcp_rcv_state_process(), net/ipv4/tcp_input.c. */
static inline int is_in_use(unsigned char state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT || state == TCP_FIN_WAIT2;
}

enum ipvs_state {		/* IP_VS_TCP_S_NONE and others, include/net/ip_vs.h; the same from 3.10 to 7.x */
	IPVS_NONE,
	IPVS_ESTABLISHED,
	IPVS_SYN_SENT,
	IPVS_SYN_RECV,
	IPVS_FIN_WAIT,
	IPVS_TIME_WAIT,
	IPVS_CLOSE,
	IPVS_CLOSE_WAIT,
	IPVS_LAST_ACK,
	IPVS_LISTEN,
	IPVS_SYNACK,
	IPVS_STATES
};

#endif
