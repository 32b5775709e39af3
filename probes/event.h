/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probes and the tool exchange: events through the perf buffer,
 * settings through an array map. Two compilers read this file, so it uses fixed
 * widths and explicit padding. It includes nothing: the tool includes
 * <linux/types.h> first, and libbcc gives the probes the same types.
 */
#ifndef IPVS_TCPSTATE_EVENT_H
#define IPVS_TCPSTATE_EVENT_H

/* With counters the programs' stack has no room for it, and no row is printed that could show it. */
#if defined(REPORT_COUNTS) && REPORT_COUNTS
#define EVENT_WITHOUT_CGROUP
#endif

/* The addresses and ports of a connection, as its client's socket has them. IPv4 addresses are
 * IPv4-mapped (::ffff:a.b.c.d), so an IPv4 connection of an IPv6 socket has the same key as in IPVS. */
struct tuple {
	__u32 laddr[4];		/* network byte order */
	__u32 raddr[4];		/* network byte order */
	__u16 lport;		/* host byte order, 0: not chosen yet */
	__u16 rport;		/* host byte order */
	__u32 netns;		/* inode number of the network namespace, 0: not known */
};

enum real_method {		/* IP_VS_CONN_F_FWD_MASK, include/uapi/linux/ip_vs.h */
	METHOD_MASQ = 0,
	METHOD_LOCAL = 1,
	METHOD_TUNNEL = 2,
	METHOD_ROUTE = 3,
	METHOD_BYPASS = 4,
	METHOD_UNKNOWN = 255,	/* this kernel's layout of struct ip_vs_dest is not known */
};

struct real {
	__u32 addr[4];		/* network byte order, IPv4 mapped as above */
	__u16 port;		/* host byte order */
	__u8 family;		/* AF_INET, AF_INET6; 0: no real server */
	__u8 method;		/* enum real_method */
};

struct owner {
	__u32 pid;		/* thread group */
	__u32 uid;
	char comm[16];		/* as the kernel has it: any bytes but NUL */
};

enum forwarded_cause {		/* what led to a row of --director */
	CAUSE_NONE,		/* a packet with neither FIN nor RST */
	CAUSE_CLIENT_FIN,
	CAUSE_SERVER_FIN,
	CAUSE_CLIENT_RESET,
	CAUSE_SERVER_RESET,
	CAUSE_EXPIRED,		/* the entry's timer */
	CAUSE_THROWN_OUT,	/* IPVS ended the entry at once */
};

enum forwarded_flags {
	FORWARDED_REMOVED = 1,	/* the real server is not in the service any more, or has weight 0 */
	FORWARDED_SYN_ACK = 2,	/* connect_us is the time to the real server's SYN-ACK, else to the client's ACK */
};

/* What a row of --director has in place of an owner. */
struct forwarded {
	__u32 packets;		/* from the client */
	__u32 expires_ms;	/* from the last packet until IPVS ends the entry; 0: not known, or it has ended */
	__u32 connect_us;	/* time from the SYN, see FORWARDED_SYN_ACK; 0: not known */
	__u8 cause;		/* enum forwarded_cause */
	__u8 flags;		/* enum forwarded_flags */
	__u8 pad[10];
};

enum conn_flags {
	CONN_OWNED = 1,		/* the owner is the process that called connect() or listen() */
	CONN_PENDING = 2,	/* the row CLOSE -> SYN_SENT is not reported yet */
	CONN_IPVS = 4,		/* IPVS handles it, and map "clients" has an element for it */
	CONN_NO_DESTINATION = 8, /* IPVS had no real server for it */
	CONN_SYN_LOST = 16,	/* IPVS handled it only at a later SYN; cleared when a row has reported that */
	CONN_SHOWN = 32,	/* with SETTING_WHOLE: it had trouble, and each of its rows is sent at once */
	CONN_COUNTED = 64,	/* its connect is counted in map "tallies", or was before the start */
	CONN_OPEN = 128,	/* counted as open */
};

struct conn {
	struct tuple tuple;
	struct real real;
	union {
		struct owner owner;
		struct forwarded forwarded;	/* in an event of IPVS, see EVENT_FORWARDED */
	};
	__u8 family;		/* of the socket: AF_INET, AF_INET6 */
	__u8 flags;		/* enum conn_flags */
	__u8 state;		/* the last state seen */
	__u8 pad;
	__u32 entry_at;		/* when IPVS created its entry, ENTRY_TIME(); 0: not known */
	__u32 gone_at;		/* when IPVS ended its entry, ENTRY_TIME(); 0: not ended */
};

/* CLOCK_MONOTONIC in units of 2^20 ns, about 1 ms: differences are right up to 52 days. */
#define ENTRY_TIME(ns) ((__u32)((ns) >> 20) | 1)

enum event_type {
	EVENT_STATE = 1,
	EVENT_RETRANSMIT = 2,
	EVENT_MOVED = 3,	/* another real server took over */
	/* Only with --director: events of IPVS's entry. Their states are enum ipvs_state, and skaddr is the entry's address. */
	EVENT_FORWARDED,	/* a new state; IPVS_NONE: the entry has ended */
	EVENT_FORWARDED_SYN,	/* the client sent its SYN again */
	EVENT_FORWARDED_NEW,	/* a new entry; its address is not known yet */
	EVENT_FORWARDED_REFUSED, /* there is no real server, and no entry */
	EVENT_IDLE_EXPIRED,	/* IPVS's entry timed out while the socket was open; span_ns: for how long no packet had passed */
	/* Only with --server: a connection that has no socket yet, or never gets one. The local address is the server's. */
	EVENT_SERVER_SYN_ACK,	/* the SYN-ACK is sent again; skaddr is the request's address */
	EVENT_SERVER_NO_LISTENER, /* a reset answers the SYN; skaddr is 0 */
	EVENT_SERVER_QUEUE_FULL, /* the accept queue is full: in SYN_RECV an ACK is dropped, in LISTEN (skaddr is the listener) a SYN */
	EVENT_TYPES
};

struct event {
	__u64 ts_ns;		/* time since boot, CLOCK_MONOTONIC */
	__u64 skaddr;
	__u64 span_ns;		/* time in the old state; of a retransmit: time since the state began */
	__u8 type;		/* enum event_type */
	__u8 oldstate;		/* enum tcp_state; enum ipvs_state */
	__u8 newstate;
	__u8 err_known;		/* 1: err was read */
	__u32 err;		/* sk_err when the state became CLOSE; 0: none */
	struct conn conn;
#ifndef EVENT_WITHOUT_CGROUP
	__u32 cgroup;		/* the owner's control group: lower half of its ID in the v2 hierarchy; 0: not known */
	__u32 pad;
#endif
};

/* Size of an event without control group: of programs that also count, and in older recordings. */
#define EVENT_SIZE_OLD 128

enum setting_flags {
	SETTING_ALL = 1,	/* also sockets that IPVS does not handle */
	SETTING_IPV4 = 2,	/* only these families */
	SETTING_IPV6 = 4,
	SETTING_LPORTS = 8,	/* only the ports in map "ports" */
	SETTING_RPORTS = 16,
	SETTING_RETRANSMITS = 32, /* retransmits in every state, not only in SYN_SENT */
	SETTING_CONNECT = 64,	/* tcp_connect() is probed: the row to SYN_SENT waits for that probe */
	SETTING_PID = 128,	/* only sockets that process "pid" opened */
	SETTING_VIPS = 256,	/* only the addresses in map "addresses" */
	SETTING_REALS = 512,
	SETTING_STATE_TIMES = 1024, /* also count the time in each state */
	SETTING_IPVS = 2048,	/* ip_vs_conn_new() is probed: the first row of a connect waits for IPVS */
	SETTING_ENDS = 4096,	/* of IPVS's entries only begin and end */
	SETTING_CGROUPS = 8192,	/* rows tell the owner's control group */
	SETTING_NETNS = 16384,	/* only sockets in network namespace "netns"; entries of IPVS there */
	SETTING_TROUBLE = 32768,	/* only rows that tell of trouble: a failure, or a connect that took "slow_ms" */
	SETTING_FAILURES = 65536,	/* failures are trouble */
	SETTING_WHOLE = 131072,	/* also all other rows of a connection that has trouble */
};

#define SETTING_FILTERS (SETTING_IPV4 | SETTING_IPV6 | SETTING_LPORTS | SETTING_RPORTS | SETTING_PID | SETTING_VIPS | \
			 SETTING_NETNS)

/* Before 4.4 IPVS's structures point to the network namespace itself, not to a struct netns_ipvs, which points to it. */
#define NET_ITSELF 0xffff

/* Offsets are in bytes, those of the running kernel; 0: not known. */
struct settings {
	__u32 flags;		/* enum setting_flags; first: before 4.9 the verifier forgets a map value once added to */
	__u32 pid;		/* thread group */
	__u64 adopt;		/* PORT_BIT() of each service that may have pre-existing sockets, not tracked yet */
	__u32 own_netns;	/* the tool's network namespace: COUNT_IPVS_CONNS counts only there; 0: it counts nothing */
	__u32 netns;		/* inode number */
	__u32 pidns;		/* the namespace in which "pid" is a number, inode number; 0: the host's */
	__u32 pidns_dev;
	__u32 slow_ms;		/* a connect that takes as long is trouble; 0: none is */
	__u16 sk_err;		/* struct sock */
	__u16 skc_net;		/* struct sock_common */
	__u16 skc_v6_daddr;
	__u16 skc_v6_rcv_saddr;
	__u16 net_inum;		/* struct net */
	__u16 sk_protocol;	/* struct sock */
	__u16 inet_sport;	/* struct inet_sock */
	__u16 inet_saddr;
	__u16 ipvs_net;		/* struct netns_ipvs; or NET_ITSELF */
	__u16 dest_conn_flags;	/* struct ip_vs_dest */
	__u16 skb_data;		/* struct sk_buff */
	__u16 svc_af;		/* struct ip_vs_service */
	__u16 svc_ipvs;
	__u16 cp_rcu_head;	/* struct ip_vs_conn */
	__u16 cp_ipvs;
	__u16 cp_protocol;
	__u16 cp_caddr;
	__u16 cp_vaddr;
	__u16 cp_daddr;
	__u16 cp_cport;
	__u16 cp_vport;
	__u16 cp_dport;
	__u16 cp_timer;		/* if ip_vs_conn_expire() gets the timer; 0: it gets the connection */
	__u16 cp_timeout;
	__u16 cp_state;
	__u16 cp_flags;
	__u16 cp_dest;
	__u16 cp_in_pkts;
	__u16 dest_flags;	/* struct ip_vs_dest */
	__u16 dest_weight;
	__u16 pd_state_table;	/* struct ip_vs_proto_data */
	__u16 pd_timeouts;
	__u16 iph_len;		/* struct ip_vs_iphdr */
	__u16 skb_len;		/* struct sk_buff; data_len follows it */
	__u16 timer_expires;	/* struct timer_list */
	__u16 skb_head;		/* struct sk_buff */
	__u16 skb_ip;
	__u16 skb_dev;
	__u16 dev_nd_net;		/* struct net_device */
	__u16 sk_ack_backlog;	/* struct sock */
	__u16 sk_max_ack_backlog;
	__u8 protocol_size;	/* size of sk_protocol in bytes: 1 before 5.6, else 2 */
	__u8 transition_args;	/* number of arguments of tcp_state_transition(); 5: the last is the IP header's length */
};

/* A key of map "addresses". */
struct address {
	__u32 addr[4];		/* network byte order, IPv4 mapped */
	__u16 port;		/* host byte order; 0: every port */
	__u16 side;		/* enum address_side */
};

enum address_side { ADDRESS_VIP = 1, ADDRESS_REAL = 2 };

/* A value of map "entries": IPVS's entry for a connection. Times are CLOCK_MONOTONIC. */
struct conn_entry {
	__u64 made_ns;		/* when IPVS created it; 0: before the start */
	__u64 expiring_ns;	/* when IPVS began to end it; 0: IPVS has not */
	__u64 gone_ns;		/* when IPVS ended it; 0: IPVS has not */
	struct real real;	/* family 0: IPVS had no real server */
	__u32 netns;		/* IPVS's network namespace, inode number */
	__u32 ports;		/* ENTRY_PORTS() of its key: shows if another connection got the element meanwhile */
	__u32 idle_ms;		/* if it timed out: for how long no packet had passed; else 0 */
};

#define ENTRY_PORTS(tuple) ((__u32)(tuple)->lport << 16 | (tuple)->rport)

/* A key of map "services". */
struct service {
	__u32 addr[4];		/* network byte order, IPv4 mapped */
	__u32 port;		/* host byte order */
};

enum tally_source {
	TALLY_SOCKETS,		/* sockets of this host */
	TALLY_IPVS,		/* IPVS's entries, with --director */
	TALLY_SERVER,		/* with --server, connections without a socket; the virtual service is the local end */
};

/* A key of map "tallies": a virtual service and a real server. */
struct tally_key {
	__u32 vip[4];		/* network byte order, IPv4 mapped */
	__u32 real[4];
	__u16 vport;		/* host byte order */
	__u16 rport;
	__u8 family;		/* of the real server; 0: none */
	__u8 source;		/* enum tally_source */
	__u16 round;		/* COUNT_ROUND when it was made */
};

/* Counts of one round; times in microseconds. */
struct tally {
	__u64 id;		/* in the keys of its buckets */
	__u64 connects;
	__u64 established;
	__u64 refused;		/* from here to "failed": why connects failed */
	__u64 timed_out;
	__u64 unreachable;
	__u64 aborted;
	__u64 no_destination;
	__u64 failed;
	__u64 syn_retransmits;
	__u64 resets;		/* after the handshake */
	__u64 left;		/* connections no longer open, older ones too; modulo 2^64 */
	__u64 connect_sum_us;
	__u64 connect_max_us;
	__u64 life_sum_us;
	__u64 life_max_us;
};

enum bucket_kind {
	BUCKET_CONNECT,
	BUCKET_LIFE,
	BUCKET_STATE = 16,	/* plus the number of the old state: enum tcp_state; enum ipvs_state */
};

#define STATES 16		/* the numbers of states are below this */

/* A key of map "buckets"; the values are counts. */
struct bucket_key {
	__u64 id;		/* struct tally */
	__u32 kind;		/* enum bucket_kind; BUCKET_STATE plus a state's number */
	__u32 bucket;		/* log-linear: 8 for each power of two of microseconds */
};

#define BUCKETS 320

#define PORT_BIT(port) (1ULL << ((port) & 63))

/* A key of map "ports" is the port, with this bit for a remote port. */
#define PORT_REMOTE 0x10000

/* A connect that was given up is of use for this long: its SYN may wait for another CPU, which may stand still for seconds,
 * as in a virtual machine that is paused. */
#define CLOSED_NS 30000000000ULL

/* Slots of map "counts". They only grow, except COUNT_NESTED and COUNT_ROUND. */
enum count_slot {
	COUNT_LOST,		/* perf buffer full */
	COUNT_NESTED,		/* state changes that only the second program saw */
	COUNT_GAPS,		/* a socket's old state is not the last one seen, or its connect was not seen */
	COUNT_UNCERTAIN,	/* connects that closed before it was known whether IPVS used an existing entry */
	COUNT_SETTLED,		/* those of them for which IPVS created an entry within CLOSED_NS */
	COUNT_BUSY,		/* a map could not be changed, see count_failed() */
	COUNT_SOCKETS_FULL,	/* map "sockets" or "clients" full: socket not tracked */
	COUNT_CONNECTING_FULL,	/* map "connecting", "entries" or "closed" full: real server may be missing */
	COUNT_TALLIES_FULL,	/* map "tallies" full: connection not counted */
	COUNT_BUCKETS_FULL,	/* map "buckets" full: time not counted */
	COUNT_TALLIES_MADE,	/* elements added to map "tallies" */
	COUNT_BUCKETS_MADE,	/* elements added to map "buckets" */
	COUNT_ROUND,		/* no count: the round that the programs count in; only the tool changes it */
	COUNT_IPVS_CONNS,		/* new connections of every protocol, as IPVS itself counts them */
	COUNT_ENTRIES_MADE,	/* elements added to map "entries" */
	COUNT_ENTRIES_ENDED,	/* elements of it whose connection IPVS has ended */
	COUNT_FORWARDED_GAPS,	/* the old state of IPVS's entry is not the last one seen */
	COUNT_SYNCED,		/* entries that came from another director */
	COUNT_SLOTS
};

/* Map "runs": how often each program on a kprobe ran, by CPU and slot. */
enum run_slot {
	RUN_STATE,
	RUN_RETRANSMIT,
	RUN_ERROR,
	RUN_CONNECT,
	RUN_IPVS,
	RUN_CLIENT_PORT,
	RUN_NO_DESTINATION,
	RUN_EXPIRE,
	RUN_EXPIRE_NOW,
	RUN_FREE,
	RUN_FORWARD,
	RUN_FORWARD_NEW,
	RUN_FORWARD_REFUSED,
	RUN_FORWARD_EXPIRE,
	RUN_FORWARD_EXPIRE_NOW,
	RUN_FORWARD_FREE,
	RUN_SYN_ACK,
	RUN_RESET,
	RUN_RESET_V6,
	RUN_ACCEPT_SYN,
	RUN_ACCEPT_ACK,
	RUN_ACCEPT_ACK_V6,
	RUN_SLOTS = 32		/* so many that each CPU's slots have cache lines of their own */
};

_Static_assert(sizeof(struct tuple) == 40, "struct tuple has a hole");
_Static_assert(sizeof(struct real) == 20, "struct real has a hole");
_Static_assert(sizeof(struct forwarded) == sizeof(struct owner), "they share their place");
_Static_assert(sizeof(struct conn) == 96, "struct conn has a hole");
#ifdef EVENT_WITHOUT_CGROUP
_Static_assert(sizeof(struct event) == EVENT_SIZE_OLD, "struct event has a hole");
#else
_Static_assert(sizeof(struct event) == 136, "struct event has a hole");
#endif
_Static_assert(sizeof(struct settings) == 120, "struct settings has a hole");
_Static_assert(sizeof(struct conn_entry) == 56, "struct conn_entry has a hole");
_Static_assert(sizeof(struct service) == 20, "struct service has a hole");
_Static_assert(sizeof(struct tally_key) == 40, "struct tally_key has a hole");
_Static_assert(sizeof(struct tally) == 128, "struct tally has a hole");
_Static_assert(sizeof(struct bucket_key) == 16, "struct bucket_key has a hole");
_Static_assert(sizeof(struct address) == 20, "struct address has a hole");

#endif
