/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps and helpers of all probes. No kernel header but the register names and error numbers:
 * a text that includes net/ takes five times as long to compile and does not
 * compile at all on many hosts.
 *
 * From the tool, by -D:
 *   READ_KERNEL   number of the helper that reads kernel memory: 113, or 4
 *                 (bpf_probe_read) on kernels before 5.5
 *   RAW_TRACEPOINTS  this kernel has them
 *   NAMED_KPROBES  kprobes are lines of kprobe_events, which tell of their hits
 *   HIDDEN_SKIPS  they are not, and the tool finds the hits in the kernel's memory: 4.17 to 6.6
 *   STATE_*, RETRANSMIT_*  offsets of tracepoint fields on this kernel
 *   WITHOUT_*     a program that nothing on this host will choose
 */
#include <uapi/linux/errno.h>
#include <uapi/linux/ptrace.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

/* include/net/tcp_states.h */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LISTEN 10

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) __builtin_bswap16(x)
#define MAPPED 0xffff0000	/* third word of an IPv4-mapped address */
#else
#define BE16(x) (x)
#define MAPPED 0x0000ffff
#endif

/* 0 or 1, not known to the compiler: tool/specialize.c puts it in the place of the mark, and takes out what it rules
 * out. So one compiled text is for every command line. For the condition of an if: kept for later, it would not be decided. */
#define CHOSEN(mark)								\
	({									\
		u64 chosen;							\
		asm volatile("%0 = %1" : "=r"(chosen) : "i"(mark));		\
		chosen;								\
	})
#define TELL_ROWS CHOSEN(CHOICE_ROWS)
#define TELL_COUNTS CHOSEN(CHOICE_COUNTS)

/* A field of the tracepoint whose arguments start at ctx. */
#define FIELD(type, offset) (*(type *)((char *)ctx + (offset)))

static long (*read_kernel)(void *dst, u32 size, const void *src) = (void *)READ_KERNEL;

struct sock_entry {
	struct conn conn;	/* first: before 4.9 the verifier forgets a map value once added to */
	u64 since_ns;		/* start of the present state */
	u64 established_ns;	/* 0: not seen */
	u32 err;		/* the last sk_err that the socket's owner was told of */
	u32 connected;		/* tcp_connect() was seen */
};

/* Whom a connection key belongs to. */
struct claim {
	u64 sk;
	u32 netns;
	u32 pad;
};

/* A connect that IPVS may take, at the place that its ports have. What is behind "sk" is of one without an entry. */
struct waiting {
	u64 tries;		/* the sum of all sockets that try to have the place: one that is alone in it has it */
	u64 sk;			/* the one that has it; 0: none */
	u64 since_ns;
	struct owner owner;
	u32 untaken;		/* SYN sent again, and not taken by IPVS yet */
	u32 pad;
};

#define WAITING_BITS 12

BPF_TABLE("array", int, struct settings, settings, 1);
BPF_TABLE("array", int, u64, counts, COUNT_SLOTS);
BPF_TABLE("hash", u32, u8, ports, 1024);
BPF_TABLE("hash", struct end, u8, ends, 1024);
/* One entry for each socket that is shown, from its first event to CLOSE. Full: the socket is not followed, and counted. */
BPF_TABLE("hash", u64, struct sock_entry, socks, 65536);
/* Connections that IPVS has taken by their ends, so that what it does next finds the socket. */
BPF_TABLE("hash", struct tuple, struct claim, tuples, 65536);
/* Connects that IPVS may take, until the handshake is over: most are never taken, and to make and give back an entry of a
 * hash costs more than all the rest that is done for them. One whose place is another's is in "tuples" at once. */
BPF_TABLE("array", int, struct waiting, waiting, 1 << WAITING_BITS);
/* Connections that IPVS had before the start; the tool fills and sizes it. */
BPF_TABLE("hash", struct tuple, struct earlier_conn, earlier, 1);
/* The connect() that each thread is in. */
BPF_TABLE("hash", u64, u64, connects, 8192);
/* What is counted, with TELL_COUNTS; the tool sizes both. Full: the connection is not counted, or
 * its time is not, and that is counted. */
BPF_TABLE("hash", struct tally_key, struct tally, tallies, 1);
BPF_TABLE("hash", struct bucket_key, u64, buckets, 1);
BPF_PERF_OUTPUT(events);

static inline struct settings *get_settings(void)
{
	int zero = 0;

	return settings.lookup(&zero);
}

static inline void count(int slot)
{
	u64 *n = counts.lookup(&slot);

	if (n)
		__sync_fetch_and_add(n, 1);
}

#if defined(NAMED_KPROBES) || defined(HIDDEN_SKIPS)
/* The kernel counts the hits of a kprobe; the difference is what it skipped this program for. Each CPU has slots of its
 * own, and no program on a kprobe interrupts another one there. The tool sizes the map. */
BPF_TABLE("array", int, u64, runs, RUN_SLOTS);

static inline void ran_rarely(int slot)
{
	int place = bpf_get_smp_processor_id() * RUN_SLOTS + slot;
	u64 *n = runs.lookup(&place);

	if (n)
		*n += 1;
}
#else
#define ran_rarely(slot) do { } while (0)
#endif

/* Of programs that run for each connect or segment, or have counts of their own. Where the tool finds the hits itself, it
 * takes what the kernel has counted as missed, and they need not pay for more. */
#ifdef NAMED_KPROBES
#define ran(slot) ran_rarely(slot)
#else
#define ran(slot) do { } while (0)
#endif

#ifdef RAW_TRACEPOINTS
/* Of a socket, at a place that it may share with others: see state.bpf.c */
struct note {
	u64 change;		/* the last state change that the first program saw; 0: the second one has seen it too */
	u64 socks;		/* not less than have entries in map "socks" */
	u64 began;		/* the last that was seen to begin a connect, with SETTING_FROM_CONNECT */
};

#define NOTE_BITS 12

BPF_TABLE("array", int, struct note, notes, 1 << NOTE_BITS);

static inline struct note *note_of(u64 sk)
{
	int place = sk * 0x9e3779b97f4a7c15ULL >> (64 - NOTE_BITS);

	return notes.lookup(&place);
}

static inline void note_socks(u64 sk, s64 more)
{
	struct note *note = note_of(sk);

	if (note)
		__sync_fetch_and_add(&note->socks, more);
}
#else
#define note_socks(sk, more) do { } while (0)
#endif

/* Return: whether there was room. */
static inline bool keep_socket(u64 sk, const struct sock_entry *e)
{
	note_socks(sk, 1);
	if (!socks.update(&sk, e))
		return true;
	note_socks(sk, -1);
	return false;
}

static inline void drop_socket(u64 sk)
{
	if (!socks.delete(&sk))
		note_socks(sk, -1);
}

static inline void set_ipv4(u32 addr[4], u32 ipv4)
{
	addr[0] = 0;
	addr[1] = 0;
	addr[2] = MAPPED;
	addr[3] = ipv4;
}

static inline bool is_ipv4(const u32 addr[4])
{
	return !addr[0] && !addr[1] && addr[2] == MAPPED;
}

/* Before 4.10 the verifier learns that it is not NULL of the very register that was compared, not of copies that were
 * made before. */
#define CHECKED(pointer) asm volatile("" : "+r"(pointer))

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

/* The ends of a socket. Its IPv6 addresses have moved: where they are not known
 * @t keeps those it has. */
static inline void read_ends(const struct settings *s, u64 sk, const struct common *skc,
			     struct tuple *t)
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

static inline bool family_wanted(const struct settings *s, u16 family)
{
	if (s->flags & SETTING_IPV4)
		return family == AF_INET;
	if (s->flags & SETTING_IPV6)
		return family == AF_INET6;
	return true;
}

static inline bool rport_wanted(const struct settings *s, u16 rport)
{
	u32 key = rport | PORT_REMOTE;

	return s->rports & PORT_BIT(rport) && ports.lookup(&key);
}

static inline bool lport_wanted(const struct settings *s, u16 lport)
{
	u32 key = lport;

	return s->lports & PORT_BIT(lport) && ports.lookup(&key);
}

static inline bool ports_wanted(const struct settings *s, u16 lport, u16 rport)
{
	if (s->flags & SETTING_LPORTS && !lport_wanted(s, lport))
		return false;
	return !(s->flags & SETTING_RPORTS) || rport_wanted(s, rport);
}

/* With this port, or with any. */
static inline bool end_wanted(const u32 addr[4], u16 port, u16 side)
{
	struct end key = { .port = port, .side = side };

	key.addr[0] = addr[0];
	key.addr[1] = addr[1];
	key.addr[2] = addr[2];
	key.addr[3] = addr[3];
	if (ends.lookup(&key))
		return true;
	key.port = 0;
	return ends.lookup(&key);
}

static inline void set_owner(struct owner *o)
{
	o->pid = bpf_get_current_pid_tgid() >> 32;
	o->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(o->comm, sizeof(o->comm));
}

/* Whether CLOSE is the ordinary next state. */
static inline bool ends_in_peace(u8 state)
{
	return state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_ESTABLISHED &&
	       state != TCP_CLOSE_WAIT;
}

/* sk_err is set before the state becomes CLOSE: why it ended. But the owner may
 * have fetched it by SO_ERROR already, which clears it. 0: none, or not known. */
static inline u32 closing_error(const struct settings *s, const struct sock_entry *e, u64 sk, u8 oldstate)
{
	u32 err = 0;

	if (!s->sk_err)
		return 0;
	read_kernel(&err, sizeof(err), (void *)(sk + s->sk_err));
	if (!err && !ends_in_peace(oldstate))
		err = e->err;
	return err;
}

/* The key of a connection: first come has it without the namespace, so that
 * IPVS in another namespace (kube-proxy's, for a pod) finds it; a second one
 * with the same four numbers in another namespace has it with its own. */
static inline void claim_tuple(const struct tuple *t, u64 sk)
{
	struct tuple key = *t;
	struct claim mine = { .sk = sk, .netns = t->netns };
	struct claim *other;

	key.netns = 0;
	if (!tuples.insert(&key, &mine))
		return;
	other = tuples.lookup(&key);
	if (other && other->netns != mine.netns)
		key.netns = mine.netns;
	if (tuples.update(&key, &mine))
		count(COUNT_TUPLES_FULL);
}

static inline void release_tuple(const struct tuple *t, u64 sk)
{
	struct tuple key = *t;
	struct claim *c;

	key.netns = 0;
	c = tuples.lookup(&key);
	if (c && c->sk == sk) {
		tuples.delete(&key);
		return;
	}
	key.netns = t->netns;
	c = tuples.lookup(&key);
	if (c && c->sk == sk)
		tuples.delete(&key);
}

static inline struct waiting *waiting_at(u16 lport, u16 rport)
{
	int place = ((u32)lport << 16 | rport) * 0x9e3779b1U >> (32 - WAITING_BITS);

	return waiting.lookup(&place);
}

/* Takes the place, in whatever way CPUs come together here, or leaves it as it is. That a socket has it already is of a
 * handshake whose end was missed. Kernels before 5.12 have neither an exchange nor a sum with its result. */
static inline bool take_place(struct waiting *w, u64 sk)
{
	if (w->sk)
		return w->sk == sk;
	__sync_fetch_and_add(&w->tries, sk);
	if (*(volatile u64 *)&w->tries == sk && !*(volatile u64 *)&w->sk) {
		w->sk = sk;
		return true;
	}
	__sync_fetch_and_add(&w->tries, -sk);
	return false;
}

/* Only by what has the socket's lock. Return: whether it had the place. */
static inline bool leave_place(struct waiting *w, u64 sk)
{
	if (w->sk != sk)
		return false;
	w->sk = 0;
	__sync_fetch_and_add(&w->tries, -sk);
	return true;
}

/* Of a connect under way; @e has its ends, and what is known of it. NULL: not followed, and counted. */
static inline struct sock_entry *follow(struct sock_entry *e, u64 sk)
{
	e->conn.flags |= CONN_PENDING | CONN_CLAIMED;
	e->conn.state = TCP_SYN_SENT;
	e->connected = 1;
	if (!keep_socket(sk, e)) {
		count(COUNT_SOCKS_FULL);
		return 0;
	}
	claim_tuple(&e->conn.tuple, sk);
	return socks.lookup(&sk);
}

/* IPVS may be in another namespace than the socket: then it has the key without one. */
static inline bool take_earlier(struct tuple *key, struct earlier_conn *conn)
{
	struct earlier_conn *found = earlier.lookup(key);

	if (!found && key->netns) {
		key->netns = 0;
		found = earlier.lookup(key);
	}
	if (!found)
		return false;
	*conn = *found;
	earlier.delete(key);
	return true;
}

/* A socket that was there before the start: follow it from now on, if it is IPVS's.
 * @e has its ends, family and state. */
static inline void adopt(const struct settings *s, u64 sk, struct sock_entry *e)
{
	struct tuple *t = &e->conn.tuple;
	struct earlier_conn conn;
	u32 netns = t->netns;

	if (s->flags & SETTING_PID || !family_wanted(s, e->conn.family) ||
	    !ports_wanted(s, t->lport, t->rport))
		return;
	if (s->flags & SETTING_VIPS && !end_wanted(t->raddr, t->rport, END_VIP))
		return;
	if (!take_earlier(t, &conn))
		return;
	e->conn.real = conn.real;
	if (s->flags & SETTING_REALS && !end_wanted(e->conn.real.addr, e->conn.real.port, END_REAL))
		return;
	t->netns = netns;
	e->conn.flags = CONN_CLAIMED | CONN_COUNTED;
	if (conn.open)
		e->conn.flags |= CONN_OPEN;
	if (!keep_socket(sk, e))
		count(COUNT_SOCKS_FULL);
	else
		claim_tuple(t, sk);
}
