/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constants, maps and helper functions of all probes. The only kernel headers are those of the register names and error
 * numbers: a text that includes net/ takes five times as long to compile, and does not compile at all on many hosts.
 *
 * The tool defines by -D:
 *   REPORT_ROWS, REPORT_COUNTS  1 or 0: send events for rows; count in maps
 *   READ_KERNEL       number of the helper that reads kernel memory: 113, or 4 (bpf_probe_read) before 5.5
 *   LRU_MAPS          this kernel has maps that drop their oldest elements: 4.10 and later
 *   CGROUP_IDS        this kernel tells the control group of the current process: 4.18 and later
 *   PIDS_IN_NAMESPACE this kernel tells the PID in a namespace: 5.7 and later
 *   JIFFIES           this kernel tells programs its jiffies: 5.9 and later
 *   RAW_TRACEPOINTS   this kernel has raw tracepoints: 4.17 and later
 *   SECOND_PROGRAM    a second program is attached after the one for state changes, see state.bpf.c
 *   DIRECTOR          with the programs for --director, see director.bpf.c
 *   SERVER            with the programs for --server, see server.bpf.c
 *   NAMED_KPROBES     kprobes are lines of kprobe_events, and kprobe_profile counts their hits
 *   STATE_*, RETRANSMIT_*  offsets of tracepoint fields on this kernel
 *   WITHOUT_*         leave out a program that this host does not use: each large one takes half a second to compile
 */
#include <uapi/linux/errno.h>
#include <uapi/linux/ptrace.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) __builtin_bswap16(x)
#define MAPPED 0xffff0000	/* third word of an IPv4-mapped address */
#else
#define BE16(x) (x)
#define MAPPED 0x0000ffff
#endif

#ifdef LRU_MAPS
#define LRU_OR_HASH "lru_hash"
#else
#define LRU_OR_HASH "hash"
#endif

/* A field of the tracepoint's arguments, which start at ctx. */
#define FIELD(type, offset) (*(type *)((char *)ctx + (offset)))

/* Before 4.10, when a register is compared, the verifier learns only for that register that a map's value is there, not
 * for copies that the compiler made before. */
#define VERIFIER_CHECKED(pointer) asm volatile("" : "+r"(pointer))

static long (*read_kernel)(void *dst, u32 size, const void *src) = (void *)READ_KERNEL;

/*
 * The verifier checks the rest of a program once for each path that leads to it with other values. These macros make it forget
 * the values, so that it checks the rest only once: programs load in half the time.
 *
 * VERIFIER_FORGET calculates with a value that the verifier does not know. VERIFIER_FORGET_STRUCT copies a variable of the stack
 * onto itself.
 */
#define VERIFIER_FORGET(variable, unknown) asm volatile("%0 += %1\n%0 -= %1" : "+r"(variable) : "r"(unknown))
#define VERIFIER_FORGET_STRUCT(pointer) read_kernel(pointer, sizeof(*(pointer)), pointer)

#ifdef CGROUP_IDS
static u64 (*current_cgroup_id)(void) = (void *)80;	/* by number: older libbcc does not know it */
#endif
#ifdef PIDS_IN_NAMESPACE
struct namespace_pids {		/* struct bpf_pidns_info, include/uapi/linux/bpf.h */
	u32 pid, tgid;
};

static long (*current_pids_in)(u64 dev, u64 ino, struct namespace_pids *to, u32 size) = (void *)120;
#endif

#ifdef JIFFIES
static u64 (*current_jiffies)(void) = (void *)118;
#endif

/* A tracked socket: shown or counted. */
struct sock_entry {
	struct conn conn;	/* first: before 4.9 the verifier forgets a map value once added to */
	u64 since_ns;		/* start of the current state */
	u64 established_ns;	/* start of ESTABLISHED; 0: not seen */
	u16 err;		/* the last sk_err that the kernel reported to the socket's owner */
	u8 connected;		/* 1: tcp_connect() was seen, so the addresses and ports are final */
	u8 before : 4;		/* the state before the current one; 0: not seen */
	u8 kept : 4;		/* number of rows in map "paths" */
	u32 cgroup;		/* as in struct event */
};

/* With SETTING_WHOLE: the rows of a socket that are not sent, except the one that began its state. The latest is first. */
struct path {
	u64 at_ns[4];
	u64 oldstates;		/* a byte for each */
};

/* A connect in progress. */
struct connecting {
	u64 sk;			/* struct sock; 0: this element is dead */
	u64 since_ns;
	struct owner owner;
	u32 netns;		/* the socket's network namespace, inode number */
	u32 cgroup;		/* as in struct event */
	u32 err;		/* as in struct sock_entry */
	u32 retransmits;	/* of its SYN, before the probes saw that IPVS handles it */
	u8 family;
	u8 pad[7];
};

/* A connect that has left "connecting". It is in "clients" if IPVS handles it, or in "closed" if it was given up before
 * that: its SYN may still be on its way to IPVS. Both maps use one struct, because the stack of a program is small. */
struct client {
	struct sock_entry e;	/* as it was when the connection began */
	u64 sk;			/* struct sock; 0: this element is dead */
	u64 closed_ns;		/* when it was given up */
	u32 retransmits;	/* as in struct connecting */
	u32 uncertain;		/* 1: COUNT_UNCERTAIN counts it */
};

BPF_TABLE("array", int, struct settings, settings, 1);
BPF_TABLE("array", int, u64, counts, COUNT_SLOTS);
BPF_TABLE("hash", u32, u8, ports, 1024);
BPF_TABLE("hash", struct address, u8, addresses, 1024);

/*
 * These maps find a socket's real server. Each map is written from one side: "entries" from the IPVS side (the probes on
 * IPVS's functions), the others from the socket side (the probes on a socket's events, while the kernel holds the
 * socket's lock). The one exception is a claim: the side that removes the element of "connecting" has claimed the
 * connect, and only that side reports its first row; see join.bpf.h and ipvs.bpf.c.
 * The tool sizes these maps by --max-conns.
 */

/* A copy of IPVS's table: from a connection's addresses and ports to its real server. If it is full, the kernel drops
 * the oldest elements. Before 4.10 a new element finds no room, and is counted. */
BPF_TABLE(LRU_OR_HASH, struct tuple, struct conn_entry, entries, 65536);
/* Connects in progress, until the handshake ends or IPVS handles them. If full: the connect is not shown, but counted. */
BPF_TABLE("hash", struct tuple, struct connecting, connecting, 65536);
/* Clients of connections that IPVS handles, until their socket is closed. If full: as for "sockets". */
BPF_TABLE("hash", struct tuple, struct client, clients, 65536);
/* Address of a struct ip_vs_conn that IPVS is ending -> since when. An element of "entries" that is newer than that
 * belongs to its successor. If full: the kernel drops the oldest. */
BPF_TABLE(LRU_OR_HASH, u64, u64, ending, 16384);
/* Connects that were given up early. They are needed for CLOSED_NS. If full: the kernel drops the oldest; before 4.10 it
 * drops the new one, and that is counted. */
BPF_TABLE(LRU_OR_HASH, struct tuple, struct client, closed, 16384);
/* Tracked sockets, from their first event to CLOSE. If full: the socket is not tracked, but counted. */
BPF_TABLE("hash", u64, struct sock_entry, sockets, 65536);
/* Rows that wait for trouble, by socket, only with --failures. The tool sizes this map. If full: the rows are sent, and the
 * tool keeps them. */
BPF_TABLE("hash", u64, struct path, paths, 1);
/* Virtual services that IPVS was seen to serve, only with -a. If full: a first row may lack its real server. */
BPF_TABLE(LRU_OR_HASH, struct service, u8, services, 4096);
/* Pre-existing connections that the tool has counted as open. The tool fills and sizes this map. */
BPF_TABLE("hash", struct tuple, u8, open_before, 1);
/* The connect() that each thread is in, only with -a. If full: the row is reported at the socket's next event. */
BPF_TABLE("hash", u64, u64, connects, 8192);
/* Counters, if REPORT_COUNTS, since the tool last took them; see tally.bpf.h. The tool sizes both maps. If full: the
 * connection, or its time, is missing in them, and COUNT_TALLIES_FULL or COUNT_BUCKETS_FULL counts that. */
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

/*
 * Counts a change of a map that failed with @err; @slot: the cause if the map is full.
 *
 * From 5.11 to 6.5, without a backport, a change also fails, with -EBUSY, if the program interrupts another change of the
 * same map on this CPU: htab_lock_bucket() and htab_unlock_bucket(), kernel/bpf/hashtab.c. A failed removal leaves an element
 * behind. So the programs mark such an element as dead: it is as good as none.
 */
static inline void count_failed(int err, int slot)
{
	count(err == -EBUSY ? COUNT_BUSY : slot);
}

#ifdef NAMED_KPROBES
/* kprobe_profile counts a kprobe's hits. Hits less runs is how often the kernel skipped the program. Each CPU has slots of
 * its own, and there no program on a kprobe interrupts another one. The tool sizes the map. */
BPF_TABLE("array", int, u64, runs, RUN_SLOTS);

static inline void count_run(int slot)
{
	int index = bpf_get_smp_processor_id() * RUN_SLOTS + slot;
	u64 *n = runs.lookup(&index);

	if (n)
		*n += 1;
}
#else
#define count_run(slot) do { } while (0)
#endif

/* Returns the socket's element, or 0 if there is none. In a dead element the state is TCP_CLOSE. */
static inline struct sock_entry *find_socket(u64 sk)
{
	struct sock_entry *e = sockets.lookup(&sk);

	if (!e)
		return 0;
	VERIFIER_CHECKED(e);
	return e->conn.state == TCP_CLOSE ? 0 : e;
}

/*
 * This is a full memory barrier. Each of two sides writes one map and then looks into another; the barrier must be between the
 * two steps. Without it a CPU may look first, and both sides miss what the other one wrote. BPF has no barrier before 5.12, and an
 * atomic addition is no barrier on arm64. A CPU that unlocks one lock and then locks another passes a barrier, on all but PowerPC:
 * smp_mb__after_unlock_lock(), include/linux/rcupdate.h. The function therefore removes an element that does not exist. Its
 * key is the number of the CPU, which is never the address of a struct ip_vs_conn.
 */
static inline void full_barrier(void)
{
	u64 none = bpf_get_smp_processor_id();

	ending.delete(&none);
}

/* Keeps reads in order. The reads of x86 are in order anyway. */
#if defined(__x86_64__) || defined(__i386__)
#define READ_BARRIER() asm volatile("" ::: "memory")
#else
#define READ_BARRIER() full_barrier()
#endif

/* Returns 0 if @now_ns is before @since_ns, because the clocks of two CPUs may differ slightly. */
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

static inline void read_addr(u32 addr[4], u16 af, u64 from)
{
	if (af == AF_INET6) {
		read_kernel(addr, 16, (void *)from);
	} else {
		set_ipv4(addr, 0);
		read_kernel(&addr[3], 4, (void *)from);
	}
}

static inline u8 family_of(const u32 addr[4])
{
	return addr[2] == MAPPED && !addr[0] && !addr[1] ? AF_INET : AF_INET6;
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

/* Reads the addresses and ports of socket @sk. The offsets of IPv6 addresses differ between kernels: if they are not
 * known, @t keeps the addresses that it has. */
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

/* True if the filter has this address with this port, or with every port. */
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

static inline bool netns_wanted(const struct settings *s, u32 netns)
{
	return !(s->flags & SETTING_NETNS) || netns == s->netns;
}

/* True if the current process may open sockets that are shown. @room: changed; the stack has little */
static inline bool opener_wanted(const struct settings *s, struct common *room)
{
	if (!(s->flags & SETTING_PID))
		return true;
#ifdef PIDS_IN_NAMESPACE
	if (s->pidns) {
		struct namespace_pids *in = (struct namespace_pids *)room;

		return !current_pids_in(s->pidns_dev, s->pidns, in, sizeof(*in)) && in->tgid == s->pid;
	}
#endif
	return bpf_get_current_pid_tgid() >> 32 == s->pid;
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

/* The control group of the process that opens a socket. */
static inline u32 opener_cgroup(const struct settings *s)
{
#if defined(CGROUP_IDS) && !defined(EVENT_WITHOUT_CGROUP)
	if (s->flags & SETTING_CGROUPS)
		return current_cgroup_id();
#endif
	return 0;
}

#define ERROR_UNKNOWN 0xffffffffU

/* Returns the error that ended a socket, or 0 if there was none or it is not known. The kernel sets sk_err before the
 * state becomes CLOSE. If the owner has fetched it by SO_ERROR before, which clears it, returns @reported: the error that
 * the kernel reported to the owner. */
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
