/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket's owner is told of an error: inet_sk_error_report(sk), a tracepoint from 5.14 on, else
 * sock_def_error_report(sk), net/core/sock.c. A program that polls may have fetched, and so cleared, sk_err before the state
 * is CLOSE.
 */

/* The connect's element has the error until the socket is tracked, whichever side has claimed it. */
static inline void note_error(const struct settings *s, u64 sk, u32 err)
{
	struct common skc = {};
	struct connecting *c;
	struct client *cl;
	struct tuple t = {}, key;

	read_common(sk, &skc);
	if (skc.state != TCP_SYN_SENT)
		return;
	read_tuple(s, sk, &skc, &t);
	t.netns = sock_netns(s, sk);
	key = t;
	c = own_connecting(&key, sk);
	if (c) {
		VERIFIER_CHECKED(c);
		c->err = err;
	}
	key = t;
	cl = own_client(&key, sk);
	if (cl) {
		VERIFIER_CHECKED(cl);
		cl->e.err = err;
	}
}

static inline int error_report(u64 sk)
{
	struct settings *s = get_settings();
	struct sock_entry *e;
	u32 err = 0;

	if (!s || !s->sk_err)
		return 0;
	VERIFIER_CHECKED(s);
	read_kernel(&err, sizeof(err), (void *)(sk + s->sk_err));
	if (!err)
		return 0;
	e = sockets.lookup(&sk);
	if (e) {
		VERIFIER_CHECKED(e);
		e->err = err;
		return 0;
	}
	if (s->flags & SETTING_IPVS)
		note_error(s, sk, err);
	return 0;
}

#ifdef RAW_TRACEPOINTS
int error_raw(void *ctx)
{
	return error_report(FIELD(u64, 0));
}
#endif

int error_kprobe(struct pt_regs *ctx)
{
	ran(RUN_ERROR);
	return error_report(PT_REGS_PARM1(ctx));
}
