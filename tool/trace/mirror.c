/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/mirror.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/host.h"
#include "host/privilege.h"
#include "ipvs/entries.h"
#include "ipvs/sockets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Pre-existing connections whose socket was established at the first look. */
struct candidates {
	struct ipvs_entry *entry;
	size_t n, size;
};

struct reading {
	const struct loaded *loaded;
	const struct options *options;
	struct summary *summary;
	struct sockets sockets[2];	/* IPv4, IPv6; empty if nothing is counted */
	struct candidates open;
	struct ipvs_entry last;		/* the last entry whose virtual service was added */
	uint64_t adopt, n, full, not_counted;
};

/* True if the filters let the connection pass, as unseen_wanted() and adopt() in probes/join.bpf.h decide at its end. */
static bool is_wanted_entry(const struct options *o, const struct ipvs_entry *e)
{
	return !o->pid && filter_has_port(&o->lports, e->cport) && filter_has_port(&o->rports, e->vport) &&
	       filter_has_address(&o->vips, e->vaddr, e->vport) && filter_has_address(&o->reals, e->daddr, e->dport);
}

static bool is_established(const struct reading *r, const struct ipvs_entry *e)
{
	struct socket_addresses ends = { .lport = e->cport, .rport = e->vport };

	memcpy(ends.laddr, e->caddr, sizeof(ends.laddr));
	memcpy(ends.raddr, e->vaddr, sizeof(ends.raddr));
	return sockets_has(&r->sockets[0], &ends) || sockets_has(&r->sockets[1], &ends);
}

static void add_candidate(struct reading *r, const struct ipvs_entry *e)
{
	struct candidates *c = &r->open;

	if (!is_wanted_entry(r->options, e) || !is_established(r, e))
		return;
	if (c->n == c->size) {
		size_t size = c->size ? 2 * c->size : 64;
		struct ipvs_entry *more = realloc(c->entry, size * sizeof(*more));

		if (!more) {
			r->not_counted++;
			return;
		}
		c->entry = more;
		c->size = size;
	}
	c->entry[c->n++] = *e;
}

static void add_entry(void *cookie, const struct ipvs_entry *e)
{
	struct reading *r = cookie;
	int err;

	if (r->n >= (uint64_t)r->options->max_conns) {
		r->full++;
		return;
	}
	err = entries_add(r->loaded, e, &r->adopt);
	if (err == -EEXIST)	/* the programs saw IPVS create it */
		return;
	if (err) {
		r->full++;
		return;
	}
	r->n++;
	if (r->n == 1 || r->last.vport != e->vport || memcmp(r->last.vaddr, e->vaddr, sizeof(e->vaddr)) != 0) {
		entries_add_service(r->loaded, e);
		r->last = *e;
	}
	if (r->summary)
		add_candidate(r, e);
}

static void free_sockets(struct reading *r)
{
	sockets_free(&r->sockets[0]);
	sockets_free(&r->sockets[1]);
}

static void read_sockets(struct reading *r)
{
	static const char *const names[] = { "tcp", "tcp6" };
	const bool wanted[] = { !r->options->ipv6, !r->options->ipv4 };

	for (int i = 0; i < 2; i++) {
		int err = wanted[i] ? sockets_read(&r->sockets[i], r->options->proc_root, names[i]) : 0;

		if (err)
			log_warning("connections from before the start may not be counted as open: cannot read net/%s of "
				    "every namespace in %s: %s", names[i], r->options->proc_root, strerror(-err));
	}
}

/* Counts the candidates as open. A socket may have closed before its connection was marked; then the programs did not count
 * its end. So the tool reads the sockets again after marking. */
static void count_open(struct reading *r)
{
	for (size_t i = 0; i < r->open.n; i++)
		if (entries_mark_open(r->loaded, &r->open.entry[i]))
			r->not_counted++;
	free_sockets(r);
	read_sockets(r);
	for (size_t i = 0; i < r->open.n; i++) {
		const struct ipvs_entry *e = &r->open.entry[i];

		if ((is_established(r, e) || entries_unmark_open(r->loaded, e)) && summary_open(r->summary, e))
			r->not_counted++;
	}
	log_debug("%zu of them open", r->open.n);
}

uint64_t mirror_read(const struct loaded *l, const struct options *o, struct summary *summary, uint64_t *adopt,
		     void (*set)(void *cookie), void *cookie)
{
	struct reading r = { .loaded = l, .options = o, .summary = summary };
	bool hidden = !privilege_has(privilege_ptrace());
	uint64_t began_ns = clock_now_ns();
	int err;

	if (summary)
		read_sockets(&r);
	err = ipvs_read(o->proc_root, add_entry, &r);
	entries_count_added(l, r.n);
	/* Without ip_vs there is nothing to read, so missing access does no harm. */
	if (host_ipvs() ? err || hidden : err && err != -EACCES && err != -EPERM)
		log_warning("connections from before the start may lack their real server: cannot read "
			    "net/ip_vs_conn of every namespace in %s: %s", o->proc_root,
			    hidden ? "CAP_SYS_PTRACE is missing" : strerror(-err));
	if (r.full)
		log_warning("%" PRIu64 " connections from before the start lack their real server: too many; "
			    "allow more by --max-conns", r.full);
	log_debug("%" PRIu64 " connections that IPVS had already, read in %" PRIu64 " us", r.n, (clock_now_ns() - began_ns) / 1000);
	*adopt |= r.adopt;
	set(cookie);
	if (r.open.n)
		count_open(&r);
	if (r.not_counted)
		log_warning("connections from before the start are not all counted: too many real servers; allow "
			    "more by --max-conns");
	free(r.open.entry);
	free_sockets(&r);
	return clock_now_ns() - began_ns;
}
