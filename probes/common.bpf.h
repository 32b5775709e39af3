/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constants, maps and readers of all probes. No kernel header but the register names and error numbers: a text that
 * includes net/ takes five times as long to compile, and does not compile at all on many hosts.
 *
 * From the tool, by -D:
 *   TELL_ROWS, TELL_COUNTS  1 or 0: send events for rows; count in maps
 *   READ_KERNEL       number of the helper that reads kernel memory: 113, or 4 (bpf_probe_read) before 5.5
 *   LRU_MAPS          this kernel has maps that drop their oldest elements: from 4.10
 *   RAW_TRACEPOINTS   this kernel has them: from 4.17
 *   SECOND_PROGRAM    a second program stands behind the one for state changes, see state.bpf.c
 *   NAMED_KPROBES     kprobes are lines of kprobe_events, whose profile counts their hits
 *   STATE_*, RETRANSMIT_*  offsets of tracepoint fields on this kernel
 *   WITHOUT_*         a program that this host will not use: each of the larger ones takes half a second to compile
 */
#include <uapi/linux/errno.h>
#include <uapi/linux/ptrace.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) __builtin_bswap16(x)
#define MAPPED 0xffff0000	/* third word of an IPv4-mapped address */
#else
#define BE16(x) (x)
#define MAPPED 0x0000ffff
#endif

#ifdef LRU_MAPS
#define OLDEST_GO "lru_hash"
#else
#define OLDEST_GO "hash"
#endif

/* A field of the tracepoint whose arguments start at ctx. */
#define FIELD(type, offset) (*(type *)((char *)ctx + (offset)))

/* Before 4.10 the verifier learns that a map's value is there only of the register that was compared, not of copies
 * that the compiler made before. */
#define VERIFIER_CHECKED(pointer) asm volatile("" : "+r"(pointer))

static long (*read_kernel)(void *dst, u32 size, const void *src) = (void *)READ_KERNEL;

/* A socket that is shown or counted. */
struct sock_entry {
	struct conn conn;	/* first: before 4.9 the verifier forgets a map value once added to */
	u64 since_ns;		/* start of the present state */
	u64 established_ns;	/* 0: not seen */
	u32 err;		/* the last sk_err that the socket's owner was told of */
	u32 connected;		/* tcp_connect() was seen: the addresses and ports are final */
};

/* A connect under way. */
struct connecting {
	u64 sk;			/* struct sock */
	u64 since_ns;
	struct owner owner;
	u32 netns;		/* of the socket, inode number */
	u32 err;		/* as in struct sock_entry */
	u32 retransmits;	/* of its SYN, before IPVS was seen to take it */
	u8 family;
	u8 pad[3];
};

/* A connect that has left "connecting": in "clients" because IPVS took it, in "closed" because it was given up before
 * that, while its SYN may still be on its way to IPVS. One struct for both, as the stack of a program is small. */
struct client {
	struct sock_entry e;	/* as the connection began */
	u64 sk;			/* struct sock */
	u64 closed_ns;		/* when it was given up */
	u32 retransmits;	/* as in struct connecting */
	u32 uncertain;		/* 1: it is in COUNT_UNCERTAIN */
};

BPF_TABLE("array", int, struct settings, settings, 1);
BPF_TABLE("array", int, u64, counts, COUNT_SLOTS);
BPF_TABLE("hash", u32, u8, ports, 1024);
BPF_TABLE("hash", struct address, u8, addresses, 1024);

/*
 * How a socket finds its real server. Each map is written from one side: "entries" from IPVS's, the others from the
 * socket's, where the kernel holds the socket. The one exception is a claim: who removes the element of "connecting",
 * IPVS's side or the socket's, reports the first row, and only that one; see join.bpf.h and ipvs.bpf.c.
 * The tool sizes them by --max-conns.
 */

/* IPVS's own table: from a connection's addresses and ports to its real server. Full: the oldest elements go, or
 * before 4.10 new ones find no room, and the connects that need them are counted. */
BPF_TABLE(OLDEST_GO, struct tuple, struct conn_entry, entries, 65536);
/* Connects under way, until the handshake ends or IPVS takes them. Full: the connect is not shown, and counted. */
BPF_TABLE("hash", struct tuple, struct connecting, connecting, 65536);
/* Clients of connections that IPVS handles, until their socket is closed. Full: as "sockets". */
BPF_TABLE("hash", struct tuple, struct client, clients, 65536);
/* struct ip_vs_conn that are on their way out -> since when: an entry that is newer is not theirs. Full: the oldest go. */
BPF_TABLE(OLDEST_GO, u64, u64, ending, 16384);
/* Connects that were given up early. They matter for a second. Full: the oldest go, or before 4.10 it is counted. */
BPF_TABLE(OLDEST_GO, struct tuple, struct client, closed, 16384);
/* Sockets that are shown, from their first event to CLOSE. Full: the socket is not tracked, and counted. */
BPF_TABLE("hash", u64, struct sock_entry, sockets, 65536);
/* Virtual services that IPVS was seen to serve: only with -a. Full: a first row may come without its real server. */
BPF_TABLE(OLDEST_GO, struct service, u8, services, 4096);
/* Connections of before the start that the tool has counted as open; the tool fills and sizes it. */
BPF_TABLE("hash", struct tuple, u8, open_before, 1);
/* The connect() that each thread is in: only with -a. Full: a row comes with its socket's next event. */
BPF_TABLE("hash", u64, u64, connects, 8192);
/* Counters, where TELL_COUNTS; the tool sizes both. Full: the connection, or its time, is not counted, and that is. */
BPF_TABLE("hash", struct tally_key, struct tally, tallies, 1);
BPF_TABLE("hash", struct bucket_key, u64, buckets, 1);
BPF_PERF_OUTPUT(events);

static inline struct settings *get_settings(void)
{
	int zero = 0;

	return settings.lookup(&zero);
}

static inline void count_by(int slot, u64 n)
{
	u64 *counter = counts.lookup(&slot);

	if (counter)
		__sync_fetch_and_add(counter, n);
}

static inline void count(int slot)
{
	count_by(slot, 1);
}

static inline u64 counted(int slot)
{
	u64 *counter = counts.lookup(&slot);

	return counter ? *counter : 0;
}

#ifdef NAMED_KPROBES
/* The profile counts a kprobe's hits; the difference is what the kernel skipped its program for. Each CPU has slots of
 * its own, and no program on a kprobe interrupts another one there. The tool sizes the map. */
BPF_TABLE("array", int, u64, runs, RUN_SLOTS);

static inline void ran(int slot)
{
	int index = bpf_get_smp_processor_id() * RUN_SLOTS + slot;
	u64 *n = runs.lookup(&index);

	if (n)
		*n += 1;
}
#else
#define ran(slot) do { } while (0)
#endif

/* Clocks of two CPUs may differ by a little. */
static inline u64 elapsed(u64 now_ns, u64 since_ns)
{
	return now_ns > since_ns ? now_ns - since_ns : 0;
}

static inline void set_ipv4(u32 addr[4], u32 ipv4)
{
	addr[0] = 0;
	addr[1] = 0;
	addr[2] = MAPPED;
	addr[3] = ipv4;
}

/* The first 20 bytes of struct sock_common have not moved since 3.x. */
struct common {
	u32 daddr, rcv_saddr, hash;
	u16 dport, num;
	u16 family;
	u8 state, flags;
};

static inline void read_common(u64 sk, struct common *skc)
{
	read_kernel(skc, sizeof(*skc), (void *)sk);
}

static inline u32 net_inum(const struct settings *s, u64 net)
{
	u32 inum = 0;

	if (net && s->net_inum)
		read_kernel(&inum, sizeof(inum), (void *)(net + s->net_inum));
	return inum;
}

static inline u32 sock_netns(const struct settings *s, u64 sk)
{
	u64 net = 0;

	if (s->skc_net)
		read_kernel(&net, sizeof(net), (void *)(sk + s->skc_net));
	return net_inum(s, net);
}

/* Addresses and ports of a socket. IPv6 addresses have moved: where they are not known @t keeps those it has. */
static inline void read_tuple(const struct settings *s, u64 sk, const struct common *skc, struct tuple *t)
{
	t->lport = skc->num;
	t->rport = BE16(skc->dport);
	if (skc->family != AF_INET6) {
		set_ipv4(t->laddr, skc->rcv_saddr);
		set_ipv4(t->raddr, skc->daddr);
	} else if (s->skc_v6_daddr && s->skc_v6_rcv_saddr) {
		read_kernel(t->laddr, 16, (void *)(sk + s->skc_v6_rcv_saddr));
		read_kernel(t->raddr, 16, (void *)(sk + s->skc_v6_daddr));
	}
}

static inline bool family_wanted(const struct settings *s, u16 family)
{
	if (s->flags & SETTING_IPV4)
		return family == AF_INET;
	if (s->flags & SETTING_IPV6)
		return family == AF_INET6;
	return true;
}

static inline bool ports_wanted(const struct settings *s, u16 lport, u16 rport)
{
	u32 local = lport, remote = rport | PORT_REMOTE;

	if (s->flags & SETTING_LPORTS && !ports.lookup(&local))
		return false;
	return !(s->flags & SETTING_RPORTS) || ports.lookup(&remote);
}

/* Whether the filter has this address with this port, or with every port. */
static inline bool address_wanted(const u32 addr[4], u16 port, u16 side)
{
	struct address key = { .port = port, .side = side };

	key.addr[0] = addr[0];
	key.addr[1] = addr[1];
	key.addr[2] = addr[2];
	key.addr[3] = addr[3];
	if (addresses.lookup(&key))
		return true;
	key.port = 0;
	return addresses.lookup(&key);
}

static inline bool vip_wanted(const struct settings *s, const struct tuple *t)
{
	return !(s->flags & SETTING_VIPS) || address_wanted(t->raddr, t->rport, ADDRESS_VIP);
}

static inline bool real_wanted(const struct settings *s, const struct real *real)
{
	return !(s->flags & SETTING_REALS) || address_wanted(real->addr, real->port, ADDRESS_REAL);
}

static inline void set_owner(struct owner *o)
{
	o->pid = bpf_get_current_pid_tgid() >> 32;
	o->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(o->comm, sizeof(o->comm));
}

/* True if going to CLOSE from this state is an orderly end. */
static inline bool is_orderly_end(u8 state)
{
	return state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_ESTABLISHED &&
	       state != TCP_CLOSE_WAIT;
}

#define ERROR_UNKNOWN 0xffffffffU

/* The error that ended a socket: sk_err is set before the state becomes CLOSE. The owner may have fetched it by SO_ERROR
 * before, which clears it: then the one that was reported to it. 0: none, or not known. */
static inline u32 closing_error(const struct settings *s, u32 reported, u64 sk, u8 oldstate)
{
	u32 err = 0;

	if (!s->sk_err)
		return 0;
	read_kernel(&err, sizeof(err), (void *)(sk + s->sk_err));
	if (!err && !is_orderly_end(oldstate))
		err = reported;
	return err;
}
