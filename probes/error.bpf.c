/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket's owner is told of an error: inet_sk_error_report(sk), a tracepoint
 * from 5.14 on, else sock_def_error_report(sk), net/core/sock.c. A program that
 * polls may have fetched, and so cleared, sk_err before the state is CLOSE.
 */
static inline int error_report(u64 sk)
{
	struct sock_entry *e = socks.lookup(&sk);
	struct settings *s;
	u32 err = 0;

	if (!e)
		return 0;
	s = get_settings();
	if (!s || !s->sk_err)
		return 0;
	read_kernel(&err, sizeof(err), (void *)(sk + s->sk_err));
	if (err)
		e->err = err;
	return 0;
}

#ifdef RAW_TRACEPOINTS
int error_raw(void *ctx)
{
	return error_report(FIELD(u64, 0));
}
#endif

#ifndef WITHOUT_error_kprobe
int error_kprobe(struct pt_regs *ctx)
{
	ran_rarely(RUN_ERROR);
	return error_report(PT_REGS_PARM1(ctx));
}
#endif
