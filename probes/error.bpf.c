/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel reports an error to a socket's owner: tracepoint inet_sk_error_report(sk) from 5.14 on, else function
 * sock_def_error_report(sk), net/core/sock.c. A process that polls may fetch sk_err, and so clear it, before the state
 * becomes CLOSE.
 */

/* Keeps the error in the connect's element until the socket is tracked. Either side may have claimed the connect. */
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
	e = find_socket(sk);
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
	count_run(RUN_ERROR);
	return error_report(PT_REGS_PARM1(ctx));
}
