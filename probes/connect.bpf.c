/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel calls tcp_connect(sk), net/ipv4/tcp_output.c, just after the state became SYN_SENT. The local port is chosen,
 * and the SYN is not sent yet. IPVS sees the SYN before tcp_connect() returns, unless the packet crosses to another network
 * namespace, where another CPU may handle it.
 */

static inline bool is_service(const struct tuple *t)
{
	struct service key = { .port = t->rport };

	key.addr[0] = t->raddr[0];
	key.addr[1] = t->raddr[1];
	key.addr[2] = t->raddr[2];
	key.addr[3] = t->raddr[3];
	return services.lookup(&key);
}

/* Adds a connect to "connecting". Returns true if its first row now waits for IPVS. */
static inline bool await_ipvs(const struct settings *s, u64 sk, const struct tuple *t, u16 family, u64 since_ns)
{
	struct connecting c = { .sk = sk, .since_ns = since_ns, .netns = t->netns, .family = family };

	if (!(s->flags & SETTING_IPVS))
		return false;
	if (REPORT_ROWS) {
		set_owner(&c.owner);
		c.cgroup = opener_cgroup(s);
	}
	return track_connect(t, &c);
}

/* With -a: a filter excludes the socket now that its port is known. */
static inline void drop_pending(u64 sk)
{
	struct sock_entry *e = find_socket(sk);	/* again: before 4.10 the verifier forgets what was checked before */

	if (!e)
		return;
	VERIFIER_CHECKED(e);
	drop_socket(sk, e);
}

/* With -a: the socket is tracked already, and its first row is not reported yet. */
static inline void connect_known(void *ctx, const struct settings *s, u64 sk, const struct tuple *t, u16 family)
{
	struct sock_entry *e = find_socket(sk);	/* again: before 4.10 the verifier forgets what was checked before */
	u64 thread;

	if (!e)
		return;
	VERIFIER_CHECKED(e);
	e->conn.tuple = *t;
	e->connected = 1;
	if (!await_ipvs(s, sk, t, family, e->since_ns)) {
		report_syn_sent(ctx, s, e, sk);
		return;
	}
	/* IPVS handles it for sure, but maybe after tcp_connect() has returned. */
	if (is_service(t))
		return;
	thread = bpf_get_current_pid_tgid();
	connects.update(&thread, &sk);
}

int connect_kprobe(struct pt_regs *ctx)
{
	u64 sk = PT_REGS_PARM1(ctx);
	struct common skc = {};
	struct sock_entry *e;
	struct tuple t = {};
	struct settings *s;
	bool known = false;

	count_run(RUN_CONNECT);
	s = get_settings();
	if (!s)
		return 0;
	e = find_socket(sk);
	if (e) {
		VERIFIER_CHECKED(e);
		known = e->conn.flags & CONN_PENDING;
		if (!known)	/* another socket had this address, and its end was not seen */
			drop_socket(sk, e);
	}
	if (!known && s->flags & SETTING_ALL)	/* a filter excludes it */
		return 0;
	if (!known && !opener_wanted(s, &skc))
		return 0;
	read_common(sk, &skc);
	read_tuple(s, sk, &skc, &t);
	t.netns = sock_netns(s, sk);
	if (!family_wanted(s, skc.family) || !ports_wanted(s, t.lport, t.rport) || !vip_wanted(s, &t) ||
	    !netns_wanted(s, t.netns)) {
		if (known)
			drop_pending(sk);
		return 0;
	}
	if (known)
		connect_known(ctx, s, sk, &t, skc.family);
	else
		await_ipvs(s, sk, &t, skc.family, bpf_ktime_get_ns());
	return 0;
}

/* Only with -a: reports the connects that IPVS does not handle. If the kernel skips this probe, they are reported at the
 * socket's next event. */
int connect_return(struct pt_regs *ctx)
{
	u64 thread = bpf_get_current_pid_tgid(), sk;
	struct settings *s = get_settings();
	struct client cl = {};
	struct sock_entry *e;
	u64 *found;

	found = connects.lookup(&thread);
	if (!found)
		return 0;
	sk = *found;
	connects.delete(&thread);
	e = find_socket(sk);
	if (!s || !e || !(e->conn.flags & CONN_PENDING))
		return 0;
	VERIFIER_CHECKED(e);
	cl.e = *e;
	join(s, sk, &cl, true, AT_RETURN);
	e = find_socket(sk);
	if (e && e->conn.flags & CONN_PENDING)
		report_syn_sent(ctx, s, e, sk);
	return 0;
}
