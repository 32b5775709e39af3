/* SPDX-License-Identifier: Apache-2.0 */
/* The programs for state changes, and the second one for those that the kernel skipped; change.bpf.h handles a change. */
#ifdef SECOND_PROGRAM
/*
 * An interrupt may change a state while the first program runs on this CPU, and so may another thread on a raw tracepoint
 * from 7.0 on. The kernel skips the first program then, if it guards raw tracepoints against recursion (from 6.2 on, some
 * backports); it always does so on perf's tracepoints: __bpf_trace_run() and trace_call_bpf() in kernel/trace/bpf_trace.c.
 * The tool attaches a second program after the first. The second program handles the changes that the first missed.
 *
 * The socket's element shows whether the first program saw the change: then it has the new state. At CLOSE too: the second
 * program removes the element. For sockets without an element the first program leaves a note of each change that it saw, on
 * its CPU, and the second removes the note. Several notes may be there at a time, because state changes nest. From 7.0 on a
 * thread may change its CPU between the two programs; then the second finds no note.
 */
struct notes {
	u64 note[8];
	u64 next;
	u64 busy;	/* 1: the second program runs; the kernel skips it for a nested change, so it would remove nothing */
};

BPF_TABLE("percpu_array", int, struct notes, notes, 1);

static inline u64 make_note(const struct change *ch)
{
	return ch->sk ^ (u64)ch->newstate << 56;
}

/* True if the second program follows and can remove the element of a socket that goes to CLOSE. */
static inline bool second_removes(const struct change *ch)
{
	int zero = 0;
	struct notes *n;

	if (ch->newstate != TCP_CLOSE)
		return false;
	n = notes.lookup(&zero);
	return n && !n->busy;
}

static inline void leave_note(const struct change *ch)
{
	int zero = 0;
	struct notes *n = notes.lookup(&zero);

	if (n && !n->busy)
		n->note[n->next++ & 7] = make_note(ch);
}

static inline bool take_note(struct notes *n, const struct change *ch)
{
	u64 mine = make_note(ch);

#pragma unroll
	for (int i = 0; i < 8; i++)
		if (n->note[i] == mine) {
			n->note[i] = 0;
			return true;
		}
	return false;
}

/* True if "connecting" or "clients" has the connect of a socket that has no element. The first program leaves no such
 * connect: it removes the connect, or makes an element. */
static inline bool is_unanswered(void *ctx, const struct settings *s, const struct change *ch)
{
	struct tuple key;
	struct conn c = {};

	read_key(ctx, s, ch, &c);
	key = c.tuple;
	if (own_connecting(&key, ch->sk))
		return true;
	key = c.tuple;
	return own_client(&key, ch->sk);
}

enum seen { SEEN, MISSED, NOT_KNOWN };

/* Finds out whether the first program saw the change. NOT_KNOWN: either it did, or the change is of no interest. */
static inline enum seen seen_by_first(void *ctx, const struct settings *s, struct notes *n, const struct change *ch)
{
	bool noted = take_note(n, ch);
	u64 sk = ch->sk;
	struct sock_entry *e = sockets.lookup(&sk);	/* not find_socket(): at CLOSE the first program leaves a dead element */

	if (e) {
		VERIFIER_CHECKED(e);
		if (e->conn.state == ch->newstate) {
			if (ch->newstate == TCP_CLOSE)
				drop_socket(sk, e);
			return SEEN;
		}
		if (e->conn.state != TCP_CLOSE)
			return MISSED;
	}
	if (!(s->flags & SETTING_ALL) && s->flags & SETTING_IPVS && ch->oldstate == TCP_SYN_SENT &&
	    is_unanswered(ctx, s, ch))
		return MISSED;
	if (noted)
		return SEEN;
	if (s->flags & SETTING_ALL ? ch->newstate != TCP_CLOSE : s->adopt && ch->oldstate != TCP_CLOSE)
		return MISSED;
	return NOT_KNOWN;
}

static inline void second_change(void *ctx, const struct settings *s, struct notes *n)
{
	struct change ch;
	enum seen seen;

	read_raw(ctx, &ch);
	seen = seen_by_first(ctx, s, n, &ch);
	if (seen == SEEN)
		return;
	/* Nothing is lost with the end of a socket that is not shown. */
	if (seen == MISSED || !(s->flags & SETTING_ALL) || s->flags & SETTING_FILTERS)
		count(COUNT_NESTED);
	if (seen == NOT_KNOWN)
		return;
	ch.second = true;
	state_change(ctx, &ch);
}

int state_second(void *ctx)
{
	int zero = 0;
	struct notes *n = notes.lookup(&zero);
	struct settings *s;

	if (!n)
		return 0;
	n->busy = 1;	/* as early as possible */
	s = get_settings();
	if (s)
		second_change(ctx, s, n);
	n->busy = 0;
	return 0;
}
#else
#define second_removes(ch) false
#define leave_note(ch) do { } while (0)
#endif

#if defined(RAW_TRACEPOINTS) && !defined(WITHOUT_state_raw)
int state_raw(void *ctx)
{
	struct change ch;

	read_raw(ctx, &ch);
	ch.kept = second_removes(&ch);
	VERIFIER_FORGET(ch.kept, ch.sk);
	state_change(ctx, &ch);
	leave_note(&ch);
	return 0;
}
#endif

#if defined(STATE_SKADDR) && !defined(WITHOUT_state_tracepoint)
int state_tracepoint(void *ctx)
{
	struct change ch = {
		.sk = FIELD(u64, STATE_SKADDR),
		.oldstate = FIELD(u32, STATE_OLDSTATE),
		.newstate = FIELD(u32, STATE_NEWSTATE),
		.source = FROM_TRACEPOINT,
	};

	ch.kept = second_removes(&ch);
	VERIFIER_FORGET(ch.kept, ch.sk);
	if (FIELD(STATE_PROTOCOL_TYPE, STATE_PROTOCOL) == IPPROTO_TCP)
		state_change(ctx, &ch);
	leave_note(&ch);
	return 0;
}
#endif

#ifndef WITHOUT_state_kprobe
/* tcp_set_state(sk, state), net/ipv4/tcp.c */
int state_kprobe(struct pt_regs *ctx)
{
	u8 oldstate = 0;	/* not in ch: the compiler no longer knows what a helper may have changed */
	struct change ch = {
		.sk = PT_REGS_PARM1(ctx),
		.newstate = PT_REGS_PARM2(ctx),
		.source = FROM_KPROBE,
	};

	count_run(RUN_STATE);
	read_kernel(&oldstate, 1, (void *)(ch.sk + 18));
	ch.oldstate = oldstate;
	state_change(ctx, &ch);
	return 0;
}
#endif
