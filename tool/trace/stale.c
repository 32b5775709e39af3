/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/stale.h"

#include "base/bpf.h"
#include "base/clock.h"
#include "base/log.h"
#include "probes/tcp_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A hint comes when a command begins, and a connection that is being made may not be in the map yet: both need more looks. */
#define LOOKS 3
#define PAUSE 10		/* the tool spends at most a tenth of its time on looks */
#define MEANWHILE_CONNS 1024

/* The connections that a look finds stale. */
struct finding {
	struct stale_conn *conn;
	size_t n, size;
	bool full;		/* no memory for all of them */
};

static uint64_t count_hints(const struct kernel *k)
{
	uint64_t n = 0;

	loader_count(&k->loaded, COUNT_STALE_HINTS, &n);
	return n;
}

/* Reads the services. Namespaces that the tool cannot read are as unknown as before. */
static void read_services(struct stale *s, const struct kernel *k)
{
	int err = services_read(&s->services, k->plan->options->proc_root);

	if (err)
		log_debug("cannot read net/ip_vs of every namespace: %s", strerror(-err));
	if (s->services.full && !s->warned)
		log_warning("IPVS has more than %d real servers, so connections whose real server is out of service are not shown",
			    SERVICES_MAX);
	s->warned |= s->services.full;
}

void stale_begin(struct stale *s, const struct kernel *k)
{
	s->hints = count_hints(k);
	read_services(s, k);
}

static bool copy_entry(const struct loaded *l, const struct tuple *t, struct conn_entry *e)
{
	struct tuple key = *t;

	if (bpf_lookup(l->entries_fd, &key, e)) {	/* see find_entry() in probes/conns.bpf.h */
		key.netns = 0;
		if (bpf_lookup(l->entries_fd, &key, e))
			return false;
	}
	return e->ports == ENTRY_PORTS(t);	/* else another connection got the element meanwhile */
}

/* True if the connection is open, and packets of it go to a stale real server. @real: of its entry; set if true */
static bool is_stale(const struct stale *s, const struct loaded *l, const struct sock_entry *sock, struct conn_entry *entry)
{
	const struct conn *c = &sock->conn;
	struct ipvs_entry e = { .vport = c->tuple.rport };

	if (!(c->flags & CONN_IPVS) || c->flags & CONN_PENDING || !is_in_use(c->state) || !copy_entry(l, &c->tuple, entry))
		return false;
	if (!entry->real.family || entry->real.method == METHOD_BYPASS || entry->gone_ns)
		return false;
	e.netns = entry->netns;
	e.dport = entry->real.port;
	memcpy(e.vaddr, c->tuple.raddr, sizeof(e.vaddr));
	memcpy(e.daddr, entry->real.addr, sizeof(e.daddr));
	return services_is_stale(&s->services, &e);
}

static void add_finding(struct finding *f, const struct stale_conn *c)
{
	if (f->n == f->size) {
		size_t size = f->size ? 2 * f->size : 64;
		struct stale_conn *more = realloc(f->conn, size * sizeof(*more));

		if (!more) {
			f->full = true;
			return;
		}
		f->conn = more;
		f->size = size;
	}
	f->conn[f->n++] = *c;
}

static struct stale_conn identify(uint64_t skaddr, const struct sock_entry *sock)
{
	return (struct stale_conn){
		.skaddr = skaddr, .established_ns = sock->established_ns, .ports = ENTRY_PORTS(&sock->conn.tuple),
	};
}

/* Looks through the map. If an element is removed meanwhile, the kernel may begin anew, so there is a limit. */
static void find_conns(const struct stale *s, const struct kernel *k, const struct stale_to *to, struct finding *f)
{
	const struct loaded *l = &k->loaded;
	uint64_t skaddr = 0, limit = 2 * (uint64_t)k->plan->options->max_conns + 64;	/* 0 is no socket */
	struct sock_entry sock;
	struct conn_entry entry;

	for (uint64_t i = 1; i <= limit && !bpf_next(l->sockets_fd, &skaddr, &skaddr); i++) {
		if (!bpf_lookup(l->sockets_fd, &skaddr, &sock) && is_stale(s, l, &sock, &entry)) {
			const struct stale_conn c = identify(skaddr, &sock);

			add_finding(f, &c);
		}
		if (i % MEANWHILE_CONNS == 0)
			to->meanwhile(to->cookie);
	}
}

static int compare_conns(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct stale_conn));
}

/* Sends the event, unless the connection changes meanwhile: what the kernel copies while a program changes it may be of both
 * times, or of another connection. Returns false if it has changed. */
static bool send_stale(const struct stale *s, const struct loaded *l, const struct stale_to *to, const struct stale_conn *c)
{
	struct event ev = { .type = EVENT_STALE_REAL, .skaddr = c->skaddr };
	struct sock_entry sock, again;
	struct conn_entry entry;
	struct stale_conn id;

	if (bpf_lookup(l->sockets_fd, &c->skaddr, &sock) || !is_stale(s, l, &sock, &entry) ||
	    bpf_lookup(l->sockets_fd, &c->skaddr, &again) || memcmp(&sock, &again, sizeof(sock)) != 0)
		return false;
	id = identify(c->skaddr, &sock);
	if (compare_conns(&id, c))
		return false;
	ev.ts_ns = clock_now_ns();
	ev.conn = sock.conn;
	ev.conn.flags &= (__u8)~CONN_SYN_LOST;
	ev.conn.real = entry.real;
	ev.conn.entry_at = entry.made_ns ? ENTRY_TIME(entry.made_ns) : 0;
	ev.conn.gone_at = 0;
	ev.oldstate = ev.newstate = sock.conn.state;
	ev.span_ns = sock.since_ns && ev.ts_ns > sock.since_ns ? ev.ts_ns - sock.since_ns : 0;
	ev.cgroup = sock.cgroup;
	to->event(to->cookie, &ev, sizeof(ev));
	return true;
}

static bool was_told(const struct stale *s, const struct stale_conn *c)
{
	return s->n && bsearch(c, s->conn, s->n, sizeof(*c), compare_conns);
}

/* Sends the events of those that are new, and keeps all. */
static void tell(struct stale *s, const struct loaded *l, const struct stale_to *to, struct finding *f)
{
	size_t kept = 0;

	if (f->n)
		qsort(f->conn, f->n, sizeof(*f->conn), compare_conns);
	for (size_t i = 0; i < f->n; i++) {
		const struct stale_conn *c = &f->conn[i];

		if (kept && !compare_conns(&f->conn[kept - 1], c))
			continue;
		if (was_told(s, c) || send_stale(s, l, to, c))
			f->conn[kept++] = *c;
		else
			s->looks = s->looks > 1 ? s->looks : 2;	/* it may only have changed its state */
	}
	free(s->conn);
	s->conn = f->conn;
	s->n = kept;
}

void stale_look(struct stale *s, const struct kernel *k, const struct stale_to *to)
{
	uint64_t began_ns = clock_now_ns(), hints = count_hints(k), took_ns;
	struct finding f = { .conn = NULL };

	if (hints != s->hints)
		s->looks = LOOKS;
	if (!s->looks || began_ns < s->after_ns)
		return;
	s->hints = hints;
	read_services(s, k);
	if (services_any_stale(&s->services))
		find_conns(s, k, to, &f);
	if (f.full)
		log_warning("out of memory: not every connection is shown whose real server is out of service");
	tell(s, &k->loaded, to, &f);
	s->looks--;
	took_ns = clock_now_ns() - began_ns;
	s->after_ns = began_ns + PAUSE * took_ns;
	log_debug("%zu connections whose real server is out of service, found in %" PRIu64 " us", s->n, took_ns / 1000);
}

void stale_end(struct stale *s)
{
	services_free(&s->services);
	free(s->conn);
	memset(s, 0, sizeof(*s));
}
