/* SPDX-License-Identifier: Apache-2.0 */
/*
 * These programs run only with --server. They see what keeps a client from this host's server, before the server's program gets
 * a connection. There is no socket of a connection yet.
 *
 *   tcp:tcp_retransmit_synack(sk, req) from 4.16 on, else tcp_rtx_synack(sk, req), net/ipv4/tcp_output.c: the kernel sends a
 *	SYN-ACK again, as no ACK came, or the SYN came again.
 *   tcp:tcp_send_reset(sk, skb, reason) from 6.10 on, else tcp_v4_send_reset(sk, skb) and tcp_v6_send_reset(sk, skb),
 *	net/ipv[46]/tcp_ipv[46].c: a reset. No socket takes the packet if @sk is NULL; before 6.10 the tracepoint is silent then.
 *   tcp_conn_request(ops, ops, sk, skb), net/ipv4/tcp_input.c: a SYN for listener @sk. If its accept queue is full, the kernel
 *	drops the SYN. Before 4.10, where there are no LRU maps either, it still takes some of them.
 *   tcp_v4_syn_recv_sock(sk, skb, req, ...) and tcp_v6_syn_recv_sock(): the ACK that completes the handshake. It is dropped in
 *	the same case. For a client with an IPv4 address the second one calls the first.
 *
 * A request (struct request_sock) begins as a socket does, with struct sock_common.
 */
#ifdef SERVER

/* Counts a row in the counter that fits best; the manual page has them. */
static inline void server_tally(const struct event *ev, u8 type)
{
	struct tally *t = get_tally(&ev->conn, TALLY_SERVER);

	if (!t)
		return;
	if (type == EVENT_SERVER_SYN_ACK)
		RAISE(t->syn_retransmits);
	else if (type == EVENT_SERVER_NO_LISTENER)
		RAISE(t->refused);
	else
		RAISE(t->failed);
}

static inline void server_report(void *ctx, const struct settings *s, struct event *ev, u8 type, u8 state)
{
	const struct tuple *t = &ev->conn.tuple;

	ev->ts_ns = bpf_ktime_get_ns();
	ev->type = type;
	ev->oldstate = state;
	ev->newstate = state;
	ev->conn.family = family_of(t->raddr);
	if (!family_wanted(s, ev->conn.family) || !ports_wanted(s, t->lport, t->rport) || !netns_wanted(s, t->netns) ||
	    (s->flags & SETTING_VIPS && !address_wanted(t->laddr, t->lport, ADDRESS_VIP)))
		return;
	if (REPORT_COUNTS)
		server_tally(ev, type);
	if (REPORT_ROWS && events.perf_submit(ctx, ev, sizeof(*ev)))
		count(COUNT_LOST);
}

/* Reads the ends and the network namespace of request @req. */
static inline void read_request(const struct settings *s, u64 req, struct event *ev)
{
	struct common skc = {};

	read_common(req, &skc);
	ev->skaddr = req;
	read_tuple(s, req, &skc, &ev->conn.tuple);
	ev->conn.tuple.netns = sock_netns(s, req);
}

/* Reads the ends of a packet that TCP handles: skb->data is at the TCP header. Returns false if it is no SYN, or not known. */
static inline bool read_syn(const struct settings *s, u64 skb, struct tuple *t)
{
	u64 head = 0, data = 0;
	u16 ip = 0, ports[2] = {};
	u8 version = 0, flags = 0;

	if (!s->skb_head || !s->skb_data || !s->skb_ip)
		return false;
	read_kernel(&head, sizeof(head), (void *)(skb + s->skb_head));
	read_kernel(&data, sizeof(data), (void *)(skb + s->skb_data));
	read_kernel(&ip, sizeof(ip), (void *)(skb + s->skb_ip));
	read_kernel(&flags, sizeof(flags), (void *)(data + 13));
	if ((flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) != TCP_FLAG_SYN)
		return false;
	read_kernel(ports, sizeof(ports), (void *)data);
	t->rport = BE16(ports[0]);
	t->lport = BE16(ports[1]);
	head += ip;
	read_kernel(&version, sizeof(version), (void *)head);
	if (version >> 4 == 4) {
		read_addr(t->raddr, AF_INET, head + 12);
		read_addr(t->laddr, AF_INET, head + 16);
	} else {
		read_addr(t->raddr, AF_INET6, head + 8);
		read_addr(t->laddr, AF_INET6, head + 24);
	}
	return true;
}

static inline u32 packet_netns(const struct settings *s, u64 skb)
{
	u64 dev = 0, net = 0;

	if (!s->skb_dev || !s->dev_nd_net)
		return 0;
	read_kernel(&dev, sizeof(dev), (void *)(skb + s->skb_dev));
	if (dev)
		read_kernel(&net, sizeof(net), (void *)(dev + s->dev_nd_net));
	return net_inum(s, net);
}

/* Does what sk_acceptq_is_full() in include/net/sock.h does. */
static inline bool is_queue_full(const struct settings *s, u64 sk)
{
	u32 queued = 0, most = 0;

	if (!s->sk_ack_backlog || !s->sk_max_ack_backlog)
		return false;
	read_kernel(&queued, sizeof(queued), (void *)(sk + s->sk_ack_backlog));
	read_kernel(&most, sizeof(most), (void *)(sk + s->sk_max_ack_backlog));
	return queued > most;
}

static inline int syn_ack_again(void *ctx, u64 req)
{
	struct settings *s = get_settings();
	struct event ev = {};

	if (!s)
		return 0;
	read_request(s, req, &ev);
	server_report(ctx, s, &ev, EVENT_SERVER_SYN_ACK, TCP_SYN_RECV);
	return 0;
}

static inline int no_listener(void *ctx, u64 sk, u64 skb)
{
	struct settings *s = get_settings();
	struct event ev = {};

	if (!s || sk || !read_syn(s, skb, &ev.conn.tuple))
		return 0;
	ev.conn.tuple.netns = packet_netns(s, skb);
	server_report(ctx, s, &ev, EVENT_SERVER_NO_LISTENER, TCP_CLOSE);
	return 0;
}

static inline int dropped_ack(void *ctx, u64 sk, u64 req, u8 family)
{
	struct settings *s = get_settings();
	struct event ev = {};

	if (!s || !is_queue_full(s, sk))
		return 0;
	read_request(s, req, &ev);
	if (family_of(ev.conn.tuple.raddr) == family)
		server_report(ctx, s, &ev, EVENT_SERVER_QUEUE_FULL, TCP_SYN_RECV);
	return 0;
}

#ifdef RAW_TRACEPOINTS
int syn_ack_raw(void *ctx)
{
	return syn_ack_again(ctx, FIELD(u64, 8));
}

int reset_raw(void *ctx)
{
	return no_listener(ctx, FIELD(u64, 0), FIELD(u64, 8));
}
#endif

int syn_ack_kprobe(struct pt_regs *ctx)
{
	count_run(RUN_SYN_ACK);
	return syn_ack_again(ctx, PT_REGS_PARM2(ctx));
}

int reset_kprobe(struct pt_regs *ctx)
{
	count_run(RUN_RESET);
	return no_listener(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
}

int reset_v6_kprobe(struct pt_regs *ctx)
{
	count_run(RUN_RESET_V6);
	return no_listener(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
}

int accept_syn_kprobe(struct pt_regs *ctx)
{
	u64 sk = PT_REGS_PARM3(ctx), skb = PT_REGS_PARM4(ctx);
	struct settings *s;
	struct event ev = {};

	count_run(RUN_ACCEPT_SYN);
#ifdef LRU_MAPS
	s = get_settings();
	if (!s || !is_queue_full(s, sk) || !read_syn(s, skb, &ev.conn.tuple))
		return 0;
	ev.skaddr = sk;
	ev.conn.tuple.netns = sock_netns(s, sk);
	server_report(ctx, s, &ev, EVENT_SERVER_QUEUE_FULL, TCP_LISTEN);
#endif
	return 0;
}

int accept_ack_kprobe(struct pt_regs *ctx)
{
	count_run(RUN_ACCEPT_ACK);
	return dropped_ack(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM3(ctx), AF_INET);
}

int accept_ack_v6_kprobe(struct pt_regs *ctx)
{
	count_run(RUN_ACCEPT_ACK_V6);
	return dropped_ack(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM3(ctx), AF_INET6);
}

#endif
